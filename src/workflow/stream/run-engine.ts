/**
 * One life of the engine over one stream: opens the target, reads where it stands, and runs the load and the stream side by side until it is
 * stopped or something breaks. It starts from durable state alone, so after a lost connection it is simply run again.
 */
import { TablesLoad } from "../../engine/load-tables.ts";
import type {
  ChangeLog,
  ChunkBudget,
  ChunkRange,
  Clock,
  CrashPoints,
  EngineObserver,
  EnginePorts,
  LoadStore,
  ReadGate,
  SourceReader,
} from "../../engine/ports.ts";
import type { Hold } from "../../model/hold.ts";
import type { Lsn } from "../../model/lsn.ts";
import type { Table, TableLeaf } from "../../model/table.ts";
import type { EngineTarget } from "../../target/target.ts";
import { type Reloads, watchReloads } from "../reload/watch-reloads.ts";
import { runTogether } from "../run-together.ts";
import { beginLife, type EngineLife, type EngineStream } from "./engine-life.ts";
import { LogRelease } from "./log-release.ts";

export interface EngineParts {
  readonly tables: ReadonlyMap<string, Table>;
  readonly openSource: (signal: AbortSignal) => Promise<SourceReader & { close(): Promise<void> }>;
  readonly openTarget: (signal: AbortSignal) => Promise<EngineTarget>;
  readonly log: ChangeLog;
  /** This engine needs nothing of the log below. */
  readonly release: (position: Lsn) => Promise<void>;
  readonly store: LoadStore;
  readonly clock: Clock;
  readonly observer: EngineObserver;
  readonly crashPoint: CrashPoints;
  readonly load: LoadSettings | null;
  /** What is applied stays in the log this long: verification, run beside us, reads the last moments again. */
  readonly retainMillis: number;
  /** Hears of the stream when it begins; null when it has ended. */
  readonly streaming: (stream: EngineStream | null) => void;
  /** Hears which tables are held when a life begins. */
  readonly holdsKnown: (holds: ReadonlyMap<string, Hold>) => void;
  /** What an operator wants loaded anew; null for a life that loads nothing. */
  readonly reloads: Reloads | null;
  /** Every commit below is visible to all snapshots to come; as far as it is on record. */
  readonly visibleFloor: () => Lsn;
}

/** Null for a stream whose tables are all joined from the start (the way back). */
export interface LoadSettings {
  /** In the order in which they should start. */
  readonly order: readonly Table[];
  readonly ranges: (table: Table, leaves: readonly TableLeaf[]) => Promise<readonly ChunkRange[]>;
  readonly budget: (table: Table) => ChunkBudget;
  readonly readers: number;
  /** Holds reads back while the source should be spared; for one life of the engine. */
  readonly openGate: () => ReadGate & { close(): Promise<void> };
  /** Indexes and constraints of a table whose rows are all there. */
  readonly indexTable: (table: Table) => Promise<void>;
  /** Called in every life in which all tables have joined; must do its work once. `signal`: the stream has failed, so nothing may wait for it. */
  readonly allJoined: (stream: EngineStream, signal: AbortSignal) => Promise<void>;
}

/** How often the log is told what nobody needs any more. */
const RELEASE_MILLIS = 10_000;

