import { readFileSync } from "node:fs";
import type { CliHandle } from "../support/run-cli.ts";

/** The most memory that a process has had resident, in megabytes; null where the system does not tell (only Linux does). */
export function peakMemoryMegabytes({ child }: CliHandle): number | null {
  try {
    const found = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${child.pid}/status`, "utf8"));
    return found === null ? null : Number(found[1]) / 1024;
  } catch {
    return null;
  }
}

/** Asks again and again until the process ends; the highest answer. */
export async function watchPeakMemory(handle: CliHandle): Promise<number | null> {
  let peak: number | null = null;
  const look = (): void => {
    peak = peakMemoryMegabytes(handle) ?? peak;
  };
  const timer = setInterval(look, 50);
  await handle.done;
  clearInterval(timer);
  return peak;
}
