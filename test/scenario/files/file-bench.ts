/** A real server with the writers' tables, and a pghaul.yaml that moves them into files. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createDatabase, type TestDatabase } from "../../support/database.ts";
import { type PgVersion, startServer } from "../../support/pg-server.ts";
import { type CliHandle, type CliResult, runCli, startCli } from "../../support/run-cli.ts";
import { createWorkloadSchema } from "../../support/writers.ts";

export interface FileBench extends AsyncDisposable {
  readonly sourceDb: TestDatabase;
  /** Of the files. */
  readonly files: string;
  run(args: readonly string[], env?: Readonly<Record<string, string>>): Promise<CliResult>;
  start(args: readonly string[], env?: Readonly<Record<string, string>>): CliHandle;
}

export interface FileBenchOptions {
  readonly version: PgVersion;
  readonly rows: number;
  readonly format: "copy" | "csv" | "parquet";
  readonly compression: "none" | "gzip" | "zstd";
}

export async function openFileBench({ version, rows, format, compression }: FileBenchOptions): Promise<FileBench> {
  const source = await startServer({ version, settings: { max_prepared_transactions: "50" } });
  const sourceDb = await createDatabase(source, "app");
  const client = await sourceDb.connect();
  await createWorkloadSchema(client, { rows });
  await client.end();
  const dir = mkdtempSync(join(tmpdir(), "pghaul-files-"));
  const files = join(dir, "out");
  writeFileSync(
    join(dir, "pghaul.yaml"),
    `version: 1
migration: bench
source: { url: "${sourceDb.url}" }
target: { kind: file, url: "file://${files}", format: ${format}, compression: ${compression} }
throttle: { workers: 3, chunkSeconds: 1, chunkBytes: 512KB }
`,
  );
  const timeoutMs = 180_000;
  return {
    sourceDb,
    files,
    run: (args, env = {}) => runCli(args, { cwd: dir, env, timeoutMs }),
    start: (args, env = {}) => startCli(args, { cwd: dir, env, timeoutMs }),
    async [Symbol.asyncDispose]() {
      await source[Symbol.asyncDispose]();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
