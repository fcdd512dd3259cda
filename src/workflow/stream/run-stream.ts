/**
 * One stream, whole: tail (slot -> log) and engine (log -> other side) side by side. The tail never waits for the engine: while the other
 * side is away, changes gather here, not as WAL at the origin.
 */

import path from "node:path";
import { LocalLog } from "../../log/local-log.ts";
import { type StreamName, upstreamOf } from "../../model/side.ts";
import type { Table } from "../../model/table.ts";
import type { ProgressBus } from "../../observe/events.ts";
import { openReplicationStream } from "../../source/replication-stream.ts";
import { openSourceReader } from "../../source/source-reader.ts";
import { ChunkStore } from "../../state/chunk-store.ts";
import { type TailRecord, TailStore } from "../../state/tail-store.ts";
import type { Destination } from "../../target/kind.ts";
import { namePartitions } from "../changes/name-partitions.ts";
import { crashPoints } from "../crash-point.ts";
import { keepRunning } from "../keep-running.ts";
import { originPrefix, publicationName } from "../names.ts";
import type { Migration } from "../open-migration.ts";
import { ReloadRequests } from "../reload/reload-requests.ts";
import { TablesEmptied } from "../reload/watch-reloads.ts";
import type { StreamWatch } from "../run/watch-stream.ts";
import { runTogether } from "../run-together.ts";
import { systemClock } from "../system-clock.ts";
import { noteDrift } from "./adopt-drift.ts";
import { downstream } from "./downstream.ts";
import { refreshXids } from "./refresh-xids.ts";
import { type EngineParts, type LoadSettings, runEngine } from "./run-engine.ts";
import { runTail } from "./run-tail.ts";
import { SharedRelease } from "./shared-release.ts";

export interface StreamRequest {
  readonly migration: Migration;
  readonly name: StreamName;
  /** Cluster that the stream reads (`pg_control_system`). */
  readonly systemIdentifier: string;
  readonly tail: TailRecord;
  readonly tables: readonly Table[];
  readonly load: LoadSettings | null;
  readonly watch: StreamWatch;
  readonly bus: ProgressBus;
  readonly stop: AbortSignal;
  readonly signal: AbortSignal;
}

/** `verify`, run beside us, may read this far back, whatever the configuration says. */
const LEAST_RETAIN_MILLIS = 10 * 60_000;
const FIRST_STREAM_POLL_MILLIS = 20;

export function logDirectory(stateDirectory: string, stream: StreamName): string {
  return path.join(stateDirectory, "log", stream);
}

/** Runs until `stop` is aborted and what was in hand is done, or until something fails that is not retried. Throws TablesEmptied. */
export async function runStream(request: StreamRequest): Promise<void> {
  const tailStop = new AbortController();
  const log = await openLog(request);
  const waiting = (why: string): void => request.bus.emit({ kind: "waiting", why });
  const tail = (signal: AbortSignal): Promise<void> => tailInto(log, request, AbortSignal.any([signal, tailStop.signal]));
  const { migration, name } = request;
  const { destinations } = downstream(migration.target, name);
  const shared = new SharedRelease(
    log,
    destinations.map((one) => one.name),
  );
  const engine = async (destination: Destination, signal: AbortSignal): Promise<void> => {
    const life = (): Promise<void> => runEngine(engineParts({ log, shared, destination }, request), request.stop, signal);
    await keepRunning(() => untilNoReload(life, signal), { clock: systemClock, signal, waiting });
  };
  const engines = (signal: AbortSignal): Promise<void> =>
    runTogether(
      destinations.map((destination) => (inner) => engine(destination, inner)),
      signal,
    ).finally(() => tailStop.abort());
  const xids = (signal: AbortSignal): Promise<void> =>
    refreshXids({
      log,
      connect: (inner) => migration.connect(upstreamOf(name), `xids ${name}`, { signal: inner }),
      clock: systemClock,
      signal: AbortSignal.any([signal, tailStop.signal]),
    });
  const upload = async (signal: AbortSignal): Promise<void> =>
    migration.bucket?.upload(name, log, AbortSignal.any([signal, tailStop.signal]), waiting);
  try {
    await runTogether([tail, engines, xids, upload], request.signal);
  } catch (error) {
    noteDrift(migration.state, error);
    throw await namePartitions(migration, error);
  } finally {
    await log.close();
  }
}

