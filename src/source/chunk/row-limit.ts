import type { ChunkBudget } from "../../engine/ports.ts";

/** What a limit aims at. The rest is room for rows that are larger or slower than those before, so that cancels stay rare. */
const AIM = 0.75;
/** How much the newest read counts. */
const WEIGHT = 0.5;
const LARGEST = 10_000_000;
/** Below this the time is that of begin and commit, and says nothing of rows. */
const TELLING_MILLIS = 50;

/**
 * How many rows to ask for, so that a read ends by itself within its budget.
 *
 * Cancelling would do as well, but every cancel is an ERROR line in the source's log, and somebody is paged for those.
 */
export class RowLimit {
  #bytesPerRow: number;
  #millisPerRow = 0;

  /** `bytes` and `rows` are the planner's estimates for the table; without them rows are taken for 1 kB. */
  constructor(bytes: number, rows: number) {
    this.#bytesPerRow = bytes > 0 && rows > 0 ? bytes / rows : 1024;
  }

  next({ bytes, millis }: ChunkBudget): number {
    const bySize = (bytes * AIM) / this.#bytesPerRow;
    const byTime = this.#millisPerRow === 0 ? LARGEST : (millis * AIM) / this.#millisPerRow;
    return Math.max(1, Math.min(LARGEST, Math.floor(Math.min(bySize, byTime))));
  }

  learn(rows: number, bytes: number, millis: number): void {
    if (rows === 0) return;
    this.#bytesPerRow += (bytes / rows - this.#bytesPerRow) * WEIGHT;
    if (millis < TELLING_MILLIS) return;
    this.#millisPerRow += (millis / rows - this.#millisPerRow) * (this.#millisPerRow === 0 ? 1 : WEIGHT);
  }
}
