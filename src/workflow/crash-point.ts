import { writeSync } from "node:fs";
import type { CrashPoints } from "../engine/ports.ts";

/**
 * Named moments for crash tests: `PGHAUL_CRASH_AT=name` (or `name:3`, the third time) ends the process there as kill -9 would, with no
 * handler run and nothing flushed. `PGHAUL_CRASH_AT=list` prints each name as it is passed.
 */
export function crashPoints(setting: string | undefined): CrashPoints {
  if (setting === undefined || setting === "") return () => {};
  if (setting === "list") return (name) => void writeSync(2, `crash point ${name}\n`);
  const [name, nth] = setting.split(":");
  let left = Number(nth ?? 1);
  return (passed) => {
    if (passed !== name) return;
    left -= 1;
    if (left === 0) process.kill(process.pid, "SIGKILL");
  };
}
