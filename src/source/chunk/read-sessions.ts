import type pg from "pg";
import type { SideName } from "../../model/side.ts";
import { asPghaulError } from "../../postgres/wrap-error.ts";
import { cancelBackend } from "../queries/read-queries.ts";

/** Opens a session at the source. `purpose` is shown in pg_stat_activity. */
export type OpenSession = (purpose: string, signal: AbortSignal) => Promise<pg.Client>;

export interface ReadSessionsOptions {
  readonly side: SideName;
  readonly connect: OpenSession;
  /** Reading sessions open at once, at most; further work waits. */
  readonly workers: number;
  readonly signal: AbortSignal;
}

/**
 * The sessions that chunks are read on: opened when needed, used again, thrown away when they fail. Two more stand beside them, one for
 * short statements of the reader itself and one that does nothing but cancel, so that a cancel never waits for anything.
 */
export class ReadSessions {
  readonly #options: ReadSessionsOptions;
  readonly #idle: pg.Client[] = [];
  readonly #named = new Map<string, Promise<pg.Client>>();
  readonly #turns = new Map<string, Promise<unknown>>();
  readonly #waiting: (() => void)[] = [];
  readonly #work = new Set<Promise<unknown>>();
  #busy = 0;

  constructor(options: ReadSessionsOptions) {
    this.#options = options;
  }

  /** Runs `work` on a reading session. One that threw is closed: nobody knows what it is in the middle of. */
  use<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
    const running = this.#run(work);
    this.#work.add(running);
    const done = () => this.#work.delete(running);
    running.then(done, done);
    return running;
  }

  async #run<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
    while (this.#busy >= this.#options.workers) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#busy += 1;
    let client: pg.Client | undefined;
    try {
      client = this.#takeIdle() ?? (await this.#open(`snapshot reader ${this.#busy}`));
      const result = await work(client);
      this.#idle.push(client);
      return result;
    } catch (error) {
      if (client !== undefined) abandon(client);
      throw error;
    } finally {
      this.#busy -= 1;
      this.#waiting.shift()?.();
    }
  }

  /**
   * Runs short statements on a session of this purpose, one caller after the other; `prepare` runs once on it. A lost session is replaced on
   * the next call.
   */
  async named<T>(
    purpose: string,
    work: (client: pg.Client) => Promise<T>,
    prepare: (client: pg.Client) => Promise<void> = async () => undefined,
  ): Promise<T> {
    const before = this.#turns.get(purpose);
    const turn = (async () => {
      await before?.catch(() => undefined);
      return work(await this.#known(purpose, prepare));
    })();
    this.#turns.set(purpose, turn);
    return turn;
  }

  #known(purpose: string, prepare: (client: pg.Client) => Promise<void>): Promise<pg.Client> {
    const known = this.#named.get(purpose);
    if (known !== undefined) return known;
    const opening = this.#open(purpose).then(async (client) => {
      const forget = () => {
        if (this.#named.get(purpose) === opening) this.#named.delete(purpose);
      };
      client.once("end", forget);
      client.once("error", forget);
      await prepare(client);
      return client;
    });
    this.#named.set(purpose, opening);
    opening.catch(() => this.#named.delete(purpose));
    return opening;
  }

  /** Cancels what the session with this process id runs. Settles when the server has sent the signal. */
  async cancel(pid: string): Promise<void> {
    await this.named("snapshot cancel", (client) => cancelBackend(client, pid));
  }

  /** Ends every session once the work under way is done. No new work may come. */
  async close(): Promise<void> {
    await Promise.allSettled([...this.#work, ...this.#turns.values()]);
    const named = await Promise.allSettled(this.#named.values());
    const clients = [...this.#idle.splice(0), ...named.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []))];
    await Promise.allSettled(clients.map((client) => client.end()));
  }

  #takeIdle(): pg.Client | undefined {
    for (let client = this.#idle.pop(); client !== undefined; client = this.#idle.pop()) {
      if (client.connection.stream.writable) return client;
      abandon(client);
    }
    return undefined;
  }

  async #open(purpose: string): Promise<pg.Client> {
    try {
      return await this.#options.connect(purpose, this.#options.signal);
    } catch (error) {
      this.#options.signal.throwIfAborted();
      throw asPghaulError(error, this.#options.side, { step: purpose });
    }
  }
}

/** Drops a session without waiting for the server. */
export function abandon(client: pg.Client): void {
  client.connection.stream.destroy();
}
