/** Two real servers for many migrations: each has databases, a directory and a name of its own. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type pg from "pg";
import { createDatabase, query, type TestDatabase } from "../support/database.ts";
import { type PgServer, type ServerOptions, startServer } from "../support/pg-server.ts";
import { type CliHandle, type CliResult, runCli, startCli } from "../support/run-cli.ts";

export interface Pair extends AsyncDisposable {
  readonly source: PgServer;
  readonly target: PgServer;
  /** Processes that a failed test may have left behind; they end with the pair. */
  readonly started: CliHandle[];
}

/** Each migration keeps an origin a connection at its target until it is torn down. */
export const MANY_ORIGINS = { max_replication_slots: "200" } as const;

export async function startPair(source: ServerOptions, target: ServerOptions): Promise<Pair> {
  const started: CliHandle[] = [];
  const servers = await Promise.all([startServer(source), startServer(target)]);
  return {
    source: servers[0],
    target: servers[1],
    started,
    async [Symbol.asyncDispose]() {
      await Promise.all(started.map((handle) => handle.kill()));
      await Promise.all(servers.map((server) => server[Symbol.asyncDispose]()));
    },
  };
}

export interface MoveOptions {
  /** Run at the source before anything else. */
  readonly sql?: string;
  readonly prepare?: (client: pg.Client) => Promise<void>;
  /** Tables are made at the target by this script, and not by pg_dump. */
  readonly targetSql?: string;
  /** Lines at the top level of the configuration. */
  readonly config?: string;
  /** Instead of three workers and chunks of at most a second and half a megabyte. */
  readonly throttle?: string;
  /** Instead of the databases' own. */
  readonly urls?: { readonly source?: string; readonly target?: string };
  readonly timeoutMs?: number;
  /** Of the source. */
  readonly encoding?: "LATIN1";
}

/** A migration that nobody has started. */
export interface Move {
  readonly name: string;
  readonly dir: string;
  readonly sourceDb: TestDatabase;
  readonly targetDb: TestDatabase;
  /** Writes the configuration anew. */
  configure(options: Pick<MoveOptions, "urls" | "config">): void;
  run(args: readonly string[], env?: Readonly<Record<string, string>>): Promise<CliResult>;
  start(args: readonly string[], env?: Readonly<Record<string, string>>): CliHandle;
}

/** In every URL, and therefore to be seen nowhere: loopback is trusted, nobody asks for it. */
export const CANARY = "canary-S3cret";

let counter = 0;
const directories: string[] = [];
process.once("exit", () => {
  for (const dir of directories) rmSync(dir, { recursive: true, force: true });
});

export async function newMove({ source, target, started }: Pair, options: MoveOptions = {}): Promise<Move> {
  counter += 1;
  const name = `move-${counter}`;
  const [sourceDb, targetDb] = [await createDatabase(source, undefined, options.encoding), await createDatabase(target)];
  const client = await sourceDb.connect();
  await client.query(options.sql ?? "select");
  await options.prepare?.(client);
  await client.end();
  if (options.targetSql !== undefined) await query(targetDb, options.targetSql);
  const dir = mkdtempSync(join(tmpdir(), "pghaul-move-"));
  directories.push(dir);
  const configure = ({ urls, config }: Pick<MoveOptions, "urls" | "config">): void =>
    writeFileSync(
      join(dir, "pghaul.yaml"),
      `version: 1
migration: ${name}
source: { url: "${urls?.source ?? withPassword(sourceDb.url)}" }
target: { kind: postgres, url: "${urls?.target ?? withPassword(targetDb.url)}", schema: ${options.targetSql === undefined ? "move" : "existing"} }
throttle: ${options.throttle ?? "{ workers: 3, chunkSeconds: 1, chunkBytes: 512KB }"}
${config ?? ""}`,
    );
  configure(options);
  const timeoutMs = options.timeoutMs ?? 120_000;
  return {
    name,
    dir,
    sourceDb,
    targetDb,
    configure,
    run: (args, env = {}) => runCli(args, { cwd: dir, env, timeoutMs }),
    start: (args, env = {}) => {
      const handle = startCli(args, { cwd: dir, env, timeoutMs });
      started.push(handle);
      return handle;
    },
  };
}

function withPassword(url: string): string {
  return url.replace("postgres@", `postgres:${CANARY}@`);
}
