/** The engine's apply into a target, against a native subscription that takes the same changes into a copy of the same database. */
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { EngineObserver } from "../../src/engine/ports.ts";
import { StreamApply } from "../../src/engine/rows/stream-apply.ts";
import type { LocalLog } from "../../src/log/local-log.ts";
import { openPostgresTarget } from "../../src/target/postgres/postgres-target.ts";
import type { OpenTarget } from "../../src/target/target.ts";
import { systemClock } from "../../src/workflow/system-clock.ts";
import { type Place, requireEqual } from "../harness/equal-tables.ts";
import { type Figure, pairOf, type Timed } from "../harness/figure.ts";
import { withOwnUse } from "../harness/process-use.ts";
import { runPairs, timed } from "../harness/run-pairs.ts";
import { execute, type Stage } from "../harness/stage.ts";
import { subscribe, unsubscribe, withWorkerUse } from "../harness/subscription.ts";
import { until } from "../harness/until.ts";
import { CHANGE_STREAMS } from "../workload/changes.ts";
import {
  forgetChanges,
  openLog,
  openSession,
  PUBLICATION,
  type RecordedChanges,
  recordChanges,
  tailUntil,
  withSlot,
  withTailParts,
  withTarget,
} from "../workload/recorded-changes.ts";

const MIGRATION = "bench";

export async function measureApply(stage: Stage): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const stream of CHANGE_STREAMS) {
    const changes = await recordChanges(stage, stream);
    const dir = mkdtempSync(join(stage.dir, "apply-"));
    const pairs = await runPairs(
      stage.sizes.pairs,
      async (run) => ({
        whole: await applyWhileTailing(changes, join(dir, `whole-${run}`), run),
        fromLog: await applyFromLog(changes, join(dir, `whole-${run}`), run),
      }),
      (run) => applyNatively(changes, run),
    );
    await forgetChanges(changes);
    rmSync(dir, { recursive: true });
    const what = `${stream.changes(stage.sizes)} ${stream.title}`;
    figures.push(
      {
        name: `stream ${stream.name}`,
        measures: `slot to log to target: ${what}`,
        against: "native subscription",
        unit: "s",
        pairs: pairs.map(({ ours, peer }) => pairOf(ours.whole, peer)),
        note: "The same way from end to end. The peer commits each source transaction by itself; ours groups up to 10,000 changes.",
      },
      {
        name: `apply ${stream.name}`,
        measures: `log to target: ${what}`,
        against: "native subscription",
        unit: "s",
        pairs: pairs.map(({ ours, peer }) => pairOf(ours.fromLog, peer)),
        note: "Ours reads a log that is there already, as after an outage of the target; the peer has the server decode the WAL.",
      },
    );
  }
  return figures;
}

/** Tail and apply side by side, as `run` has them. */
async function applyWhileTailing(changes: RecordedChanges, dir: string, run: number): Promise<Timed> {
  changes.stage.tell(`stream ${changes.stream.title}: pghaul, run ${run + 1}`);
  return withSlot(changes, "bench_ours", (slot) =>
    withTailParts(changes, slot, dir, (parts) =>
      withTarget(changes, (target) => applyLog(changes, parts.log, target, (signal) => tailUntil(changes, parts, signal))),
    ),
  );
}

/** From the log that the run before has tailed. */
async function applyFromLog(changes: RecordedChanges, dir: string, run: number): Promise<Timed> {
  changes.stage.tell(`apply ${changes.stream.title}: pghaul, run ${run + 1}`);
  const log = await openLog(changes, "bench_ours", dir);
  try {
    return await withTarget(changes, (target) => applyLog(changes, log, target, async () => undefined));
  } finally {
    await log.close();
  }
}

type Tail = (signal: AbortSignal) => Promise<void>;

async function applyLog(changes: RecordedChanges, log: LocalLog, target: Place, tail: Tail): Promise<Timed> {
  const [stop, stopTail, never] = [new AbortController(), new AbortController(), new AbortController().signal];
  const opened = await openPostgresTarget({
    connect: () => openSession(target),
    migration: MIGRATION,
    stream: "forward",
    loadLanes: 1,
    originPrefix: "pghaul_bench_",
    signal: never,
  });
  try {
    await joinAll(changes, opened);
    const tables = new Map(changes.tables.map((table) => [table.id, table]));
    const ports = { log, target: opened, clock: systemClock, observer: SILENT, crashPoint: () => undefined };
    const stream = new StreamApply(ports, tables, await opened.progress());
    const works = Promise.all([tail(stopTail.signal), stream.run(stop.signal, never).finally(() => stopTail.abort())]);
    const taken = await timed(withOwnUse, () => Promise.race([untilMarked(target), endedEarly(works)]));
    stop.abort();
    await works;
    await requireEqual(changes.source, target, changes.names);
    return taken;
  } finally {
    await opened.close();
  }
}

async function endedEarly(works: Promise<unknown>): Promise<never> {
  await works;
  throw new Error("the stream ended before its last change was applied");
}

/** As after a load that has read the tables before the changes. */
async function joinAll({ tables, start }: RecordedChanges, target: OpenTarget): Promise<void> {
  await target.transaction("stream", async (transaction) => {
    await transaction.setStreamPosition(start.lsn);
    for (const { id } of tables) await transaction.setTableProgress(id, { cursor: start.lsn, state: "joined", filter: null });
  });
}

async function applyNatively(changes: RecordedChanges, run: number): Promise<Timed> {
  const { stage, source, stream } = changes;
  stage.tell(`stream ${stream.title}: native subscription, run ${run + 1}`);
  return withSlot(changes, "bench_peer", (slot) =>
    withTarget(changes, async (target) => {
      await subscribe({
        source,
        target,
        publication: PUBLICATION,
        options: `create_slot = false, slot_name = '${slot}', copy_data = false, enabled = false, synchronous_commit = off`,
      });
      const taken = await timed(
        (work) => withWorkerUse(target, work),
        () => Promise.all([untilMarked(target), execute(target.server, target.database, "alter subscription bench enable")]),
      );
      await requireEqual(source, target, changes.names);
      await unsubscribe(source, target, slot);
      return taken;
    }),
  );
}

/** Until the change behind all others is visible at the target: the same question to both. */
function untilMarked(target: Place): Promise<void> {
  return until(target, "select from public.marker where step > 0");
}

const SILENT: EngineObserver = {
  chunkStarted: () => undefined,
  chunkMerged: () => undefined,
  tableLoaded: () => undefined,
  tableJoined: () => undefined,
  tableHeld: () => undefined,
  applied: () => undefined,
  waiting: () => undefined,
};
