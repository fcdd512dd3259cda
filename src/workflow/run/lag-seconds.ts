import type { Lsn } from "../../model/lsn.ts";

interface Sample {
  readonly atMillis: number;
  readonly end: Lsn;
}

/** More than an hour at one a second; then every other one goes and they come half as often, for a lag of hours need not be known to the second. */
const MOST_SAMPLES = 4_096;
const FEW_SAMPLES = 1_024;

/**
 * The age of what the other side holds, from where the origin's WAL ended at known moments: when the position has passed the end of a
 * moment, everything of that moment has arrived. Unlike the time of the last commit it does not grow while nothing of ours is written and
 * the server is busy with other things.
 */
export class LagSeconds {
  #samples: Sample[] = [];
  #spacingMillis = 0;

  /** The origin's WAL ended at `end` at `atMillis`. Ends never go back, but at another timeline; then what was noted is dropped. */
  note(end: Lsn, atMillis: number): void {
    const last = this.#samples.at(-1);
    if (last !== undefined && end < last.end) this.#samples = [];
    else if (last !== undefined && atMillis - last.atMillis < this.#spacingMillis) return;
    this.#samples.push({ atMillis, end });
    if (this.#samples.length <= MOST_SAMPLES) return;
    this.#samples = this.#samples.filter((_, index) => index % 2 === 0);
    this.#spacingMillis = Math.max(this.#spacingMillis, 1_000) * 2;
  }

  /** Seconds since the oldest moment on record. */
  watched(nowMillis: number): number {
    return Math.max(0, (nowMillis - (this.#samples[0]?.atMillis ?? nowMillis)) / 1000);
  }

  /**
   * Seconds behind, at `nowMillis`, of a side that has reached `position` and whose last change was committed at `lastCommitMillis`. Both
   * tell the most that it can be behind, so the less counts; null where neither is known.
   */
  behind(position: Lsn, lastCommitMillis: number | null, nowMillis: number): number | null {
    const reached = this.#samples.findLastIndex(({ end }) => end <= position);
    // The older ones will not be asked for again: the position only grows.
    if (reached > 0) this.#samples.splice(0, reached);
    if (this.#samples.length < FEW_SAMPLES) this.#spacingMillis = 0;
    const since = reached < 0 ? null : (this.#samples[0]?.atMillis ?? null);
    const latest = Math.max(since ?? Number.NEGATIVE_INFINITY, lastCommitMillis ?? Number.NEGATIVE_INFINITY);
    return Number.isFinite(latest) ? Math.max(0, (nowMillis - latest) / 1000) : null;
  }
}
