import { PghaulError } from "../errors/pghaul-error.ts";
import { formatLsn, type Lsn } from "../model/lsn.ts";
import type { StartWait } from "./ports.ts";

export interface WaitOptions {
  readonly sleep: (millis: number, signal: AbortSignal) => Promise<void>;
  readonly now: () => number;
  /** Makes the stream move past what the primary has written so far. */
  readonly nudge: () => Promise<void>;
  readonly waiting: (why: string) => void;
  /** How long a stream is waited for, ms: under writers that it cannot follow it would be for ever. */
  readonly maxWaitMillis: number;
}

const NUDGE_MILLIS = 200;
const TELL_MILLIS = 5_000;

/** Waits by asking again and again. A wait throws STREAM_NOT_RUNNING when its time is up. */
export function waitForPosition({ sleep, now, nudge, waiting, maxWaitMillis }: WaitOptions): StartWait {
  return ({ side, lsn, pollMillis }) => {
    const deadline = now() + maxWaitMillis;
    const [nudgeEvery, tellEvery] = [NUDGE_MILLIS, TELL_MILLIS].map((millis) => Math.round(millis / pollMillis)) as [number, number];
    return async (readPosition, signal) => {
      for (let round = 0; ; round += 1) {
        signal.throwIfAborted();
        const position = await readPosition();
        if (position !== null && position >= lsn) return;
        if (now() >= deadline) throw tooFarBehind(position);
        if (round % nudgeEvery === 0) await nudge();
        if (round % tellEvery === tellEvery - 1) {
          waiting(`the stream is at ${position === null ? "no position" : formatLsn(position)} and must reach ${formatLsn(lsn)}`);
        }
        await sleep(pollMillis, signal);
      }
    };

    function tooFarBehind(position: Lsn | null): PghaulError {
      const where = position === null ? "has no position" : `is at ${formatLsn(position)}, ${lsn - position} bytes behind`;
      return new PghaulError(
        "STREAM_NOT_RUNNING",
        `the stream did not reach ${formatLsn(lsn)} at the ${side} within ${Math.round(maxWaitMillis / 1000)} s (verify.maxWait): it ${where}`,
        { suggestion: "pghaul status   # run it again when the lag is small" },
      );
    }
  };
}
