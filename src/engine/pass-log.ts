import type { Lsn } from "../model/lsn.ts";
import type { EnginePorts } from "./ports.ts";

/** How long a quiet server may stay silent before it is nudged. */
const NUDGE_MILLIS = 200;

/**
 * Waits until the log has passed `lsn`. On a quiet server nothing is written behind a chunk's snapshot and the stream would never get
 * there by itself: a logical message moves it.
 */
export async function passLog(
  { log, source, clock }: Pick<EnginePorts, "log" | "source" | "clock">,
  lsn: Lsn,
  signal: AbortSignal,
): Promise<void> {
  while (log.passed() < lsn) {
    const waited = new AbortController();
    const either = AbortSignal.any([signal, waited.signal]);
    const passed = log.waitPassed(lsn, either).then(() => true);
    const slept = clock.sleep(NUDGE_MILLIS, either).then(() => false);
    try {
      if (!(await Promise.race([passed, slept]))) await source.heartbeat();
    } finally {
      waited.abort();
      // The one that lost the race rejects with the abort; that is its end, not a failure.
      await Promise.allSettled([passed, slept]);
    }
  }
}
