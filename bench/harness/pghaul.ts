import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { openExistingState } from "../../src/state/open-state.ts";
import { TableStore } from "../../src/state/table-store.ts";
import { query } from "../../test/support/database.ts";
import type { Place } from "./equal-tables.ts";

const BIN = fileURLToPath(new URL("../../bin/pghaul.js", import.meta.url));

export interface CommandRequest {
  readonly args: readonly string[];
  readonly source: Place;
  readonly target: Place;
  readonly tables: readonly string[];
  /** Folder in which the migration gets its own. */
  readonly dir: string;
}

export interface CommandResult {
  /** From the start of the process to its end. */
  readonly wholeSeconds: number;
  /** From the first chunk to the last table that was complete; what it keeps of itself. */
  readonly loadSeconds: number;
  /** Resident memory at its highest, as the kernel counts it. */
  readonly peakBytes: number;
}

const MEMORY_POLL_MILLIS = 25;

/** Runs the real command over tables that exist at the target, with the default settings, then removes what it left at the source. */
export async function runPghaul(request: CommandRequest): Promise<CommandResult> {
  const dir = mkdtempSync(join(request.dir, "migration-"));
  writeFileSync(join(dir, "pghaul.yaml"), configuration(request));
  try {
    const { wholeSeconds, peakBytes } = await runCommand(request.args, dir);
    return { wholeSeconds, peakBytes, loadSeconds: await loadSeconds(join(dir, ".pghaul")) };
  } finally {
    await removeTraces(request.source);
    rmSync(dir, { recursive: true, force: true });
  }
}

function configuration({ source, target, tables }: CommandRequest): string {
  return `version: 1
migration: bench
source: { url: "${source.server.url(source.database)}" }
target: { kind: postgres, url: "${target.server.url(target.database)}", schema: existing }
tables: { include: ${JSON.stringify(tables)} }
`;
}

async function runCommand(args: readonly string[], cwd: string): Promise<Pick<CommandResult, "wholeSeconds" | "peakBytes">> {
  const begun = performance.now();
  const profile = process.env.BENCH_CPU_PROFILE === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${process.env.BENCH_CPU_PROFILE}`];
  const child = spawn(process.execPath, [...profile, BIN, ...args], { cwd, stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text: string) => (said += text));
  let peakBytes = 0;
  const timer = setInterval(() => {
    peakBytes = Math.max(peakBytes, peakMemory(child.pid));
  }, MEMORY_POLL_MILLIS);
  const [code] = (await once(child, "close")) as [number | null];
  clearInterval(timer);
  if (code !== 0) throw new Error(`pghaul ${args.join(" ")} ended with ${code}: ${said}`);
  return { wholeSeconds: (performance.now() - begun) / 1000, peakBytes };
}

/** VmHWM, the high-water mark that the kernel keeps: polling may only miss what comes after the last look. */
function peakMemory(pid: number | undefined): number {
  try {
    const [, kilobytes] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
    return Number(kilobytes ?? 0) * 1024;
  } catch {
    return 0;
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
