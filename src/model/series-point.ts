/** A stretch of time: means, and the highest value, because a mean over an hour hides the minute that mattered. */
export interface SeriesPoint {
  /** Milliseconds since the Unix epoch. */
  readonly at: number;
  readonly widthMillis: number;
  readonly lagBytes: number | null;
  readonly lagBytesMax: number | null;
  readonly lagSeconds: number | null;
  readonly lagSecondsMax: number | null;
  readonly bytesPerSecond: number;
  readonly bytesPerSecondMax: number;
  readonly changesPerSecond: number;
  readonly changesPerSecondMax: number;
}
