import type { Clock } from "../engine/ports.ts";
import { isRetried } from "../errors/policy.ts";
import { LOCK_NOT_AVAILABLE } from "../postgres/lock-refused.ts";
import { sqlState } from "../postgres/wrap-error.ts";

const FIRST_PAUSE_MILLIS = 250;
const LONGEST_PAUSE_MILLIS = 15_000;
/** Work that held this long starts over with the first pause. */
const HEALTHY_MILLIS = 60_000;

export interface Retrying {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Hears why and for how long before each pause. */
  readonly waiting: (why: string) => void;
}

/**
 * Runs `work` again, after growing pauses, as long as it fails with an error that the policy retries (a server that went away), or for want of a
 * lock, which somebody else will let go. Everything else is thrown: the default is stop and ask. The work must start from durable state each time.
 */
export async function keepRunning<T>(work: () => Promise<T>, { clock, signal, waiting }: Retrying): Promise<T> {
  let pause = FIRST_PAUSE_MILLIS;
  for (;;) {
    const began = clock.now();
    try {
      return await work();
    } catch (error) {
      if (signal.aborted || !(isRetried(error) || sqlState(error) === LOCK_NOT_AVAILABLE)) throw error;
      if (clock.now() - began > HEALTHY_MILLIS) pause = FIRST_PAUSE_MILLIS;
      waiting(`${(error as Error).message}; trying again in ${pause / 1000} s`);
      await clock.sleep(pause, signal);
      pause = Math.min(pause * 2, LONGEST_PAUSE_MILLIS);
    }
  }
}
