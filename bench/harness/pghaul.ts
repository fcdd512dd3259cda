import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { openExistingState } from "../../src/state/open-state.ts";
import { TableStore } from "../../src/state/table-store.ts";
import { query } from "../../test/support/database.ts";
import type { Place } from "./equal-tables.ts";
import { type Use, withChildrenUse } from "./process-use.ts";

const BIN = fileURLToPath(new URL("../../bin/pghaul.js", import.meta.url));

export interface CommandRequest {
  readonly args: readonly string[];
  readonly source: Place;
  readonly target: Place;
  readonly tables: readonly string[];
  /** Folder in which the migration gets its own. */
  readonly dir: string;
  /** `move` where the target is empty; else its tables are there already. */
  readonly schema?: "move" | "existing";
}

export interface CommandResult {
  /** From the start of the process to its end. */
  readonly wholeSeconds: number;
  /** From the first chunk to the last table that was complete; what it keeps of itself. */
  readonly loadSeconds: number;
  readonly use: Use;
}

/** A command under way. */
export interface RunningPghaul {
  readonly pid: number;
  readonly stateDirectory: string;
  /** Rejects when it ends otherwise than well or told to. */
  readonly ended: Promise<void>;
}

const INTERRUPTED = 130;

/** Runs the real command to its end with the default settings, then removes what it left at the source. */
export async function runPghaul(request: CommandRequest): Promise<CommandResult> {
  return withMigration(request, async (start) => {
    const begun = performance.now();
    let stateDirectory = "";
    const { use } = await withChildrenUse(async () => {
      const running = start();
      stateDirectory = running.stateDirectory;
      await running.ended;
    });
    const wholeSeconds = (performance.now() - begun) / 1000;
    return { wholeSeconds, use, loadSeconds: await loadSeconds(stateDirectory) };
  });
}

/** Starts the command, has `watch` look at it, and ends it as Ctrl-C does when `watch` returns. Throws when it ends before. */
export async function watchPghaul<T>(request: CommandRequest, watch: (running: RunningPghaul) => Promise<T>): Promise<T> {
  return withMigration(request, async (start) => {
    const running = start();
    try {
      return await Promise.race([watch(running), endedEarly(running)]);
    } finally {
      signalled(running);
      await running.ended.catch(() => undefined);
    }
  });
}

async function withMigration<T>(request: CommandRequest, use: (start: () => RunningPghaul) => Promise<T>): Promise<T> {
  const dir = mkdtempSync(join(request.dir, "migration-"));
  writeFileSync(join(dir, "pghaul.yaml"), configuration(request));
  try {
    return await use(() => startCommand(request.args, dir));
  } finally {
    await removeTraces(request.source);
    rmSync(dir, { recursive: true, force: true });
  }
}

function configuration({ source, target, tables, schema = "existing" }: CommandRequest): string {
  return `version: 1
migration: bench
source: { url: "${source.server.url(source.database)}" }
target: { kind: postgres, url: "${target.server.url(target.database)}", schema: ${schema} }
tables: { include: ${JSON.stringify(tables)} }
`;
}

function startCommand(args: readonly string[], cwd: string): RunningPghaul {
  const profile = process.env.BENCH_CPU_PROFILE === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${process.env.BENCH_CPU_PROFILE}`];
  const child = spawn(process.execPath, [...profile, BIN, ...args], { cwd, stdio: ["ignore", "pipe", "pipe"] });
  const ended = endOf(child, args);
  // Heard by whoever waits for it; here only so that nobody's waiting yet does not end the bench.
  ended.catch(() => undefined);
  return { pid: child.pid ?? 0, stateDirectory: join(cwd, ".pghaul"), ended };
}

async function endOf(child: ChildProcess, args: readonly string[]): Promise<void> {
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream?.setEncoding("utf8").on("data", (text: string) => (said += text));
  const [code] = (await once(child, "close")) as [number | null];
  if (code !== 0 && code !== INTERRUPTED) throw new Error(`pghaul ${args.join(" ")} ended with ${code}: ${said}`);
}

async function endedEarly({ ended }: RunningPghaul): Promise<never> {
  await ended;
  throw new Error("pghaul ended before the bench was done with it");
}

function signalled({ pid }: RunningPghaul): void {
  try {
    process.kill(pid, "SIGINT");
  } catch {
    // It has ended already.
  }
}

async function loadSeconds(stateDirectory: string): Promise<number> {
  const state = await openExistingState(stateDirectory);
  if (state === null) throw new Error("pghaul left no state");
  try {
    const tables = new TableStore(state).all();
    const first = Math.min(...tables.map(({ loadingAt }) => Date.parse(loadingAt ?? "")));
    const last = Math.max(...tables.map(({ loadedAt }) => Date.parse(loadedAt ?? "")));
    return (last - first) / 1000;
  } finally {
    state.close();
  }
}

async function removeTraces({ server, database }: Place): Promise<void> {
  const url = server.url(database);
  await query(url, "select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name like 'pghaul\\_%' and not active");
  await query(url, "drop publication if exists pghaul_bench");
  await query(url, "drop schema if exists pghaul cascade");
}
