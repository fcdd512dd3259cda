/** What the kernel counts of a process: processor time and memory (manual of proc(5)). */
import { readdirSync, readFileSync } from "node:fs";

/** What a client needed besides the time on the clock. */
export interface Use {
  /** User and system. */
  readonly cpuSeconds: number;
  /** Resident memory at its highest; of several processes side by side their sum. */
  readonly peakBytes: number;
}

/** The kernel's clock ticks of user space, the same on every Linux that Node runs on. */
const TICKS_A_SECOND = 100;
/** Where `utime`, `stime`, `cutime` and `cstime` stand behind the name of the program, which may hold spaces. */
const [OWN, OF_CHILDREN] = [11, 13] as const;

/** User and system time of a process; 0 when it is gone. */
export function cpuSeconds(pid: number): number {
  return ticksAt(pid, OWN) / TICKS_A_SECOND;
}

/** Resident memory now; 0 when it is gone. */
export function residentBytes(pid: number): number {
  return statusBytes(pid, "VmRSS");
}

/** The high-water mark that the kernel keeps: polling may only miss what comes after the last look. */
export function peakBytes(pid: number): number {
  return statusBytes(pid, "VmHWM");
}

/** Resident memory that is a server process's own: what it has touched of shared buffers belongs to the server. */
export function privateBytes(pid: number): number {
  return statusBytes(pid, "RssAnon") + statusBytes(pid, "RssFile");
}

const POLL_MILLIS = 25;

/** Runs programs as children of this process. Their time is what the kernel hands to whoever waits for them: exact, their own children included. */
export async function withChildrenUse<T>(work: () => Promise<T>): Promise<{ readonly result: T; readonly use: Use }> {
  // The servers are our children as well.
  const others = new Set(childrenOf(process.pid));
  const ticks = ticksAt(process.pid, OF_CHILDREN);
  let peak = 0;
  const look = (): void => {
    const ours = childrenOf(process.pid).filter((pid) => !others.has(pid));
    peak = Math.max(peak, sumOverTree(ours));
  };
  const result = await polled(look, work);
  return { result, use: { cpuSeconds: (ticksAt(process.pid, OF_CHILDREN) - ticks) / TICKS_A_SECOND, peakBytes: peak } };
}

/** Runs work inside of this process, whose memory counts whole, the bench's own part included. */
export async function withOwnUse<T>(work: () => Promise<T>): Promise<{ readonly result: T; readonly use: Use }> {
  const before = process.cpuUsage();
  let peak = 0;
  const look = (): void => {
    peak = Math.max(peak, residentBytes(process.pid));
  };
  const result = await polled(look, work);
  const { user, system } = process.cpuUsage(before);
  return { result, use: { cpuSeconds: (user + system) / 1e6, peakBytes: peak } };
}

/**
 * Another process does the work, alive before it and behind it; `pid` is asked until it is known. `memory` says what of it counts:
 * `residentBytes`, or `privateBytes` of a server's process.
 */
export async function withProcessUse<T>(
  { pid, memory }: { readonly pid: () => number | null; readonly memory: (pid: number) => number },
  work: () => Promise<T>,
): Promise<{ readonly result: T; readonly use: Use }> {
  const known = pid();
  const before = known === null ? 0 : cpuSeconds(known);
  let [peak, last] = [0, before];
  const look = (): void => {
    const now = pid();
    if (now === null) return;
    peak = Math.max(peak, memory(now));
    last = Math.max(last, cpuSeconds(now));
  };
  const result = await polled(look, work);
  look();
  return { result, use: { cpuSeconds: last - before, peakBytes: peak } };
}

/** Calls `look` now and then while `work` is under way. */
export async function polled<T>(look: () => void, work: () => Promise<T>, millis = POLL_MILLIS): Promise<T> {
  const timer = setInterval(look, millis);
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
}

function sumOverTree(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + peakBytes(pid) + sumOverTree(childrenOf(pid)), 0);
}

function childrenOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
      (readFileSync(`/proc/${pid}/task/${thread}/children`, "utf8").match(/\d+/g) ?? []).map(Number),
    );
  } catch {
    return [];
  }
}

/** The sum of two neighbouring fields. */
function ticksAt(pid: number, field: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return Number(fields[field]) + Number(fields[field + 1]);
  } catch {
    return 0;
  }
}

function statusBytes(pid: number, name: string): number {
  try {
    const line = readFileSync(`/proc/${pid}/status`, "utf8")
      .split("\n")
      .find((text) => text.startsWith(`${name}:`));
    return Number(/\d+/.exec(line ?? "")?.[0] ?? 0) * 1024;
  } catch {
    return 0;
  }
}
