/** A real server with the writers' tables, and a pghaul.yaml that moves them into files. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createDatabase, type TestDatabase, waitFor } from "../../support/database.ts";
import { type PgServer, type PgVersion, startServer } from "../../support/pg-server.ts";
import { type CliHandle, type CliResult, runCli, startCli } from "../../support/run-cli.ts";
import { createWorkloadSchema } from "../../support/writers.ts";

export interface FileBench extends AsyncDisposable {
  readonly server: PgServer;
  readonly sourceDb: TestDatabase;
  /** Of the files. */
  readonly files: string;
  run(args: readonly string[], env?: Readonly<Record<string, string>>): Promise<CliResult>;
  start(args: readonly string[], env?: Readonly<Record<string, string>>): CliHandle;
  /** Until the running process has all tables in its stream. */
  whenLoaded(): Promise<void>;
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
  const run = (args: readonly string[], env: Readonly<Record<string, string>> = {}) => runCli(args, { cwd: dir, env, timeoutMs });
  return {
    server: source,
    sourceDb,
    files,
    run,
    start: (args, env = {}) => startCli(args, { cwd: dir, env, timeoutMs }),
    async whenLoaded() {
      await waitFor(
        async () => {
          const { stdout } = await run(["status", "--json"]);
          const { result } = JSON.parse(stdout) as { result: { tables: { phase: string }[] } };
          return result.tables.length > 0 && result.tables.every(({ phase }) => phase === "joined" || phase === "live");
        },
        { what: "every table to be part of the stream", deadlineMs: 60_000 },
      );
    },
    async [Symbol.asyncDispose]() {
      await source[Symbol.asyncDispose]();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
