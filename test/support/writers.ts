import { randomBytes } from "node:crypto";
import pg from "pg";
import { deadline } from "./deadline.ts";
import { seededRandom } from "./random.ts";
import { WORKLOAD_TABLES, WORKLOAD_TYPES, workloadRows } from "./workload/schema.ts";
import { Writer } from "./workload/writer.ts";

export interface WorkloadOptions {
  /** Rows of the largest table, `accounts`; 20,000 unless told. */
  readonly rows?: number;
}

/** Creates the tables that `startWriters` writes to, with rows in them, in an empty database. */
export async function createWorkloadSchema(client: pg.ClientBase, options: WorkloadOptions = {}): Promise<void> {
  for (const script of [WORKLOAD_TYPES, WORKLOAD_TABLES, workloadRows(options.rows ?? 20_000), "analyze"]) await client.query(script);
}

export interface WriterOptions {
  /** 6 unless told. */
  readonly writers?: number;
  readonly seed: string | number;
  /** Transactions a second of all writers together; as fast as they can unless told. */
  readonly rate?: number;
  /** Rows that `createWorkloadSchema` was given; 20,000 unless told. */
  readonly rows?: number;
  /** Use two-phase commit too. The server needs max_prepared_transactions. */
  readonly prepared?: boolean;
  /**
   * False keeps to commits that are on disk when acknowledged. With the default, a server that crashes may forget its last
   * acknowledged commits, as the manual says ("Asynchronous Commit"), and the ledger then shows them as missing.
   */
  readonly asyncCommits?: boolean;
}

export interface WriterStats {
  /** Transactions that the server acknowledged as committed. */
  readonly committed: number;
  readonly rolledBack: number;
  /** Transactions whose connection broke while they ended: nobody knows. */
  readonly unknown: number;
  /** Expected failures by SQLSTATE (or network error): deadlocks, lock timeouts, unique conflicts, a server that is away. */
  readonly failures: Readonly<Record<string, number>>;
  readonly connections: number;
  /** How often each operation and each shape of transaction was done. */
  readonly operations: Readonly<Record<string, number>>;
}

export interface Writers {
  /** Live. */
  readonly stats: WriterStats;
  /** What no writer of a healthy application would see. A test should find none. */
  readonly errors: readonly Error[];
  /** Leads the writers to another server: each one reconnects when its transaction ends. */
  redirect(url: string): void;
  /** Lets every writer end its transaction, rolls back what is left prepared, closes the connections. */
  stop(): Promise<WriterStats>;
  /**
   * Reads the ledger table and names every acknowledged commit that is missing there, and every rolled back one that is there.
   * Empty is what a migration must deliver.
   */
  ledgerProblems(url: string): Promise<string[]>;
}

/** Starts the writers on a database that `createWorkloadSchema` filled. The same seed draws the same transactions. */
export function startWriters(url: string, options: WriterOptions): Writers {
  const run = `run-${randomBytes(4).toString("hex")}`;
  const count = options.writers ?? 6;
  const shared = { url, stopping: false, released: [] as string[], errors: [] as Error[] };
  const random = seededRandom(options.seed);
  const writers = Array.from(
    { length: count },
    (_, index) =>
      new Writer(shared, {
        run,
        writer: index + 1,
        random: random.fork(index + 1),
        rows: options.rows ?? 20_000,
        prepared: options.prepared ?? false,
        asyncCommits: options.asyncCommits ?? true,
        intervalMs: options.rate === undefined ? 0 : (1000 * count) / options.rate,
      }),
  );
  const finished = Promise.all(writers.map((writer) => writer.run()));
  return {
    get stats() {
      return sumOf(writers);
    },
    errors: shared.errors,
    redirect: (next) => {
      shared.url = next;
    },
    stop: async () => {
      shared.stopping = true;
      const impatience = setTimeout(() => {
        for (const writer of writers) writer.abandon();
      }, deadline(20_000));
      await finished;
      clearTimeout(impatience);
      return sumOf(writers);
    },
    ledgerProblems: (at) => ledgerProblems(at, run, writers),
  };
}

function sumOf(writers: readonly Writer[]): WriterStats {
  const total = { committed: 0, rolledBack: 0, unknown: 0, connections: 0 };
  const failures: Record<string, number> = {};
  const operations: Record<string, number> = {};
  for (const { outcomes, failures: failed, operations: done, connections } of writers) {
    total.connections += connections;
    for (const outcome of outcomes.values()) total[outcome] += 1;
    for (const [name, times] of failed) failures[name] = (failures[name] ?? 0) + times;
    for (const [name, times] of done) operations[name] = (operations[name] ?? 0) + times;
  }
  return { ...total, failures, operations };
}

async function ledgerProblems(url: string, run: string, writers: readonly Writer[]): Promise<string[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query("select writer, number::int as number from ledger where run = $1", [run]);
    const present = new Set((rows as { writer: number; number: number }[]).map(({ writer, number }) => `${writer}/${number}`));
    return writers.flatMap(({ writer, outcomes }) =>
      [...outcomes].flatMap(([number, outcome]) => {
        const there = present.has(`${writer}/${number}`);
        if (outcome === "committed" && !there) return [`${run}/${writer}/${number} was committed and is missing`];
        if (outcome === "rolledBack" && there) return [`${run}/${writer}/${number} was rolled back and is there`];
        return [];
      }),
    );
  } finally {
    await client.end();
  }
}
