/** Process groups of hooks: whether one still runs, and its end. */
import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

/** A group, named so that another process knows it again. */
export interface ProcessGroup {
  /** Of its leader, which is the group's own number. */
  readonly pid: number;
  /** When the leader was started, in clock ticks since the boot, where the system tells (Linux): a number may be given out again. */
  readonly startTicks: string | null;
  /** Which boot that was; numbers and ticks begin anew with the next. */
  readonly boot: string | null;
}

const POLL_MILLIS = 10;

export function groupOf(pid: number): ProcessGroup {
  return { pid, startTicks: processOf(pid)?.startTicks ?? null, boot: bootId() };
}

/**
 * Whether a group that another process noted can be told from one that was given its number since. Where it cannot, it is left alone: a hook
 * ends with the process that called it anyway, and somebody else's processes are not ours to kill.
 */
export function isKnownAgain({ startTicks, boot }: ProcessGroup): boolean {
  return startTicks !== null && boot !== null && boot === bootId();
}

/** Linux's random number of this boot; null elsewhere. */
function bootId(): string | null {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
  } catch {
    return null;
  }
}

/** Kills every process of the group. True once none is left, false when one still runs after `limitMillis`. */
export async function endGroup(group: ProcessGroup, limitMillis: number): Promise<boolean> {
  const until = performance.now() + limitMillis;
  while (isRunning(group)) {
    try {
      process.kill(-group.pid, "SIGKILL");
    } catch {
      // It has ended by itself in the same moment, or is another user's: then it stays.
    }
    if (performance.now() > until) return false;
    await sleep(POLL_MILLIS);
  }
  return true;
}

/** A number is not given to a new process while a group bears it, so only a leader can tell that it is another group. */
function isRunning({ pid, startTicks }: ProcessGroup): boolean {
  try {
    process.kill(-pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
  }
  if (startTicks === null) return true;
  const leader = processOf(pid);
  if (leader !== null && leader.startTicks !== startTicks) return false;
  // A process that nobody has waited for yet does nothing any more.
  return readdirSync("/proc").some((name) => {
    const member = /^\d+$/.test(name) ? processOf(Number(name)) : null;
    return member !== null && member.group === pid && member.state !== "Z" && member.state !== "X";
  });
}

interface ProcessFacts {
  readonly state: string;
  readonly group: number;
  readonly startTicks: string;
}

/** From Linux's /proc/PID/stat (proc_pid_stat(5)): the name, in brackets, may hold anything; state, parent and group follow, start time is field 22. */
function processOf(pid: number): ProcessFacts | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return { state: fields[0] ?? "", group: Number(fields[2]), startTicks: fields[19] ?? "" };
  } catch {
    return null;
  }
}
