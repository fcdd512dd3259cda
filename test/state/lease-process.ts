/** A process of its own that takes a lease and keeps it: `lease-process.ts DIRECTORY NAME COMMAND`. Prints `held`, or the refusal. */
import { setImmediate } from "node:timers/promises";
import { acquireLease, type LeaseName } from "../../src/state/lease.ts";

const [directory = "", name = "stream", command = "run"] = process.argv.slice(2);
try {
  await acquireLease(directory, name as LeaseName, command);
  // A lock that the garbage collector may close would be lost here (run with --expose-gc).
  for (let round = 0; round < 5; round++) {
    (globalThis as { gc?: () => void }).gc?.();
    await setImmediate();
  }
  process.stdout.write("held\n");
  process.stdin.resume();
} catch (error) {
  process.stdout.write(`${(error as Error).message}\n`);
}
