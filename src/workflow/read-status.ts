/**
 * What `status` shows, from the state on this machine alone: a source in trouble is not asked again by everybody who wants to know how it is.
 */
import { type ConfigLocation, loadStateLocation } from "../config/load-config.ts";
import { primaryOf } from "../cutover/machine.ts";
import type { FenceBreach } from "../model/fence-breach.ts";
import { formatLsn } from "../model/lsn.ts";
import type { SideName } from "../model/side.ts";
import { CutoverStore } from "../state/cutover-store.ts";
import { FenceStore } from "../state/fence-store.ts";
import { type HeldTable, HoldStore } from "../state/hold-store.ts";
import { type LeaseHolder, leaseHolder } from "../state/lease.ts";
import { openExistingState } from "../state/open-state.ts";
import { type Progress, ProgressStore, UNTHROTTLED } from "../state/progress-store.ts";
import type { StateDatabase } from "../state/state-database.ts";
import { SampleStore } from "../state/storage/sample-store.ts";
import { type TablePhase, TableStore } from "../state/table-store.ts";
import { VerifyStore } from "../state/verify-store.ts";
import { type NotedChange, NotedChanges } from "./changes/noted-changes.ts";
import { readUnsettled, type Unsettled } from "./cutover/read-unsettled.ts";

export interface TableStatus {
  readonly table: string;
  readonly phase: TablePhase;
  readonly rows: number;
  readonly bytes: number;
  /** Estimates of the source; never less than what is done. */
  readonly expectedRows: number;
  readonly expectedBytes: number;
  readonly chunks: { readonly done: number; readonly total: number };
  /** Null unless the target refused a row of it: nothing of the table is applied until it is loaded anew. */
  readonly held: HeldTable | null;
  /** The last verification's answer; null before the first. */
  readonly verified: { readonly equal: boolean; readonly lsn: string; readonly at: string } | null;
}

export interface Status extends Progress {
  readonly migration: string;
  /** What happened at either side and does not stream, of tables that no comparison has found equal since. */
  readonly changes: readonly NotedChange[];
  /** A switch that stopped in the middle, or null. */
  readonly unsettled: Unsettled | null;
  /** Whose writes count; `lag` and `slot` are those of the stream out of it. */
  readonly primary: SideName;
  /** Transactions of others behind the fence of the side that is not the primary; null while there are none. */
  readonly fenceBreach: (FenceBreach & { readonly side: SideName }) | null;
  /** The process that streams now, or null. */
  readonly running: LeaseHolder | null;
  readonly tables: readonly TableStatus[];
  /** Seconds until the load is done at the rate of the last minutes; null when nothing loads or nothing moves. */
  readonly etaSeconds: number | null;
  /** When the running process last said anything, ISO 8601; null before the first run. */
  readonly updatedAt: string | null;
}

const RATE_WINDOW_MILLIS = 5 * 60_000;

const NOTHING: Omit<Status, "migration"> = {
  phase: "not-started",
  unsettled: null,
  primary: "source",
  fenceBreach: null,
  running: null,
  waiting: null,
  tables: [],
  changes: [],
  lag: null,
  bytesPerSecond: 0,
  changesPerSecond: 0,
  etaSeconds: null,
  slot: null,
  throttle: UNTHROTTLED,
  lastError: null,
  updatedAt: null,
};

/** Reads it once. Works while `run` writes. Creates nothing where no state is. */
export async function readStatus(location: ConfigLocation): Promise<Status> {
  const { migration, directory } = loadStateLocation(location);
  const state = await openExistingState(directory);
  if (state === null) return { migration, ...NOTHING };
  try {
    const { pid: _, ...progress } = new ProgressStore(state).get() ?? { pid: 0, ...NOTHING };
    const running = await leaseHolder(directory, "stream");
    const tables = readTables(state);
    const changes = (["source", "target"] as const).flatMap((side) => new NotedChanges(state, side).unsettled());
    const unsettled = await readUnsettled(state, directory);
    const primary = primaryOf(new CutoverStore(state).load());
    const fenceBreach = readFenceBreach(state, primary);
    return {
      ...NOTHING,
      ...progress,
      migration,
      running,
      unsettled,
      primary,
      fenceBreach,
      tables,
      changes,
      etaSeconds: running === null ? null : readEta(state, tables),
    };
  } finally {
    state.close();
  }
}

/** What passed the fence of the side that is not the primary. */
function readFenceBreach(state: StateDatabase, primary: SideName): Status["fenceBreach"] {
  const proof = new FenceStore(state).load();
  return proof === null || proof.breach === null || proof.side === primary ? null : { side: proof.side, ...proof.breach };
}

/** The tables of the migration, in the planned order. */
export function readTables(state: StateDatabase): readonly TableStatus[] {
  const holds = new HoldStore(state).all();
  const verdicts = new Map(new VerifyStore(state).latest().map((verdict) => [verdict.table, verdict]));
  return new TableStore(state).all().map(({ table, phase, rows, bytes, expectedRows, expectedBytes, chunksDone, chunksTotal }) => {
    const verdict = verdicts.get(table.id);
    const loading = phase === "pending" || phase === "loading";
    return {
      table: table.id,
      phase,
      rows,
      bytes,
      expectedRows: loading ? Math.max(rows, expectedRows) : rows,
      expectedBytes: loading ? Math.max(bytes, expectedBytes) : bytes,
      chunks: { done: chunksDone, total: chunksTotal },
      held: holds.find((held) => held.table === table.id) ?? null,
      verified: verdict === undefined ? null : { equal: verdict.equal, lsn: formatLsn(verdict.lsn), at: verdict.at },
    };
  });
}

function readEta(state: StateDatabase, tables: readonly TableStatus[]): number | null {
  const left = tables.reduce((sum, { bytes, expectedBytes }) => sum + expectedBytes - bytes, 0);
  const rate = new SampleStore(state).meanBytesPerSecond(Date.now() - RATE_WINDOW_MILLIS) ?? 0;
  return left === 0 || rate === 0 ? null : Math.round(left / rate);
}
