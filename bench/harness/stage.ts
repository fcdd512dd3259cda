import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createDatabase, type TestDatabase } from "../../test/support/database.ts";
import { type PgServer, startServer } from "../../test/support/pg-server.ts";
import type { Sizes } from "./options.ts";

/** Two servers, and a directory for state and logs that is gone afterwards. */
export interface Stage extends AsyncDisposable {
  readonly source: PgServer;
  readonly target: PgServer;
  readonly dir: string;
  readonly sizes: Sizes;
  /** Tells the one who waits what is going on. */
  readonly tell: (what: string) => void;
}

export const VERSION = 15;

/**
 * As durable as in production; without checkpoints and vacuums at moments of their own choosing, which would hit one run of a pair and not
 * the other.
 */
const SETTINGS = {
  fsync: "on",
  full_page_writes: "on",
  shared_buffers: "512MB",
  max_wal_size: "32GB",
  checkpoint_timeout: "1h",
  autovacuum: "off",
  max_replication_slots: "40",
  max_logical_replication_workers: "8",
  // The launcher waits 5 s before it starts a subscription's worker again; that wait would count as the peer's time.
  wal_retrieve_retry_interval: "10ms",
};

export async function openStage(sizes: Sizes, tell: (what: string) => void): Promise<Stage> {
  const [source, target] = await Promise.all([
    startServer({ version: VERSION, settings: SETTINGS }),
    startServer({ version: VERSION, settings: SETTINGS }),
  ]);
  const dir = mkdtempSync(join(tmpdir(), "pghaul-bench-"));
  return {
    source,
    target,
    dir,
    sizes,
    tell,
    async [Symbol.asyncDispose]() {
      await Promise.all([source[Symbol.asyncDispose](), target[Symbol.asyncDispose]()]);
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** Runs statements in a session of its own. */
export async function execute(server: PgServer, database: string, ...statements: readonly string[]): Promise<void> {
  const client = await server.connect(database);
  try {
    for (const statement of statements) await client.query(statement);
  } finally {
    await client.end();
  }
}

export async function makeDatabase(server: PgServer, name: string, ...statements: readonly string[]): Promise<TestDatabase> {
  const database = await createDatabase(server, name);
  await execute(server, name, ...statements);
  return database;
}

/** A database with the content of another, copied as files: every run of a pair starts from the same bytes. */
export async function copyDatabase(server: PgServer, name: string, from: string): Promise<string> {
  await execute(server, "postgres", `create database ${name} template ${from} strategy file_copy`, "checkpoint");
  return name;
}

export async function dropDatabase(server: PgServer, name: string): Promise<void> {
  await execute(server, "postgres", `drop database ${name} with (force)`);
}

/** Neither the statistics nor the cache of a table may differ between the first run and the last. */
export async function settle(server: PgServer, database: string): Promise<void> {
  await execute(server, database, "vacuum (analyze, freeze)", "checkpoint");
}
