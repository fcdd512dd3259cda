import type { SeriesPoint } from "../model/series-point.ts";

/**
 * What a report tells, ready to be laid out. Moments are ISO 8601 in UTC, durations milliseconds unless a name says otherwise. It holds
 * names, counts and positions: never a row's value, so no key of a differing row either.
 */
export interface Report {
  readonly migration: string;
  readonly madeAt: string;
  readonly status: ReportStatus;
  readonly load: ReportLoad;
  readonly streams: readonly ReportStream[];
  /** The largest first. */
  readonly tables: readonly ReportTable[];
  /** Not moved, each with a sentence that names it and says why. */
  readonly leftOut: readonly { readonly table: string; readonly why: string }[];
  /** A side refused a row of these: why, without the row's key, and what to do. */
  readonly held: readonly { readonly table: string; readonly why: string; readonly fix: string }[];
  /** In the order of time. */
  readonly series: readonly SeriesPoint[];
  /** In the order of time. */
  readonly verifications: readonly ReportVerification[];
  readonly switches: readonly ReportSwitch[];
  readonly journal: ReportJournal;
  /** Writes of others behind a fence, in words, in the order in which they were found. */
  readonly breaches: readonly string[];
  /** Newest first. */
  readonly runs: readonly ReportRun[];
}

export interface ReportStatus {
  readonly phase: string;
  readonly streaming: boolean;
  readonly updatedAt: string | null;
  readonly lag: { readonly bytes: number; readonly seconds: number } | null;
  readonly slotRetainedBytes: number | null;
  readonly lastError: { readonly code: string; readonly message: string; readonly at: string } | null;
}

/** The load as a whole. Bytes are those of COPY text. */
export interface ReportLoad {
  readonly rows: number;
  readonly bytes: number;
  readonly startedAt: string | null;
  /** Null while a table is still loading. */
  readonly endedAt: string | null;
  /** Null until it has ended. */
  readonly bytesPerSecond: number | null;
}

/** What the log has taken in, of one direction. */
export interface ReportStream {
  readonly name: "forward" | "reverse";
  readonly slot: string;
  readonly durableLsn: string;
  readonly transactions: number;
  readonly changes: number;
  readonly bytes: number;
}

export interface ReportTable {
  readonly table: string;
  readonly phase: string;
  readonly rows: number;
  readonly bytes: number;
  readonly chunks: number;
  readonly loadingAt: string | null;
  readonly loadedAt: string | null;
  readonly joinedAt: string | null;
  readonly liveAt: string | null;
  /** The last verdict; null before the first. */
  readonly verdict: { readonly equal: boolean; readonly lsn: string; readonly at: string } | null;
}

export interface ReportVerification {
  readonly at: string;
  readonly tables: number;
  readonly rows: bigint;
  /** Tables that differed, with how many rows of each kind were named. */
  readonly different: readonly { readonly table: string; readonly missing: number; readonly extra: number; readonly changed: number }[];
  /** Where the last table's verdict holds. */
  readonly lsn: string;
  readonly millis: number;
}

/** One attempt to move writes from one side to the other. */
export interface ReportSwitch {
  readonly attempt: number;
  readonly to: string;
  readonly startedAt: string;
  /** When it had switched or was cancelled; null while it runs. */
  readonly endedAt: string | null;
  readonly outcome: "switched" | "cancelled" | "running";
  /** Why it was cancelled. */
  readonly why: string | null;
  /** Time that writes stood still. */
  readonly stallMillis: number | null;
  readonly planDigest: string | null;
  readonly steps: readonly { readonly id: string; readonly state: string; readonly millis: number | null }[];
}

export interface ReportJournal {
  readonly entries: readonly ReportJournalEntry[];
  readonly head: string;
  readonly broken: { readonly seq: number; readonly why: string } | null;
}

export interface ReportJournalEntry {
  readonly seq: number;
  readonly at: string;
  readonly user: string;
  readonly host: string;
  readonly kind: string;
  readonly evidence: Readonly<Record<string, unknown>>;
  readonly hash: string;
}

export interface ReportRun {
  readonly command: string;
  readonly host: string;
  readonly startedAt: string;
  readonly endedAt: string | null;
  readonly outcome: string | null;
}
