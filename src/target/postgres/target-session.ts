import type pg from "pg";
import { type ErrorContext, PghaulError } from "../../errors/pghaul-error.ts";
import { type SideName, sideCode } from "../../model/side.ts";
import type { Table } from "../../model/table.ts";
import { writeRefused } from "../../postgres/lock-refused.ts";
import { asPghaulError, sqlState } from "../../postgres/wrap-error.ts";
import { setUpOrigin } from "../../side/postgres/bookkeeping/replication-origin.ts";
import { askOf } from "../../side/postgres/catalog/ask.ts";
import type { TableReach } from "../../side/postgres/catalog/partition-tree.ts";
import { readReach } from "../../side/postgres/catalog/table-reach.ts";
import { copyIn } from "./rows/copy-in.ts";
import { asRefusal } from "./rows/refused-data.ts";
import { strayIn } from "./rows/row-queries.ts";
import { Stages } from "./rows/stages.ts";
import { readLeaves, readTargetTable, type TargetTable } from "./rows/target-table.ts";

export interface SessionRequest {
  /** The side that is written: the source, on the way back. Errors bear its name. */
  readonly side: SideName;
  readonly connect: (purpose: string) => Promise<pg.Client>;
  /** `stream`, `load_0`, `load_1` ... */
  readonly lane: string;
  /** For pg_stat_activity. */
  readonly purpose: string;
  readonly originPrefix: string;
  /** Where the fence looks to let our own writes pass; null until there is one. */
  readonly applierToken: string | null;
  readonly synchronousCommit: boolean;
  /** Catalog facts of the tables, shared by the sessions of a target. */
  readonly tables: WeakMap<Table, TargetTable>;
  readonly signal: AbortSignal;
}

/**
 * A leaf that is left out comes by a person's hand; until it is noticed, our statements lock and plan it as PostgreSQL does. A foreign one is
 * noticed by the next transaction.
 */
const LEAVES_BELIEVED_MILLIS = 10_000;

/** Longer than any ordinary statement at a target nobody else writes to; a lock held past it is for a person to look at. */
const LOCK_TIMEOUT = "60s";

/**
 * A connection that writes to the target as a replication process does. Every error it throws is a PghaulError with the table in its
 * context and no row value in it.
 */
export class TargetSession {
  readonly client: pg.Client;
  readonly lane: string;
  readonly side: SideName;
  readonly stages: Stages;
  readonly #tables: WeakMap<Table, TargetTable>;
  /** When this session has looked at the leaves of a partitioned table. */
  readonly #looked = new WeakMap<Table, number>();
  #began = 0;
  #looksAtLeaves = false;
  #foreignLeaves: string | null = null;
  /** What was looked up before is not believed. */
  #believedFrom = 0;
  #lost = false;
  /** Errors for want of a lock; while the transaction has failed nobody can be asked who holds it. */
  readonly #unnamed = new WeakSet<object>();

  private constructor(client: pg.Client, { side, lane, tables }: SessionRequest) {
    this.side = side;
    this.client = client;
    this.lane = lane;
    this.stages = new Stages(client);
    this.#tables = tables;
    const lose = (): void => {
      this.#lost = true;
    };
    client.on("error", lose);
    client.on("end", lose);
  }

  static async open(request: SessionRequest): Promise<TargetSession> {
    const client = await request.connect(request.purpose);
    try {
      const session = new TargetSession(client, request);
      await session.#become(request);
      return session;
    } catch (error) {
      await client.end().catch(() => undefined);
      throw asPghaulError(error, request.side, { step: request.purpose });
    }
  }

  /** True once the connection is of no more use. */
  get lost(): boolean {
    return this.#lost;
  }

  async query<R extends pg.QueryResultRow>(text: string, values?: unknown[]): Promise<pg.QueryResult<R>> {
    return this.guarded({}, () => this.client.query<R>(text, values));
  }

  /** Several statements in one round trip; the results in their order. */
  async script(statements: readonly string[], context: ErrorContext = {}): Promise<readonly pg.QueryResult[]> {
    const results: pg.QueryResult | pg.QueryResult[] = await this.guarded(context, () => this.client.query(statements.join(";\n")));
    return Array.isArray(results) ? results : [results];
  }

  async copyIn(sql: string, pieces: Iterable<Uint8Array> | AsyncIterable<Uint8Array>, context: ErrorContext): Promise<number> {
    // What feeds the COPY may fail by itself (the source was lost): that is not the target's error and must keep its own name.
    let fault: { readonly error: unknown } | null = null;
    async function* watched(): AsyncGenerator<Uint8Array> {
      try {
        yield* pieces;
      } catch (error) {
        fault = { error };
        throw error;
      }
    }
    return this.guarded(context, () => copyIn(this.client, sql, watched())).catch((error: unknown) => {
      throw fault === null ? error : fault.error;
    });
  }

  /** This session has read the leaves of a table, so its transactions ask as they begin whether the foreign ones are still the same. */
  get looksAtLeaves(): boolean {
    return this.#looksAtLeaves;
  }

