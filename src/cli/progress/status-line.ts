import type { LogFields } from "../../observe/log.ts";
import { formatBytes, formatCount, formatDuration } from "../../observe/units.ts";
import type { ProgressFigures } from "./progress-state.ts";

/** `42 %  12 GB of 29 GB  84 MB/s  3 of 17 tables  1,204,332 rows  copied in 3m 20s  caught up in 4m 10s`. */
export function statusLine(figures: ProgressFigures): string {
  const parts = [...loadParts(figures), ...lagParts(figures)];
  if (figures.detail !== null) parts.push(figures.detail);
  if (figures.waiting !== null) parts.push(`waiting: ${figures.waiting}`);
  return parts.join("  ");
}

function loadParts(figures: ProgressFigures): string[] {
  const { load, percent } = figures;
  if (load === null || percent === null) return [];
  // An estimate that proved too small is shown as such, not as "12 GB of 11 GB".
  const of = load.bytes > load.bytesExpected ? "" : ` of ${formatBytes(load.bytesExpected)}`;
  const parts = [`${percent} %`, `${formatBytes(load.bytes)}${of}`];
  if (percent < 100 && figures.bytesPerSecond !== null) parts.push(`${formatBytes(figures.bytesPerSecond)}/s`);
  parts.push(`${load.tablesDone} of ${load.tablesTotal} tables`, `${formatCount(load.rows)} rows`);
  if (percent < 100) parts.push(timeLeft("copied in", "copy time", figures.copiedInSeconds));
  return parts;
}

function lagParts({ lag, phase, caughtUpInSeconds }: ProgressFigures): string[] {
  if (lag === null) return [];
  const parts = phase === "caught-up" || phase === "streaming" ? [] : [timeLeft("caught up in", "catch-up time", caughtUpInSeconds)];
  parts.push(`lag ${formatBytes(lag.bytes)} ${lag.seconds.toFixed(1)} s`, `${formatCount(lag.changesPerSecond)} changes/s`);
  if (lag.slotRetainedBytes !== null) parts.push(`slot holds ${formatBytes(lag.slotRetainedBytes)}`);
  return parts;
}

function timeLeft(known: string, unknown: string, seconds: number | null): string {
  return seconds === null ? `${unknown} ${formatDuration(null)}` : `${known} ${formatDuration(seconds)}`;
}

/** The same numbers, exact, as log fields: one greppable line for runbooks and schedulers. */
export function statusFields(figures: ProgressFigures): LogFields {
  const { load, lag } = figures;
  return {
    phase: figures.phase,
    detail: figures.detail ?? undefined,
    percent: figures.percent ?? undefined,
    bytes: load?.bytes,
    bytes_expected: load?.bytesExpected,
    bytes_per_second: rounded(figures.bytesPerSecond),
    tables_done: load?.tablesDone,
    tables_total: load?.tablesTotal,
    rows: load?.rows,
    chunks_running: load?.chunksRunning.join(","),
    eta_copied_seconds: rounded(figures.copiedInSeconds),
    eta_caught_up_seconds: rounded(figures.caughtUpInSeconds),
    lag_bytes: lag?.bytes,
    lag_seconds: lag?.seconds,
    changes_per_second: rounded(lag?.changesPerSecond),
    slot_retained_bytes: lag?.slotRetainedBytes ?? undefined,
    waiting: figures.waiting ?? undefined,
  };
}

function rounded(value: number | null | undefined): number | undefined {
  return value === null || value === undefined ? undefined : Math.round(value);
}
