import type { SeriesPoint } from "../../model/series-point.ts";
import type { StateDatabase } from "../state-database.ts";

/** What was measured at one moment. */
export interface Sample {
  /** Milliseconds since the Unix epoch. */
  readonly at: number;
  readonly lag: { readonly bytes: number; readonly seconds: number } | null;
  readonly bytesPerSecond: number;
  readonly changesPerSecond: number;
}

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** Seconds for an hour, minutes for two days, then hours: 90 days make about 8,600 points. */
const STEPS: readonly { readonly from: number; readonly to: number; readonly after: number }[] = [
  { from: SECOND, to: MINUTE, after: HOUR },
  { from: MINUTE, to: HOUR, after: 48 * HOUR },
];

const FOLD = `
  insert or replace into sample
  select @to, at_ms - at_ms % @to as bucket, avg(lag_bytes), max(lag_bytes_max), avg(lag_seconds), max(lag_seconds_max),
         avg(bytes_per_second), max(bytes_per_second_max), avg(changes_per_second), max(changes_per_second_max)
  from sample where width_ms = @from and at_ms < @before
  group by bucket`;

/** The time series that the report plots; one sample a second, thinned out as it ages. */
export class SampleStore {
  readonly #database: StateDatabase;

  constructor(database: StateDatabase) {
    this.#database = database;
  }

  /** Adds a sample; a second one of the same second replaces the first. With the first of a minute the older ones are thinned out. */
  add(sample: Sample): void {
    const at = sample.at - (sample.at % SECOND);
    this.#database.note(() => {
      const { bytes = null, seconds = null } = sample.lag ?? {};
      this.#database.sqlite
        .prepare("insert or replace into sample values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
        .run(
          SECOND,
          at,
          bytes,
          bytes,
          seconds,
          seconds,
          sample.bytesPerSecond,
          sample.bytesPerSecond,
          sample.changesPerSecond,
          sample.changesPerSecond,
        );
      if (this.#isFirstOfMinute(at)) this.#thinOut(at);
    });
  }

  /** All points in the order of time. */
  all(): readonly SeriesPoint[] {
    return this.#database.read(() =>
      this.#database.sqlite
        .prepare<[], SeriesPoint>(`
          select at_ms as at, width_ms as widthMillis, lag_bytes as lagBytes, lag_bytes_max as lagBytesMax, lag_seconds as lagSeconds,
                 lag_seconds_max as lagSecondsMax, bytes_per_second as bytesPerSecond, bytes_per_second_max as bytesPerSecondMax,
                 changes_per_second as changesPerSecond, changes_per_second_max as changesPerSecondMax
          from sample order by at_ms, width_ms`)
        .all(),
    );
  }

  /** Mean rate of the samples since `since` (milliseconds since the Unix epoch); null when there are none. */
  meanBytesPerSecond(since: number): number | null {
    return this.#database.read(() => {
      const sql = "select avg(bytes_per_second) as rate from sample where width_ms = ? and at_ms >= ?";
      return this.#database.sqlite.prepare<[number, number], { rate: number | null }>(sql).get(SECOND, since)?.rate ?? null;
    });
  }

  #isFirstOfMinute(at: number): boolean {
    const minute = at - (at % MINUTE);
    return (
      this.#database.sqlite.prepare("select 1 from sample where width_ms = ? and at_ms >= ? and at_ms < ?").get(SECOND, minute, at) ===
      undefined
    );
  }

  #thinOut(now: number): void {
    for (const { from, to, after } of STEPS) {
      // Whole buckets only: a bucket folded twice would forget the first half.
      const before = now - after - ((now - after) % to);
      this.#database.sqlite.prepare(FOLD).run({ from, to, before });
      this.#database.sqlite.prepare("delete from sample where width_ms = ? and at_ms < ?").run(from, before);
    }
  }
}
