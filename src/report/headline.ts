import { formatBytes, formatCount, formatDuration } from "../observe/units.ts";
import { formatMillis, formatMoment, millisBetween } from "./moments.ts";
import type { Report } from "./report.ts";

/** A number that somebody asks for first. */
export interface Fact {
  readonly label: string;
  readonly value: string;
  readonly note: string;
  /** Set where the number is good or bad news. */
  readonly mood?: "good" | "bad";
}

/** The numbers that stand at the top of a report. */
export function headline(report: Report): readonly Fact[] {
  return [
    ...fence(report),
    ...held(report),
    loaded(report),
    followed(report),
    lag(report),
    verified(report),
    switched(report),
    journal(report),
  ];
}

function loaded({ load, tables }: Report): Fact {
  const done = tables.filter(({ loadedAt }) => loadedAt !== null).length;
  const rate = load.bytesPerSecond === null ? "" : ` at ${formatBytes(load.bytesPerSecond)}/s`;
  const millis = millisBetween(load.startedAt, load.endedAt);
  const time = millis === null ? "" : ` in ${formatDuration(millis / 1000)}`;
  return {
    label: "Loaded",
    value: `${formatCount(load.rows)} rows`,
    note: `${formatBytes(load.bytes)}${time}${rate}; ${done} of ${tables.length} tables`,
  };
}

function followed({ streams, series }: Report): Fact {
  const changes = streams.reduce((sum, stream) => sum + stream.changes, 0);
  const transactions = streams.reduce((sum, stream) => sum + stream.transactions, 0);
  const peak = series.reduce((most, point) => Math.max(most, point.changesPerSecondMax), 0);
  return {
    label: "Followed",
    value: `${formatCount(changes)} changes`,
    note: `${formatCount(transactions)} transactions; up to ${formatCount(peak)} changes/s applied`,
  };
}

function lag(report: Report): Fact {
  const { status } = report;
  const series = report.series;
  const measured = series.flatMap(({ lagSecondsMax }) => (lagSecondsMax === null ? [] : [lagSecondsMax]));
  if (measured.length === 0) return { label: "Lag", value: "–", note: "not measured yet" };
  const now = status.lag === null ? "" : `; ${formatBytes(status.lag.bytes)} when last measured`;
  return {
    label: "Lag",
    value: `${median(series.flatMap(({ lagSeconds }) => lagSeconds ?? [])).toFixed(2)} s`,
    note: `median; at most ${Math.max(...measured).toFixed(1)} s${now}`,
  };
}

/** Above everything else, for as long as the report is made: it was found, and somebody has to look. */
function fence({ breaches }: Report): readonly Fact[] {
  return breaches.map((note) => ({ label: "Fence", value: "FENCE_BREACH", note, mood: "bad" }));
}

/** What is held falls behind, and keeps the cutover closed. */
function held({ held: tables }: Report): readonly Fact[] {
  if (tables.length === 0) return [];
  const names = tables.map(({ table }) => table).join(", ");
  return [{ label: "Held", value: `${formatCount(tables.length)} HELD`, note: `a row was refused: ${names}`, mood: "bad" }];
}

/** Of the whole migration: a table's last verdict counts, whichever run compared it, and a table without one is not equal yet. */
function verified({ tables }: Report): Fact {
  const verdicts = tables.flatMap(({ verdict }) => verdict ?? []);
  const last = verdicts.toSorted((a, b) => (a.at < b.at ? -1 : 1)).at(-1);
  if (last === undefined) return { label: "Verified", value: "not yet", note: "pghaul verify run" };
  const different = verdicts.filter(({ equal }) => !equal).length;
  const compared = `${formatCount(verdicts.length)} of ${formatCount(tables.length)} tables compared, the last at ${last.lsn}, ${formatMoment(last.at)}`;
  if (different > 0)
    return {
      label: "Verified",
      value: "DIFFERENT",
      note: `${formatCount(different)} of ${formatCount(tables.length)} tables; ${compared}`,
      mood: "bad",
    };
  if (verdicts.length < tables.length) return { label: "Verified", value: "in part", note: `${compared}; the rest: pghaul verify run` };
  return { label: "Verified", value: "equal", note: compared, mood: "good" };
}

function switched({ switches }: Report): Fact {
  const done = switches.filter(({ outcome }) => outcome === "switched");
  const cancelled = switches.filter(({ outcome }) => outcome === "cancelled").length;
  const last = done.at(-1);
  const tries = cancelled === 0 ? "" : `; ${cancelled} cancelled before that`;
  if (last === undefined) return { label: "Writes stopped for", value: "–", note: `writes are at the source${tries}` };
  const stalls = done.map(({ to, stallMillis }) => `${formatMillis(stallMillis)} to the ${to}`).join(", ");
  return {
    label: "Writes stopped for",
    value: formatMillis(Math.max(...done.map(({ stallMillis }) => stallMillis ?? 0))),
    note: `${stalls}; writes are at the ${last.to}`,
  };
}

function journal({ journal: { entries, broken } }: Report): Fact {
  if (broken !== null) return { label: "Journal", value: "BROKEN", note: `entry ${broken.seq}: ${broken.why}`, mood: "bad" };
  return {
    label: "Journal",
    value: `${formatCount(entries.length)} entries`,
    note: "the hash chain is intact",
    ...(entries.length === 0 ? {} : { mood: "good" as const }),
  };
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
