/** What a report tells, from the state directory alone: it can be made while `run` works, years later, and without any secret. */
import { type ConfigLocation, loadStateLocation } from "../../config/load-config.ts";
import { PghaulError } from "../../errors/pghaul-error.ts";
import { formatLsn } from "../../model/lsn.ts";
import type { Report, ReportLoad, ReportStatus, ReportStream, ReportTable, ReportVerification } from "../../report/report.ts";
import { JournalStore } from "../../state/audit/journal.ts";
import { RunStore } from "../../state/audit/run-store.ts";
import { verificationHistory } from "../../state/audit/verification-history.ts";
import { leaseHolder } from "../../state/lease.ts";
import { openExistingState } from "../../state/open-state.ts";
import { ProgressStore } from "../../state/progress-store.ts";
import type { StateDatabase } from "../../state/state-database.ts";
import { SampleStore } from "../../state/storage/sample-store.ts";
import { TableStore } from "../../state/table-store.ts";
import { TailStore } from "../../state/tail-store.ts";
import { VerifyStore } from "../../state/verify-store.ts";
import type { RowDifference } from "../../verify/ports.ts";
import { toldHolds } from "../held-tables.ts";
import { leftOutStore } from "../prepare/left-out-store.ts";
import { pastBreaches, pastSwitches } from "./past-switches.ts";

const MOST_RUNS = 100;

/** Reads it once; changes nothing. Throws STREAM_NOT_RUNNING where nothing was ever run. */
export async function readReport(location: ConfigLocation): Promise<Report> {
  const { migration, directory } = loadStateLocation(location);
  const state = await openExistingState(directory);
  if (state === null) {
    throw new PghaulError("STREAM_NOT_RUNNING", `nothing has been run yet: there is no state in ${directory}`, {
      suggestion: "pghaul run",
    });
  }
  try {
    const tables = readTables(state);
    const journal = new JournalStore(state, migration);
    const { head, broken } = journal.verify();
    const entries = journal.entries();
    return {
      migration,
      madeAt: new Date().toISOString(),
      status: readStatus(state, (await leaseHolder(directory, "stream")) !== null),
      load: loadOf(tables),
      streams: readStreams(state),
      tables,
      leftOut: leftOutStore(state).get()?.body ?? [],
      held: toldHolds(state),
      series: new SampleStore(state).all(),
      verifications: verificationHistory(state).map(toVerification),
      switches: pastSwitches(entries),
      journal: { entries, head, broken },
      breaches: pastBreaches(entries),
      runs: new RunStore(state).recent(MOST_RUNS),
    };
  } finally {
    state.close();
  }
}

function readStatus(state: StateDatabase, streaming: boolean): ReportStatus {
  const progress = new ProgressStore(state).get();
  return {
    phase: progress?.phase ?? "not-started",
    streaming,
    updatedAt: progress?.updatedAt ?? null,
    lag: progress?.lag ?? null,
    slotRetainedBytes: progress?.slot?.retainedBytes ?? null,
    lastError: progress?.lastError ?? null,
  };
}

function readTables(state: StateDatabase): readonly ReportTable[] {
  const verdicts = new Map(new VerifyStore(state).latest().map((verdict) => [verdict.table, verdict]));
  return new TableStore(state)
    .all()
    .map(({ table, chunksDone, ...record }) => {
      const verdict = verdicts.get(table.id);
      return {
        ...record,
        table: table.id,
        chunks: chunksDone,
        verdict: verdict === undefined ? null : { equal: verdict.equal, lsn: formatLsn(verdict.lsn), at: verdict.at },
      };
    })
    .sort((a, b) => b.bytes - a.bytes || (a.table < b.table ? -1 : 1));
}

function loadOf(tables: readonly ReportTable[]): ReportLoad {
  const begun = tables.flatMap(({ loadingAt }) => loadingAt ?? []);
  const ended = tables.flatMap(({ loadedAt }) => loadedAt ?? []);
  const startedAt = begun.toSorted().at(0) ?? null;
  const endedAt = ended.length === tables.length ? (ended.toSorted().at(-1) ?? null) : null;
  const bytes = tables.reduce((sum, table) => sum + table.bytes, 0);
  const seconds = startedAt === null || endedAt === null ? 0 : (Date.parse(endedAt) - Date.parse(startedAt)) / 1000;
  return {
    rows: tables.reduce((sum, table) => sum + table.rows, 0),
    bytes,
    startedAt,
    endedAt,
    bytesPerSecond: seconds > 0 ? bytes / seconds : null,
  };
}

function readStreams(state: StateDatabase): readonly ReportStream[] {
  const tails = new TailStore(state);
  return (["forward", "reverse"] as const).flatMap((name) => {
    const tail = tails.get(name);
    if (tail === null) return [];
    const { slot, transactions, changes, bytes } = tail;
    return [{ name, slot, transactions, changes, bytes, durableLsn: formatLsn(tail.durableLsn) }];
  });
}

function toVerification(past: ReturnType<typeof verificationHistory>[number]): ReportVerification {
  return {
    at: past.at,
    tables: past.tables,
    rows: past.rows,
    millis: past.millis,
    lsn: formatLsn(past.lsn),
    different: past.different.map(({ table, differences }) => ({ table, ...countKinds(differences) })),
  };
}

/** How many, never which: a key is a row's value. */
function countKinds(differences: readonly RowDifference[]): { missing: number; extra: number; changed: number } {
  const count = (kind: RowDifference["kind"]): number => differences.filter((difference) => difference.kind === kind).length;
  return { missing: count("missing"), extra: count("extra"), changed: count("changed") };
}
