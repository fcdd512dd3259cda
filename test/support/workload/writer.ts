import pg from "pg";
import type { Random } from "../random.ts";
import type { Work } from "./operations.ts";
import { type Progress, rollBackPrepared, runTransaction } from "./transaction.ts";

/** What all writers of a run have in common, and who started them may change. */
export interface SharedState {
  url: string;
  stopping: boolean;
  readonly released: string[];
  readonly errors: Error[];
}

export interface WriterPlan {
  readonly run: string;
  readonly writer: number;
  readonly random: Random;
  readonly rows: number;
  readonly prepared: boolean;
  readonly asyncCommits: boolean;
  readonly intervalMs: number;
}

export type Outcome = "committed" | "rolledBack" | "unknown";

/**
 * Failures that an application meets and survives by trying again.
 * 23505 and 23503: two writers wanted the same value, or a parent left. 23P01 cannot happen here. 42501, 25006, 55P03, 28000:
 * a fence. 57P01-57P03, 53300, 08xxx and errors without SQLSTATE: the server or the network is away. 55006, 3D000: being switched.
 */
const EXPECTED = /^(40001|40P01|55P03|57014|23505|23503|25006|42501|28000|53300|57P0\d|08\w{3}|E[A-Z]+)$/;
const CONNECTION_LOST = /^(57P0\d|08\w{3}|28000|53300|E[A-Z]+)$/;

/** One client of the application: one connection, one transaction after the other. */
export class Writer {
  readonly writer: number;
  readonly outcomes = new Map<number, Outcome>();
  readonly failures = new Map<string, number>();
  readonly operations = new Map<string, number>();
  connections = 0;
  readonly #shared: SharedState;
  readonly #plan: WriterPlan;
  #client: pg.Client | null = null;
  #connectedTo = "";

  constructor(shared: SharedState, plan: WriterPlan) {
    this.#shared = shared;
    this.#plan = plan;
    this.writer = plan.writer;
  }

  /** Works until told to stop. */
  async run(): Promise<void> {
    for (let number = 1; !this.#shared.stopping; number += 1) {
      const next = Date.now() + this.#plan.intervalMs;
      await this.#one(number);
      while (!this.#shared.stopping && Date.now() < next) await pause(Math.min(50, next - Date.now()));
    }
    await this.#leave();
  }

  /** Breaks the connection: for a statement that a frozen server will never answer. */
  abandon(): void {
    (this.#client as unknown as { connection: { stream: { destroy(): void } } } | null)?.connection.stream.destroy();
  }

  async #one(number: number): Promise<void> {
    const progress: Progress = { phase: "writing", done: [] };
    const releasing: string[] = [];
    try {
      const client = await this.#connected();
      const { random, rows } = this.#plan;
      const work: Work = { client, random, rows, released: this.#shared.released, releasing };
      const committed = await runTransaction(work, { ...this.#plan, number }, progress);
      this.outcomes.set(number, committed ? "committed" : "rolledBack");
      if (committed) this.#shared.released.push(...releasing);
      for (const name of progress.done) count(this.operations, name);
    } catch (error) {
      const code = codeOf(error);
      const lost = CONNECTION_LOST.test(code);
      this.outcomes.set(number, lost && progress.phase === "ending" ? "unknown" : "rolledBack");
      count(this.failures, code);
      if (!EXPECTED.test(code)) this.#shared.errors.push(error as Error);
      await this.#recover(lost);
    }
  }

  async #connected(): Promise<pg.Client> {
    if (this.#client !== null && this.#connectedTo === this.#shared.url) return this.#client;
    await this.#disconnect();
    const url = this.#shared.url;
    const client = new pg.Client({
      connectionString: url,
      application_name: `writer ${this.#plan.run}/${this.writer}`,
      connectionTimeoutMillis: 5000,
    });
    client.on("error", () => undefined);
    await client.connect();
    this.#client = client;
    this.#connectedTo = url;
    this.connections += 1;
    // A TRUNCATE behind a long transaction blocks everybody: better to fail and come back.
    await client.query("set lock_timeout = '2s'; set idle_in_transaction_session_timeout = '60s'");
    if (this.#plan.prepared) await rollBackPrepared(client, this.#plan.run, this.writer);
    return client;
  }

  async #recover(lost: boolean): Promise<void> {
    if (!lost) {
      try {
        await this.#client?.query("rollback");
        return;
      } catch {
        // Then the connection is gone as well.
      }
    }
    await this.#disconnect();
    if (!this.#shared.stopping) await pause(50);
  }

  async #disconnect(): Promise<void> {
    const client = this.#client;
    this.#client = null;
    await client?.end().catch(() => undefined);
  }

  async #leave(): Promise<void> {
    try {
      if (this.#plan.prepared) await rollBackPrepared(await this.#connected(), this.#plan.run, this.writer);
    } catch (error) {
      if (!EXPECTED.test(codeOf(error))) this.#shared.errors.push(error as Error);
    }
    await this.#disconnect();
  }
}

/** SQLSTATE, or the system's name of a network error; node-pg reports some lost connections with neither. */
function codeOf(error: unknown): string {
  const { code, message } = error as { code?: string; message: string };
  if (code !== undefined) return code;
  return /connection|timeout|not queryable|socket/i.test(message) ? "ECONNLOST" : `no code: ${message}`;
}

function count(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
