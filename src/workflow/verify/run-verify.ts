import { VisibleFloor } from "../../engine/visible-floor.ts";
import { PghaulError } from "../../errors/pghaul-error.ts";
import { type StreamName, upstreamOf } from "../../model/side.ts";
import type { Table } from "../../model/table.ts";
import type { ProgressBus } from "../../observe/events.ts";
import { qualifiedName } from "../../postgres/quote.ts";
import { deleteMarker, touchMarker } from "../../side/postgres/bookkeeping/marker-table.ts";
import { PostgresOrigin } from "../../side/postgres/compare/postgres-sides.ts";
import { insertLsn, systemIdentifier } from "../../side/postgres/wal.ts";
import { openSourceReader } from "../../source/source-reader.ts";
import { CutoverStore } from "../../state/cutover-store.ts";
import { leaseHolder } from "../../state/lease.ts";
import { TableStore } from "../../state/table-store.ts";
import { VerifyStore } from "../../state/verify-store.ts";
import type { CompareParts } from "../../verify/compare-scope.ts";
import { verifyTables } from "../../verify/verify-tables.ts";
import { waitForPosition } from "../../verify/wait-for-position.ts";
import { heldError } from "../held-tables.ts";
import { namedTables } from "../named-tables.ts";
import { markersName } from "../names.ts";
import type { Migration } from "../open-migration.ts";
import { verifyRanges } from "../run/plan-ranges.ts";
import { downstream } from "../stream/downstream.ts";
import { tablesAt } from "../stream/tables-at.ts";
import { openWatchedLog } from "../stream/watched-log.ts";
import { systemClock } from "../system-clock.ts";
import { VerifyProgress } from "./verify-progress.ts";
import { asSourceAndTarget, type VerifyResult, verifyResult } from "./verify-result.ts";
import { notStreaming, whileStreaming } from "./while-streaming.ts";

export interface VerifyTask {
  readonly migration: Migration;
  readonly runId: string;
  /** Ids or patterns of tables to compare; null for all. */
  readonly only: readonly string[] | null;
  /** Rows to name a table; 0 for verdicts alone. */
  readonly differences: number;
  readonly bus: ProgressBus;
  readonly signal: AbortSignal;
}

const WORKERS = 2;

/** Throws INTERRUPTED when the signal came; verdicts reached by then are on record. */
export async function runVerify(task: VerifyTask): Promise<VerifyResult> {
  try {
    return await verify(task);
  } catch (error) {
    if (!task.signal.aborted) throw error;
    throw new PghaulError("INTERRUPTED", "the verification was stopped; the verdicts reached so far are recorded");
  }
}

async function verify(task: VerifyTask): Promise<VerifyResult> {
  const { migration, runId, bus, signal } = task;
  const stream = followingStream(migration);
  await refuseIdle(migration);
  const chosen = chooseTables(migration, task.only);
  const there = await migration.session(upstreamOf(stream), "verify", (client) => tablesAt(client, migration, stream, chosen));
  const tables = await migration.target.compared(there);
  bus.emit({ kind: "phase", phase: "verifying", detail: `${tables.length} tables` });
  const { parts, close } = await openParts(task, stream, tables);
  const store = new VerifyStore(migration.state);
  const progress = new VerifyProgress(tables.length, bus);
  try {
    const verdicts = await verifyTables(
      parts,
      {
        tables,
        ranges: async (table) =>
          !migration.target.capabilities.keyOrder
            ? [null]
            : migration.session(upstreamOf(stream), `plan verify ${table.id}`, (client) => verifyRanges(client, upstreamOf(stream), table)),
        workers: WORKERS,
        differences: task.differences,
        now: () => systemClock.now(),
        begun: (table, piece, pieces) => progress.begun(table, piece, pieces),
        verdict: (reached) => {
          progress.decided(reached.table);
          const verdict = asSourceAndTarget(reached, stream);
          store.record(runId, verdict);
          bus.emit({
            kind: "step",
            id: verdict.table,
            title: `${verdict.table}: ${verdict.rows} rows`,
            state: verdict.equal ? "done" : "failed",
            ms: verdict.millis,
          });
        },
      },
      signal,
    );
    return verifyResult(verdicts.map((verdict) => asSourceAndTarget(verdict, stream)));
  } catch (error) {
    throw withUndecided(
      error,
      tables.filter(({ id }) => !progress.isDecided(id)),
    );
  } finally {
    await close();
  }
}

const NAMED = 5;

