/**
 * What a load will take, from sizes and short measurements. A forecast is a range: what was measured is one reader at the source, and the
 * target, which is most often the slower side, was not asked.
 */

/** A table of the plan; estimates of the source's catalog. */
export interface ForecastTable {
  readonly id: string;
  readonly bytes: number;
  readonly rows: number;
}

/** What one reader read of a table. */
export interface MeasuredRead {
  readonly table: string;
  readonly rows: number;
  readonly bytes: number;
  readonly millis: number;
}

export interface ForecastInput {
  readonly tables: readonly ForecastTable[];
  readonly reads: readonly MeasuredRead[];
  readonly workers: number;
  readonly walBytesPerSecond: number;
}

export interface Estimate {
  readonly low: number;
  readonly likely: number;
  readonly high: number;
}

export interface Forecast {
  readonly totalBytes: number;
  readonly loadHours: Estimate;
  /** The change log grows by this while the load runs; it lies here, not at the source. */
  readonly logBytes: Estimate;
  /** How much of the data lies in tables that were measured. */
  readonly confidence: "low" | "medium" | "high";
  /** What the forecast rests on, for a person to judge it. */
  readonly basis: readonly string[];
}

/** A reader that was not measured at all: what a plain COPY moves through one connection on modest hardware, in bytes of table. */
const UNMEASURED_BYTES_PER_SECOND = 25e6;

/** How many of the readers count: all of them at best; half where the target or the network is shared; a quarter at worst. */
const SHARE = { low: 1, likely: 0.5, high: 0.25 } as const;

const MEDIUM_COVERAGE = 0.3;
const HIGH_COVERAGE = 0.8;

/** `workers` is at least 1. Pure: the same input gives the same forecast. */
export function forecast({ tables, reads, workers, walBytesPerSecond }: ForecastInput): Forecast {
  const totalBytes = tables.reduce((sum, { bytes }) => sum + bytes, 0);
  const measured = new Map(reads.map((read) => [read.table, read]));
  const known = tables.flatMap((table) => {
    const rate = tableRate(table, measured.get(table.id));
    return rate === null ? [] : [{ bytes: table.bytes, rate }];
  });
  const knownBytes = known.reduce((sum, { bytes }) => sum + bytes, 0);
  const knownSeconds = known.reduce((sum, { bytes, rate }) => sum + bytes / rate, 0);
  const elsewhere = knownSeconds === 0 ? UNMEASURED_BYTES_PER_SECOND : knownBytes / knownSeconds;
  const readerSeconds = knownSeconds + (totalBytes - knownBytes) / elsewhere;
  const seconds = (share: number) => readerSeconds / Math.max(1, workers * share);
  const coverage = totalBytes === 0 ? 1 : knownBytes / totalBytes;
  const estimate = (of: (seconds: number) => number): Estimate => ({
    low: of(seconds(SHARE.low)),
    likely: of(seconds(SHARE.likely)),
    high: of(seconds(SHARE.high)),
  });
  return {
    totalBytes,
    loadHours: estimate((time) => time / 3600),
    logBytes: estimate((time) => time * walBytesPerSecond),
    confidence: coverage >= HIGH_COVERAGE ? "high" : coverage >= MEDIUM_COVERAGE ? "medium" : "low",
    basis: [
      `${Math.round(coverage * 100)} % of the data lies in the ${known.length} tables that were measured`,
      `one reader moves ${Math.round(elsewhere / 1e6)} MB of table a second${knownSeconds === 0 ? " (assumed, nothing was measured)" : ""}`,
      `of ${workers} readers between a quarter and all count; the target was not measured`,
      `the source writes ${(walBytesPerSecond / 1e6).toFixed(1)} MB of WAL a second now; at its peak it may write more`,
    ],
  };
}

/** Bytes of table a second: COPY text and the table on disk differ in size, so rows are what the two have in common. */
function tableRate(table: ForecastTable, read: MeasuredRead | undefined): number | null {
  if (read === undefined || read.rows === 0 || read.millis <= 0 || table.bytes === 0) return null;
  // Without an estimate of rows the size of the text must do.
  const bytesPerRow = table.rows > 0 ? table.bytes / table.rows : read.bytes / read.rows;
  return (read.rows * bytesPerRow) / (read.millis / 1000);
}
