/**
 * What `run` does beside the forward stream: measures lag, listens to wishes, and runs the reverse stream as soon as a cutover has made the way back.
 */

import type pg from "pg";
import { primaryOf } from "../../cutover/machine.ts";
import type { Table } from "../../model/table.ts";
import { createProgressBus, type ProgressBus } from "../../observe/events.ts";
import { CutoverStore } from "../../state/cutover-store.ts";
import { MilestoneStore } from "../../state/milestone-store.ts";
import { PositionStore } from "../../state/position-store.ts";
import { ProgressStore } from "../../state/progress-store.ts";
import { SampleStore } from "../../state/storage/sample-store.ts";
import { TailStore } from "../../state/tail-store.ts";
import { lookForChanges } from "../changes/look-for-changes.ts";
import { FenceWatch } from "../cutover/watch-fence.ts";
import { keepRunning } from "../keep-running.ts";
import { slotName } from "../names.ts";
import type { Migration } from "../open-migration.ts";
import type { PreparedRun } from "../prepare/prepare-run.ts";
import { runStream } from "../stream/run-stream.ts";
import { tablesAt } from "../stream/tables-at.ts";
import { systemClock } from "../system-clock.ts";
import { measureLag, type Upstream } from "./measure-lag.ts";
import { StreamWatch } from "./watch-stream.ts";

export interface BesideRequest {
  readonly migration: Migration;
  readonly prepared: PreparedRun;
  readonly bus: ProgressBus;
  readonly watch: StreamWatch;
  /** Looks whether another process wants us to end. */
  readonly askedToStop: () => void;
  readonly stop: AbortSignal;
  /** The forward stream has ended: nothing is left to measure. */
  readonly streamed: AbortSignal;
  readonly signal: AbortSignal;
}

const POLL_MILLIS = 250;

export async function runBeside(request: BesideRequest): Promise<void> {
  const { migration, bus, askedToStop, streamed, signal, prepared } = request;
  const { target, state } = migration;
  const destinations = target.wayBack?.destinations ?? [];
  const back: WayBack = { watch: new StreamWatch({ stream: "reverse", destinations, state, bus: quiet(bus) }), tables: null };
  const lag = measureLag(
    {
      upstream: () => upstreamNow(request, back),
      bus,
      progress: new ProgressStore(state),
      positions: new PositionStore(state),
      samples: new SampleStore(state),
      clock: systemClock,
    },
    AbortSignal.any([signal, streamed]),
  );
  if (target.switching === null) {
    await Promise.all([lag, poll(request, askedToStop)]);
    return;
  }
  const fence = new FenceWatch({ migration, identifiers: prepared.identifiers, bus });
  await Promise.all([lag, poll(request, askedToStop), poll(request, () => fence.look()), runWayBack(request, back)]);
}

/** The reverse stream, as far as it is there. */
interface WayBack {
  readonly watch: StreamWatch;
  /** As the target has them. */
  tables: readonly Table[] | null;
}

/** Out of the side that takes the writes now; the other stream is idle. */
function upstreamNow({ migration, prepared, bus, watch }: BesideRequest, back: WayBack): Upstream {
  const side = primaryOf(new CutoverStore(migration.state).load());
  const connect = (inner: AbortSignal): ReturnType<Migration["connect"]> => migration.connect(side, "measure lag", { signal: inner });
  const look = (client: pg.Client): Promise<void> => lookForChanges({ migration, side: "source", tables: prepared.tables, bus }, client);
  if (side === "source") return { side, connect, slot: prepared.tail.slot, changes: look, watch };
  const lookBack = async (client: pg.Client): Promise<void> => {
    if (back.tables !== null) await lookForChanges({ migration, side, tables: back.tables, bus }, client);
  };
  return {
    side,
    connect,
    slot: slotName(migration.name, "reverse"),
    changes: async (client) => {
      await lookBack(client);
      // What our own applier does to the source meanwhile must not look like a change of somebody's once it is the primary again.
      await migration.session("source", "changes", look);
    },
    watch: back.watch,
  };
}

/** Of two streams only one may tell its progress; what needs a person is told of both. */
function quiet(bus: ProgressBus): ProgressBus {
  const silent = createProgressBus();
  silent.subscribe((event) => {
    if (event.kind === "waiting" || event.kind === "notice" || event.kind === "warning") bus.emit(event);
  });
  return silent;
}

/** Looks a few times a second, until the stream has ended or is about to. */
async function poll({ stop, streamed, signal }: BesideRequest, look: () => void | Promise<void>): Promise<void> {
  const ended = AbortSignal.any([stop, streamed, signal]);
  while (!ended.aborted) {
    await look();
    await systemClock.sleep(POLL_MILLIS, ended).catch(() => undefined);
  }
}

/** The way back is made by `pghaul cutover`, another process; from then on it is ours to run. */
async function runWayBack({ migration, prepared, bus, stop, signal }: BesideRequest, back: WayBack): Promise<void> {
  const milestones = new MilestoneStore(migration.state);
  while (!milestones.has("way-back-ready")) {
    if (signal.aborted || stop.aborted) return;
    await systemClock.sleep(POLL_MILLIS, AbortSignal.any([signal, stop])).catch(() => undefined);
  }
  const tail = new TailStore(migration.state).get("reverse");
  if (tail === null) throw new Error("run: the way back is on record, its slot is not");
  bus.emit({ kind: "notice", message: "the way back is open: streaming both ways" });
  const tables = await keepRunning(
    () => migration.session("target", "way back", (client) => tablesAt(client, migration, "reverse", prepared.tables)),
    { clock: systemClock, signal, waiting: (why) => bus.emit({ kind: "waiting", why }) },
  );
  back.tables = tables;
  await runStream({
    migration,
    name: "reverse",
    systemIdentifier: prepared.identifiers.target,
    tail,
    tables,
    load: null,
    bus,
    watch: back.watch,
    stop,
    signal,
  });
}
