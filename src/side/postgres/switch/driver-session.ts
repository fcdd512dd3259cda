/**
 * The session by which a process drives one side of a switch.
 *
 * A process that dies leaves its statement to the server, which goes on with it: a fence that waits for locks gets them seconds later and
 * commits, after somebody has settled the switch without it. So whoever drives a side holds the migration's driver lock there, an advisory
 * lock of the session. `takeOver` ends every other session that holds it and returns once it has the lock itself. PostgreSQL lets go of a
 * session's locks after its transaction has ended (source: ShutdownPostgres), so what the sides then show is all there will ever be: a COMMIT
 * under way has landed or not, and what still travels to the old session arrives nowhere.
 *
 * Each statement has two deadlines: ours, after which the session is given up, for a server that has frozen answers nothing; and the server's
 * own, for a statement that nobody waits for any more.
 */
import type pg from "pg";
import { from as copyFrom } from "pg-copy-streams";
import { PghaulError } from "../../../errors/pghaul-error.ts";
import type { SideName } from "../../../model/side.ts";
import { quietEventTriggers } from "../../../postgres/quiet-ddl.ts";
import { takePlace } from "./take-place.ts";

export interface DriverSessionOptions {
  readonly side: SideName;
  readonly migration: string;
  /** Opens a session, and does nothing else with it; gives up with the signal. */
  readonly open: (signal: AbortSignal) => Promise<pg.Client>;
  readonly now: () => number;
}

/** For statements that no client waits for. */
const CALM_MILLIS = 30_000;
const PING_MILLIS = 1_000;
const CLOSE_MILLIS = 1_000;

/** The server's own deadlines, each for a client that is gone without a word (manual: "Connections and Authentication", "TCP Settings"). */
const SERVER_DEADLINES: Readonly<Record<string, string>> = {
  statement_timeout: "30s",
  lock_timeout: "10s",
  idle_in_transaction_session_timeout: "30s",
  tcp_keepalives_idle: "5s",
  tcp_keepalives_interval: "2s",
  tcp_keepalives_count: "3",
  tcp_user_timeout: "10s",
};

export class DriverSession {
  readonly #options: DriverSessionOptions;
  #client: Promise<pg.Client> | null = null;
  /** From the first takeOver on no statement goes out by a session without the lock. */
  #mustDrive = false;

  constructor(options: DriverSessionOptions) {
    this.#options = options;
  }

  /**
   * Ends all other sessions that drive this side, and returns when they are gone and this one has taken their place. Cheap where it already
   * has. Throws CUTOVER_DEADLINE with their pids, *_LOST, and what connecting throws.
   */
  async takeOver(limitMillis: number): Promise<void> {
    const until = this.#options.now() + limitMillis;
    if (this.#mustDrive && (await this.#answers(Math.min(limitMillis, PING_MILLIS)))) return;
    this.#mustDrive = true;
    this.#drop();
    const client = await this.#open(until - this.#options.now());
    try {
      const { side, migration, now } = this.#options;
      const ask = async <Row extends object>(sql: string, limit: number): Promise<readonly Row[]> =>
        (await this.#within(client, limit, () => client.query<Row>(sql))).rows;
      await takePlace(ask, { side, name: `pghaul ${migration} cutover` }, { limitMillis: until - now(), now });
    } catch (error) {
      client.connection.stream.destroy();
      throw error;
    }
    this.#client = Promise.resolve(client);
  }

  /**
   * Throws CUTOVER_DEADLINE when there is no answer in time, *_LOST when the session is gone; both are fixed by `takeOver` alone. `sent` is
   * called once the statement is on its way: from then on the server may do it, whatever becomes of us.
   */
  async query<Row extends object>(
    text: string,
    values?: unknown[],
    limitMillis = CALM_MILLIS,
    sent: () => void = () => {},
  ): Promise<pg.QueryResult<Row>> {
    const client = await this.#session();
    return await this.#within(client, limitMillis, () => {
      const answer = client.query<Row>(text, values);
      sent();
      return answer;
    });
  }

