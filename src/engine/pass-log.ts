import { PghaulError } from "../errors/pghaul-error.ts";
import type { Lsn } from "../model/lsn.ts";
import type { EnginePorts } from "./ports.ts";

/** How long a quiet server may stay silent before it is nudged. */
const NUDGE_MILLIS = 200;

/**
 * As `passLog`, for the place of reads that began when the log was fed by the stream `since`. Throws SOURCE_LOST if it is another
 * stream by now: the source may have crashed between read and pass. Then the rows may contain transactions that never happened, and their view
 * may mistake new transactions for old ones. They must be read again.
 */
export async function passRead(
  ports: Pick<EnginePorts, "log" | "source" | "clock">,
  { lsn, since }: { readonly lsn: Lsn; readonly since: number },
  signal: AbortSignal,
): Promise<void> {
  await passLog(ports, lsn, signal);
  if (ports.log.streams() === since) return;
  throw new PghaulError("SOURCE_LOST", "the stream from the source was lost while rows were being read; pghaul reads them again");
}

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
      // The loser of the race rejects with the abort; that is not a failure.
      await Promise.allSettled([passed, slept]);
    }
  }
}