/** A comparison that ends early has said nothing of these. */
function withUndecided(error: unknown, tables: readonly Table[]): unknown {
  if (!(error instanceof PghaulError) || error.code !== "STREAM_NOT_RUNNING" || tables.length === 0) return error;
  const named = tables.slice(0, NAMED).map(({ id }) => id);
  const more = tables.length > NAMED ? ` and ${tables.length - NAMED} more` : "";
  return new PghaulError(error.code, `${error.message}; without a verdict: ${named.join(", ")}${more}`, {
    cause: error.cause,
    context: error.context,
    ...(error.suggestion === undefined ? {} : { suggestion: error.suggestion }),
  });
}

/** After a switch the target is primary and the source follows. */
function followingStream(migration: Migration): StreamName {
  const attempt = new CutoverStore(migration.state).load();
  if (attempt?.outcome === "running") {
    throw new PghaulError("CUTOVER_STATE", "a switch is under way; verify when it has ended", {
      suggestion: "pghaul cutover status",
    });
  }
  const primary =
    attempt?.outcome === "switched" ? attempt.to : attempt === null ? "source" : attempt.to === "target" ? "source" : "target";
  return primary === "source" ? "forward" : "reverse";
}

async function refuseIdle(migration: Migration): Promise<void> {
  if ((await leaseHolder(migration.config.state.dir, "stream")) === null) throw notStreaming();
}

function chooseTables(migration: Migration, only: readonly string[] | null): readonly Table[] {
  const records = new TableStore(migration.state).all();
  // Of no tables everything is equal: an answer that must never be taken for one.
  if (records.length === 0) {
    throw new PghaulError("STREAM_NOT_RUNNING", "no table is on record yet: the run has only just started", {
      suggestion: "pghaul status",
    });
  }
  const named =
    only === null
      ? null
      : namedTables(
          records.map(({ table }) => table),
          only,
          "verify run",
        );
  const chosen = records.filter(({ table }) => named === null || named.has(table.id));
  const held = heldError(migration.state, (id) => chosen.some(({ table }) => table.id === id));
  if (held !== null) throw held;
  const loading = chosen.filter(({ phase }) => phase !== "joined" && phase !== "live");
  if (loading.length > 0) {
    throw new PghaulError("STREAM_NOT_RUNNING", `${loading.length} tables are still loading, including ${loading[0]?.table.id}`, {
      suggestion: "pghaul status",
    });
  }
  return chosen.map(({ table }) => table);
}

/** How long "the stream is close by" is believed. */
const CLOSE_BY_MILLIS = 5_000;

async function openParts(
  task: VerifyTask,
  stream: StreamName,
  tables: readonly Table[],
): Promise<{ parts: CompareParts; close: () => Promise<void> }> {
  const { migration, runId, bus, signal } = task;
  const origin = upstreamOf(stream);
  const control = await migration.connect(origin, "verify", { signal });
  const clock = whileStreaming(migration.config.state.dir, systemClock);
  const log = await openWatchedLog({ migration, stream, tables, cluster: await systemIdentifier(control), clock });
  const reader = openSourceReader({
    side: origin,
    connect: (purpose) => migration.connect(origin, purpose, { signal }),
    tables,
    workers: 1,
    signal,
  });
  const floor = new VisibleFloor({ source: reader, log, clock: systemClock });
  const marker = { table: qualifiedName("pghaul", markersName(migration.name)), id: `verify ${runId}` };
  const replica = downstream(migration.target, stream).replica({
    sleep: clock.sleep,
    startWait: waitForPosition({
      nudge: () => touchMarker(control, marker),
      sleep: clock.sleep,
      waiting: (why) => bus.emit({ kind: "waiting", why }),
      maxWaitMillis: migration.config.verify.maxWait,
      now: () => systemClock.now(),
    }),
  });
  let closeAt = Number.NEGATIVE_INFINITY;
  const parts: CompareParts = {
    origin: new PostgresOrigin({
      side: origin,
      connect: (purpose, inner) => migration.connect(origin, purpose, inner === undefined ? {} : { signal: inner }),
      sleep: clock.sleep,
    }),
    replica,
    log,
    closeBy: async (inner) => {
      if (clock.now() - closeAt < CLOSE_BY_MILLIS) return;
      await replica.reach(await insertLsn(control), inner);
      closeAt = clock.now();
    },
    floor: (inner) => floor.current(inner),
    sleep: clock.sleep,
  };
  const close = async (): Promise<void> => {
    await Promise.allSettled([reader.close(), deleteMarker(control, marker).finally(() => control.end())]);
  };
  return { parts, close };
}
