import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { seededRandom } from "./random.ts";

export interface KillOptions {
  /** How many times to kill. */
  readonly times: number;
  /** A life lasts between these, from its start. */
  readonly minMs: number;
  readonly maxMs: number;
  readonly seed: string | number;
}

export interface KillResult {
  /** The last life, which is left running. It may have ended already when it had nothing left to do. */
  readonly child: ChildProcess;
  /** Lives that SIGKILL ended; fewer than asked when a life finished with exit code 0 before its time came. */
  readonly kills: number;
}

/**
 * Starts a process and SIGKILLs it at random moments, again and again, then leaves the last one to run.
 * A life that ends by itself with code 0 is the last one: the work is done. With any other end the loop throws, for then the
 * process did not survive its own past.
 */
export async function killRandomly(start: () => ChildProcess, options: KillOptions): Promise<KillResult> {
  const random = seededRandom(options.seed);
  let child = start();
  for (let kills = 0; kills < options.times; kills += 1) {
    const end = await endedWithin(child, random.integer(options.minMs, options.maxMs));
    if (end !== null) {
      if (end.code === 0) return { child, kills };
      throw new Error(
        `after ${kills} kills the process ended by itself with ${end.signal ?? `exit code ${end.code}`} (seed ${options.seed})`,
      );
    }
    child.kill("SIGKILL");
    await exit(child);
    child = start();
  }
  return { child, kills: options.times };
}

interface End {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** Resolves with how a process ended, also when that was long ago. */
export async function exit(child: ChildProcess): Promise<End> {
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  return { code: child.exitCode, signal: child.signalCode };
}

async function endedWithin(child: ChildProcess, ms: number): Promise<End | null> {
  const timeout = Promise.withResolvers<null>();
  const timer = setTimeout(() => timeout.resolve(null), ms);
  try {
    return await Promise.race([exit(child), timeout.promise]);
  } finally {
    clearTimeout(timer);
  }
}