  /**
   * To be called as a transaction begins. `foreignLeaves`: the database's, in whatever form; others than before, and nothing known of leaves counts.
   * Null: it was not asked.
   */
  transactionBegan(foreignLeaves: string | null): void {
    this.#began = performance.now();
    if (foreignLeaves !== this.#foreignLeaves) this.#believedFrom = this.#began;
    this.#foreignLeaves = foreignLeaves;
  }

  async target(table: Table): Promise<TargetTable> {
    const known = this.#tables.get(table);
    if (known !== undefined && this.#isFresh(known)) return known;
    const read = await this.guarded({ table: table.id }, async () =>
      known === undefined
        ? readTargetTable(this.client, this.side, table)
        : { ...known, ...(await readLeaves(this.client, this.side, table)) },
    );
    this.#tables.set(table, read);
    this.#looked.set(table, performance.now());
    this.#looksAtLeaves ||= read.partitioned;
    return read;
  }

  /** Leaves come and go. Named one by one, a new one would be missed by the next statement; through the root, one not ours be reached by it. */
  #isFresh({ table, partitioned, leaves }: TargetTable): boolean {
    if (!partitioned) return true;
    const at = this.#looked.get(table) ?? Number.NEGATIVE_INFINITY;
    if (leaves !== null) return at >= this.#began;
    return at >= this.#believedFrom && performance.now() - at < LEAVES_BELIEVED_MILLIS;
  }

  /** How all rows of the table are reached, and no others; as the catalog is now. */
  async reach(table: Table): Promise<TableReach> {
    return this.guarded({ table: table.id }, () => readReach(askOf(this.client), this.side, table));
  }

  /** Runs `work` and gives its errors the side's names. */
  async guarded<T>(context: ErrorContext, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      const stray = error instanceof PghaulError || !(error instanceof Error) ? null : strayIn(error.message);
      if (stray !== null) throw this.#led(stray, context);
      const known = asPghaulError(error, this.side, context);
      if (known.code === sideCode(this.side, "LOST")) this.#lost = true;
      throw this.#named(known, context);
    }
  }

  /** An error for want of a lock, with the name of who holds it. Not in a transaction. */
  async withHolders(error: unknown): Promise<unknown> {
    if (this.#lost || !this.#unnamed.has(error as object)) return error;
    const { table } = (error as PghaulError).context;
    return writeRefused(this.client, this.side, typeof table === "string" ? table : undefined);
  }

  async end(): Promise<void> {
    this.#lost = true;
    await this.client.end().catch(() => undefined);
  }

  #led({ leaf, parent }: { readonly leaf: string; readonly parent: string }, context: ErrorContext): PghaulError {
    const { side } = this;
    return new PghaulError(sideCode(side, "SCHEMA"), `a row of ${context.table} belongs to ${leaf} at the ${side}, which is not moved`, {
      context,
      suggestion: `alter table ${parent} detach partition ${leaf};   -- at the ${side}; or give both sides the same bounds; then run again`,
    });
  }

  /** A deadlock is over once one side has gone: like a lost connection, it is fixed by running the transaction again. */
  #named(error: PghaulError, context: ErrorContext): PghaulError {
    const state = sqlState(error);
    if (state === "40P01" || state === "40001")
      return new PghaulError(sideCode(this.side, "LOST"), `the ${this.side} ended the transaction: ${error.message}`, {
        context: { ...context, ...error.context },
      });
    if (state === "55P03") {
      const late = new PghaulError(sideCode(this.side, "QUERY"), `a lock at the ${this.side} was not granted within ${LOCK_TIMEOUT}`, {
        context: { ...context, ...error.context },
        suggestion:
          "select pid, state, query from pg_stat_activity where cardinality(pg_blocking_pids(pid)) = 0 and xact_start is not null;",
      });
      this.#unnamed.add(late);
      return late;
    }
    return asRefusal(error);
  }

  async #become({ applierToken, synchronousCommit, originPrefix, lane, signal }: SessionRequest): Promise<void> {
    await this.#replicaRole();
    await this.client.query(tuning(synchronousCommit));
    await this.client.query(ANY_BYTES);
    if (applierToken !== null) await this.client.query("select set_config('pghaul.applier', $1, false)", [applierToken]);
    await setUpOrigin(this.client, { side: this.side, prefix: originPrefix, lane }, signal);
  }

  /** As an apply worker: ordinary triggers, rules and foreign keys stay silent, for their effects are in the stream themselves. */
  async #replicaRole(): Promise<void> {
    try {
      await this.client.query("set session_replication_role = replica");
    } catch (error) {
      if (sqlState(error) !== "42501") throw error;
      throw new PghaulError(
        sideCode(this.side, "PRIVILEGE"),
        `the role may not set session_replication_role at the ${this.side}: triggers and foreign keys would act twice`,
        {
          context: { step: "session_replication_role" },
          suggestion:
            "grant set on parameter session_replication_role to ROLE; (PostgreSQL 15 and later; before: a superuser, or rds_superuser on RDS)",
        },
      );
    }
  }
}

/**
 * A SQL_ASCII database takes any bytes, but a session that calls itself UTF8 may send only UTF8 even there
 * (manual: "Character Set Support"). Valid text is sent the same either way.
 */
const ANY_BYTES = `select set_config('client_encoding', 'SQL_ASCII', false) where current_setting('server_encoding') = 'SQL_ASCII'`;

/**
 * - synchronous_commit off is exact here only because the position commits in the same transaction: a crash of the target that loses
 *   the last commits loses their positions too, and they are applied again from the log. `makeDurable` settles them when it matters.
 * - A staging table has no statistics, so the planner would hash or merge the whole target table for a few rows; and the table
 *   itself may have grown from nothing since it was analysed.
 * - The penalty that enable_seqscan puts on scans (the stage's own) must not make every statement worth compiling.
 */
function tuning(synchronousCommit: boolean): string {
  return `set synchronous_commit = ${synchronousCommit ? "on" : "off"};
    set enable_hashjoin = off; set enable_mergejoin = off; set enable_seqscan = off; set jit = off;
    set lock_timeout = '${LOCK_TIMEOUT}'`;
}