export async function runEngine(parts: EngineParts, stop: AbortSignal, signal: AbortSignal): Promise<void> {
  const opened = await parts.openTarget(signal);
  const source = await parts.openSource(signal).catch(async (error: unknown) => {
    await opened.target.close();
    throw error;
  });
  try {
    const ports = { ...parts, source };
    const life = await beginLife(ports, opened, parts.tables);
    const { stream } = life;
    finishReloads(parts, life);
    parts.holdsKnown(life.holds);
    // A life that was killed between the target's record and ours has not told it.
    for (const table of life.joined) parts.observer.tableJoined(table);
    parts.streaming(stream);
    const streamed = new AbortController();
    const loading: Loading = { load: null, floor: null };
    await runTogether(
      [
        (inner) => stream.run(stop, inner).finally(() => streamed.abort()),
        async (inner) => {
          if (parts.load === null) return;
          const gate = parts.load.openGate();
          const load = loadOf(parts.load, { ports, life, gate, stop, signal: inner });
          loading.load = load;
          const all = await loadBehindBarrier(parts, { source, loading, load, stop, signal: inner }).finally(() => gate.close());
          if (all) await parts.load.allJoined(stream, inner);
        },
        async (inner) => {
          if (parts.reloads !== null) {
            await watchReloads({ ...ports, reload: life.reload }, parts.reloads, AbortSignal.any([inner, streamed.signal]));
          }
        },
        (inner) => releaseLog(parts, { life, loading }, AbortSignal.any([inner, streamed.signal])),
      ],
      signal,
    );
  } finally {
    parts.streaming(null);
    await Promise.allSettled([source.close(), opened.target.close()]);
  }
}

/** Of a life that ended between the two parts of a reload: what is not at the target any more is not in the memory here either. */
function finishReloads({ reloads, store }: EngineParts, { begun }: EngineLife): void {
  for (const id of reloads?.asked() ?? []) if (!begun.has(id)) store.forgetTable(id);
}

/** A load, and the log that it needs. */
interface Loading {
  /** Keeps the log from where it began. */
  load: TablesLoad | null;
  /** Proved to be visible; null while a barrier is still to pass. */
  floor: (() => Lsn) | null;
}

interface BarredLoad {
  readonly source: Pick<SourceReader, "barrier">;
  readonly loading: Loading;
  readonly load: TablesLoad;
  readonly stop: AbortSignal;
  readonly signal: AbortSignal;
}

/**
 * Runs the load. Where the log was released beyond what is known to be visible (nobody loaded meanwhile), a barrier comes first; the stream
 * does not wait for it.
 */
async function loadBehindBarrier(
  { log, observer, visibleFloor }: EngineParts,
  { source, loading, load, stop, signal }: BarredLoad,
): Promise<boolean> {
  // With nothing to load nobody proves anything of the log.
  if (load.oldestPosition() === null) return load.run();
  if (log.start() > visibleFloor()) {
    const ended = AbortSignal.any([stop, signal]);
    try {
      await source.barrier((who) => observer.waiting(`the load waits for older transactions to end: ${who}`), ended);
    } catch (error) {
      if (signal.aborted || !stop.aborted) throw error;
      return false;
    }
  }
  loading.floor = () => load.visibleFloor;
  return load.run();
}

interface LoadContext {
  readonly ports: Omit<EnginePorts, "target">;
  readonly life: EngineLife;
  readonly gate: ReadGate;
  readonly stop: AbortSignal;
  readonly signal: AbortSignal;
}

function loadOf(settings: LoadSettings, { ports, life, gate, stop, signal }: LoadContext): TablesLoad {
  return new TablesLoad(ports, life.loading, {
    tables: settings.order,
    ranges: settings.ranges,
    budget: settings.budget,
    readers: settings.readers,
    gate,
    stop,
    signal,
    loaded: async (table, progress) => {
      await settings.indexTable(table);
      await life.join(table, progress);
    },
  });
}

interface Releasing {
  readonly life: EngineLife;
  readonly loading: Loading;
}

async function releaseLog(
  { release: releaseBelow, clock, retainMillis, load: settings, reloads }: EngineParts,
  { life, loading }: Releasing,
  signal: AbortSignal,
): Promise<void> {
  // A life without a load (`cdc start`) keeps what the load of a later one goes on from.
  const resting = settings === null ? life.resting : [];
  const needed = (): Lsn[] =>
    [life.stream.recordedPosition, loading.load?.oldestPosition() ?? null, ...resting].filter((position) => position !== null);
  const release = new LogRelease({ log: { release: releaseBelow }, target: life, clock, retainMillis, needed });
  while (!signal.aborted) {
    if (loading.floor !== null) reloads?.visible(loading.floor());
    await release.step();
    await clock.sleep(RELEASE_MILLIS, signal).catch(() => undefined);
  }
}