  /** `copy ... from stdin` with no row. */
  async copyNothing(sql: string): Promise<void> {
    const client = await this.#session();
    await this.#within(client, CALM_MILLIS, async () => {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      client.query(copyFrom(sql)).once("finish", resolve).on("error", reject).end();
      await promise;
    });
  }

  /** Waits a moment for the server to hear of it. */
  async close(): Promise<void> {
    const client = await this.#client?.catch(() => null);
    this.#client = null;
    if (client == null) return;
    const timer = setTimeout(() => client.connection.stream.destroy(), CLOSE_MILLIS);
    await client.end().catch(() => undefined);
    clearTimeout(timer);
  }

  async #session(): Promise<pg.Client> {
    if (this.#client === null && this.#mustDrive) throw this.#lost();
    this.#client ??= this.#open(CALM_MILLIS).catch((error: unknown) => {
      this.#client = null;
      throw error;
    });
    return await this.#client;
  }

  async #open(limitMillis: number): Promise<pg.Client> {
    const until = this.#options.now() + limitMillis;
    const limit = AbortSignal.timeout(Math.max(1, Math.round(limitMillis)));
    const client = await this.#options.open(limit).catch((error: unknown) => {
      throw limit.aborted ? this.#silent(limitMillis) : error;
    });
    // The fence, the guard and the tidying are DDL.
    await this.#within(client, until - this.#options.now(), async () => {
      await client.query(sessionSql());
      await quietEventTriggers(client);
    }).catch((error: unknown) => {
      client.connection.stream.destroy();
      throw error;
    });
    return client;
  }

  async #answers(limitMillis: number): Promise<boolean> {
    if (this.#client === null) return false;
    return await this.query("select 1", [], limitMillis).then(
      () => true,
      () => false,
    );
  }

  /** Runs `work` and stops waiting at the limit. A session that did not answer, or is lost, is not used again. */
  async #within<T>(client: pg.Client, limitMillis: number, work: () => Promise<T>): Promise<T> {
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => late.reject(this.#silent(limitMillis)), Math.max(1, limitMillis));
    const running = work();
    running.catch(() => undefined);
    try {
      return await Promise.race([running, late.promise]);
    } catch (error) {
      if (isOver(error)) {
        client.connection.stream.destroy();
        if ((await this.#client?.catch(() => null)) === client) this.#client = null;
      }
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  #drop(): void {
    const client = this.#client;
    this.#client = null;
    client?.then(
      (open) => open.connection.stream.destroy(),
      () => undefined,
    );
  }

  #silent(limitMillis: number): PghaulError {
    const { side } = this.#options;
    return new PghaulError("CUTOVER_DEADLINE", `the ${side} did not answer within ${Math.round(limitMillis)} ms`, {
      context: { side, limitMillis: Math.round(limitMillis) },
      suggestion: "pghaul cutover status   # look at the server, then run it again",
    });
  }

  #lost(): PghaulError {
    const { side } = this.#options;
    return new PghaulError(side === "source" ? "SOURCE_LOST" : "TARGET_LOST", `the session that drives the ${side} was lost`);
  }
}

/** Of errors by which a session has ended or is not to be trusted any more. */
const OVER: ReadonlySet<string> = new Set(["CUTOVER_DEADLINE", "SOURCE_LOST", "TARGET_LOST"]);

function isOver(error: unknown): boolean {
  return error instanceof PghaulError && OVER.has(error.code);
}

/** Where the server can (14 and later, not on every system), it looks whether the client is still there while a statement waits. */
function sessionSql(): string {
  const calls = Object.entries(SERVER_DEADLINES).map(([name, value]) => `pg_catalog.set_config('${name}', '${value}', false)`);
  return `select ${calls.join(", ")};
do $pghaul$ begin perform pg_catalog.set_config('client_connection_check_interval', '1s', false); exception when others then null; end $pghaul$`;
}