/** Begins another life each time that tables were emptied. Where their columns changed, the log too has to be opened anew: TablesEmptied. */
async function untilNoReload(life: () => Promise<void>, signal: AbortSignal): Promise<void> {
  for (;;) {
    try {
      return await life();
    } catch (error) {
      if (!(error instanceof TablesEmptied) || error.redefined) throw error;
      signal.throwIfAborted();
    }
  }
}

function openLog({ migration, name, systemIdentifier, tail, tables }: StreamRequest): Promise<LocalLog> {
  return LocalLog.open({
    dir: logDirectory(migration.config.state.dir, name),
    identity: { systemIdentifier, slot: tail.slot, stream: name },
    start: { lsn: tail.startLsn, xidReference: tail.xidReference },
    durable: { lsn: tail.durableLsn, xidReference: tail.xidReference },
    tables: new Map(tables.map((table) => [table.id, table])),
    skipOriginPrefix: originPrefix(migration.name),
    segmentBytes: migration.config.log.segmentBytes,
    ...(migration.bucket === null ? {} : { copiedTo: migration.bucket.storedTo(name) }),
    crashPoint: crashPoints(process.env.PGHAUL_CRASH_AT),
  });
}

function tailInto(log: LocalLog, { migration, name, tail, bus }: StreamRequest, signal: AbortSignal): Promise<void> {
  const tails = new TailStore(migration.state);
  return runTail({
    openStream: async (from) => {
      const client = await migration.connect(upstreamOf(name), `tail ${name}`, { replication: true, signal });
      return openReplicationStream(client, {
        side: upstreamOf(name),
        slot: tail.slot,
        publications: [publicationName(migration.name)],
        from,
        signal,
      });
    },
    log,
    ...(migration.bucket === null ? {} : { storedTo: migration.bucket.storedTo(name) }),
    recordDurable: ({ lsn, ...step }) => tails.advance(name, { durableLsn: lsn, ...step }),
    waiting: (why) => bus.emit({ kind: "waiting", why }),
    crashPoint: crashPoints(process.env.PGHAUL_CRASH_AT),
    clock: systemClock,
    signal,
  });
}

interface EngineScope {
  readonly log: LocalLog;
  readonly shared: SharedRelease;
  readonly destination: Destination;
}

function engineParts({ log, shared, destination }: EngineScope, request: StreamRequest): EngineParts {
  const { migration, name, tables, load } = request;
  const watch = request.watch.at(destination.name);
  const upstream = upstreamOf(name);
  const readers = load?.readers ?? 1;
  return {
    tables: new Map(tables.map((table) => [table.id, table])),
    openSource: async (signal) => {
      // What is read before there is a stream would be taken for older than a lost one, and read again.
      while (load !== null && log.streams() === 0 && !request.stop.aborted) await systemClock.sleep(FIRST_STREAM_POLL_MILLIS, signal);
      return openSourceReader({
        side: upstream,
        connect: (purpose) => migration.connect(upstream, purpose, { signal }),
        tables,
        workers: readers,
        signal,
      });
    },
    openTarget: (signal) =>
      destination.openEngine({
        loadLanes: readers,
        crashPoint: crashPoints(process.env.PGHAUL_CRASH_AT),
        signal,
      }),
    log,
    release: (position) => shared.release(destination.name, position),
    store: new ChunkStore(migration.state, destination.name, migration.bucket?.ledger),
    clock: systemClock,
    observer: watch,
    crashPoint: crashPoints(process.env.PGHAUL_CRASH_AT),
    load,
    retainMillis: Math.max(migration.config.log.retain, LEAST_RETAIN_MILLIS),
    streaming: (stream) => request.watch.streaming(destination.name, stream),
    holdsKnown: (holds) => watch.holdsKnown(holds),
    reloads: load === null ? null : new ReloadRequests({ migration, bus: request.bus, tables }),
    visibleFloor: () => new TailStore(migration.state).get(name)?.visibleFloor ?? request.tail.startLsn,
  };
}
