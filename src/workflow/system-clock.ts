import { setTimeout as sleep } from "node:timers/promises";
import type { Clock } from "../engine/ports.ts";

/** The machine's clock. `sleep` rejects with the signal's own reason, so that a stop is never taken for a failure. */
export const systemClock: Clock = {
  now: () => performance.now(),
  async sleep(millis, signal) {
    try {
      await sleep(millis, undefined, { signal });
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    }
  },
};
