/** Rates and estimates, pure: time comes in as milliseconds, nothing here reads a clock. */

interface Sample {
  readonly atMs: number;
  readonly total: number;
}

/** Change per second of a running total over the last `windowMs`; one slow minute must not be averaged away by eight fast hours. */
export class RateWindow {
  readonly #windowMs: number;
  #samples: Sample[] = [];

  constructor(windowMs: number) {
    this.#windowMs = windowMs;
  }

  /** `total` so far at `atMs`. Times must not go back. */
  add(atMs: number, total: number): void {
    this.#samples.push({ atMs, total });
    // One sample older than the window stays: the rate then spans the whole window.
    while ((this.#samples[1]?.atMs ?? atMs) <= atMs - this.#windowMs) this.#samples.shift();
  }

  /** Null until two samples lie at least one second apart. Negative when the total falls, as a lag does. */
  perSecond(): number | null {
    const first = this.#samples.at(0);
    const last = this.#samples.at(-1);
    if (first === undefined || last === undefined || last.atMs - first.atMs < 1000) return null;
    return ((last.total - first.total) * 1000) / (last.atMs - first.atMs);
  }
}

/**
 * Whole per cent of an estimate, rounded down. It never shows 100 before the work itself says it is done: estimates of table
 * sizes run short, and "105 %" or an hour of "100 %" destroys the trust in every other number on the line.
 */
export function percentDone(done: number, expected: number, finished: boolean): number {
  if (finished) return 100;
  if (expected <= 0) return 0;
  return Math.min(99, Math.max(0, Math.floor((done * 100) / expected)));
}

/** Seconds until the copy has ended, or null while nobody can know (no rate yet, standing still, estimate used up). */
export function copiedInSeconds(remainingBytes: number, bytesPerSecond: number | null): number | null {
  if (remainingBytes <= 0 || bytesPerSecond === null || bytesPerSecond <= 0) return null;
  return remainingBytes / bytesPerSecond;
}

/** What lies between two ends that keep up: records of the server itself, a heartbeat, a commit under way. */
const NOTHING_WAITS_BYTES = 64 * 1024;

/** Whether the stream goes on: something was applied in the last second, or there is nothing to apply. */
export function keepsUp({ bytes, changesPerSecond }: { readonly bytes: number; readonly changesPerSecond: number }): boolean {
  return changesPerSecond > 0 || bytes <= NOTHING_WAITS_BYTES;
}

/**
 * Seconds until the target has caught up: not before the copy has ended, and then as long as the backlog needs at the speed at
 * which it shrinks now. Null while it does not shrink.
 */
export function caughtUpInSeconds(copied: number | null, lagBytes: number, lagBytesPerSecond: number | null): number | null {
  if (copied === null) return null;
  if (lagBytes <= NOTHING_WAITS_BYTES) return copied;
  if (lagBytesPerSecond === null || lagBytesPerSecond >= 0) return null;
  return Math.max(copied, lagBytes / -lagBytesPerSecond);
}
