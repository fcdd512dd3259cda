/** Two real servers, a workload at the source, and a pghaul.yaml between them: the stage of every scenario. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createDatabase, type TestDatabase } from "../support/database.ts";
import { type PgServer, type PgVersion, startServer } from "../support/pg-server.ts";
import { type CliHandle, type CliResult, runCli, startCli } from "../support/run-cli.ts";
import { createWorkloadSchema } from "../support/writers.ts";

export interface BenchOptions {
  readonly from: PgVersion;
  readonly to: PgVersion;
  readonly rows?: number;
  /** Without pg_dump for the source's version: the tables are made at the target by the bench itself. */
  readonly schema?: "move" | "existing";
  /** Lines put into the configuration, at the top level. */
  readonly config?: string;
  readonly sourceSettings?: Readonly<Record<string, string>>;
}

export interface Bench extends AsyncDisposable {
  readonly source: PgServer;
  readonly target: PgServer;
  readonly sourceDb: TestDatabase;
  readonly targetDb: TestDatabase;
  readonly dir: string;
  run(args: readonly string[], env?: Readonly<Record<string, string>>): Promise<CliResult>;
  start(args: readonly string[], env?: Readonly<Record<string, string>>): CliHandle;
}

/** The workload's tables are there and filled; nothing runs yet. */
export async function openBench(options: BenchOptions): Promise<Bench> {
  const rows = options.rows ?? 20_000;
  const schema = options.schema ?? (options.from <= 15 ? "move" : "existing");
  const [source, target] = await Promise.all([
    startServer({ version: options.from, settings: { max_prepared_transactions: "50", ...options.sourceSettings } }),
    startServer({ version: options.to }),
  ]);
  const [sourceDb, targetDb] = [await createDatabase(source, "app"), await createDatabase(target, "app")];
  const client = await sourceDb.connect();
  await createWorkloadSchema(client, { rows });
  await client.end();
  if (schema === "existing") await emptyWorkloadSchema(targetDb);
  const dir = mkdtempSync(join(tmpdir(), "pghaul-bench-"));
  writeFileSync(
    join(dir, "pghaul.yaml"),
    `version: 1
migration: bench
source: { url: "${sourceDb.url}" }
target: { kind: postgres, url: "${targetDb.url}", schema: ${schema} }
throttle: { workers: 3, chunkSeconds: 1, chunkBytes: 512KB }
${options.config ?? ""}`,
  );
  const timeoutMs = 180_000;
  return {
    source,
    target,
    sourceDb,
    targetDb,
    dir,
    run: (args, env = {}) => runCli(args, { cwd: dir, env, timeoutMs }),
    start: (args, env = {}) => startCli(args, { cwd: dir, env, timeoutMs }),
    async [Symbol.asyncDispose]() {
      await Promise.all([source[Symbol.asyncDispose](), target[Symbol.asyncDispose]()]);
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** The tables of the workload, without a row. */
export async function emptyWorkloadSchema(database: TestDatabase): Promise<void> {
  const client = await database.connect();
  try {
    await createWorkloadSchema(client, { rows: 1 });
    const { rows } = await client.query<{ name: string }>(
      `select format('%I.%I', n.nspname, c.relname) as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
       where c.relkind in ('r', 'p') and not c.relispartition and n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast')`,
    );
    await client.query(`truncate ${rows.map(({ name }) => name).join(", ")} restart identity cascade`);
  } finally {
    await client.end();
  }
}
