/**
 * What a load will take, from sizes and short measurements. A forecast is a range: what was measured is one reader, alone, for a moment, and
 * a target that wrote no WAL. However many readers there are, they are one process: its own work on each byte is a floor.
 */

/** A table of the plan; estimates of the source's catalog. */
export interface ForecastTable {
  readonly id: string;
  readonly bytes: number;
  readonly rows: number;
}

/** What one reader read of a table, and what became of it. */
export interface MeasuredRead {
  readonly table: string;
  readonly rows: number;
  readonly bytes: number;
  /** Of reading. */
  readonly millis: number;
  /** Of writing the same rows at the target; null when it could not be asked. */
  readonly writeMillis: number | null;
  /** Of this process's CPU, for both. */
  readonly cpuMillis: number;
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

/** At worst: the target's WAL and its indexes, which nobody measures in a second, take as long again. */
const UNMEASURED_WORK = 2;

const MEDIUM_COVERAGE = 0.3;
const HIGH_COVERAGE = 0.8;

/** `workers` is at least 1. Pure: the same input gives the same forecast. */
export function forecast({ tables, reads, workers, walBytesPerSecond }: ForecastInput): Forecast {
  const totalBytes = tables.reduce((sum, { bytes }) => sum + bytes, 0);
  const measured = new Map(reads.map((read) => [read.table, read]));
  const known = tables.flatMap((table) => tableCost(table, measured.get(table.id)) ?? []);
  const sum = (of: (cost: TableCost) => number): number => known.reduce((total, cost) => total + of(cost), 0);
  const knownBytes = sum(({ bytes }) => bytes);
  // Tables that were not measured cost what the others do, byte for byte.
  const all = knownBytes === 0 ? 0 : totalBytes / knownBytes;
  const readerSeconds = knownBytes === 0 ? totalBytes / UNMEASURED_BYTES_PER_SECOND : sum(({ seconds }) => seconds) * all;
  const ownSeconds = sum(({ cpuSeconds }) => cpuSeconds) * all;
  const seconds = (share: number) => Math.max(readerSeconds / Math.max(1, workers * share), ownSeconds);
  const coverage = totalBytes === 0 ? 1 : knownBytes / totalBytes;
  const isTargetKnown = reads.length > 0 && reads.every(({ writeMillis }) => writeMillis !== null);
  const estimate = (of: (seconds: number) => number): Estimate => ({
    low: of(seconds(SHARE.low)),
    likely: of(seconds(SHARE.likely)),
    high: of(seconds(SHARE.high) * UNMEASURED_WORK),
  });
  return {
    totalBytes,
    loadHours: estimate((time) => time / 3600),
    logBytes: estimate((time) => time * walBytesPerSecond),
    confidence: coverage >= HIGH_COVERAGE && isTargetKnown ? "high" : coverage >= MEDIUM_COVERAGE ? "medium" : "low",
    basis: [
      `${Math.round(coverage * 100)} % of the data is in ${known.length === 1 ? "the one table" : `the ${known.length} tables`} that ${known.length === 1 ? "was" : "were"} measured`,
      `one reader moves ${rateText(totalBytes, readerSeconds)} MB of table data per second${knownBytes === 0 ? " (assumed, nothing was measured)" : ""}`,
      ...(ownSeconds > 0
        ? [`this machine moves at most ${rateText(totalBytes, ownSeconds)} MB per second, with any number of readers`]
        : []),
      `the range assumes that between a quarter and all of the ${workers} readers work at full speed`,
      isTargetKnown
        ? "the target was measured with a temporary table, which writes no WAL and has only an index for the key"
        : "the target was not measured, and it is usually the slower side",
      `the source writes ${(walBytesPerSecond / 1e6).toFixed(1)} MB of WAL per second now; at peak times it may write more`,
    ],
  };
}

function rateText(bytes: number, seconds: number): string {
  return String(seconds === 0 ? 0 : Math.round(bytes / seconds / 1e6));
}

interface TableCost {
  readonly bytes: number;
  /** Of one reader, and of this process, for all of the table. */
  readonly seconds: number;
  readonly cpuSeconds: number;
}

/** COPY text and the table on disk differ in size, so rows are what the two have in common. Null where nothing was measured. */
function tableCost(table: ForecastTable, read: MeasuredRead | undefined): TableCost | null {
  if (read === undefined || read.rows === 0 || read.millis <= 0 || table.bytes === 0) return null;
  // Without an estimate of rows the size of the text must do.
  const bytesPerRow = table.rows > 0 ? table.bytes / table.rows : read.bytes / read.rows;
  const times = table.bytes / (read.rows * bytesPerRow);
  return {
    bytes: table.bytes,
    seconds: ((read.millis + (read.writeMillis ?? 0)) / 1000) * times,
    cpuSeconds: (read.cpuMillis / 1000) * times,
  };
}
