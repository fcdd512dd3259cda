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
  TargetProgress,
} from "../../engine/ports.ts";
import { reloadTable, startsOver } from "../../engine/reload-table.ts";
import { StreamApply } from "../../engine/stream-apply.ts";
import type { Hold } from "../../model/hold.ts";
import type { Lsn } from "../../model/lsn.ts";
import type { Table, TableLeaf } from "../../model/table.ts";
import type { OpenTarget } from "../../target/target.ts";
import { runTogether } from "../run-together.ts";
import { LogRelease, unfinishedCursors } from "./log-release.ts";

export interface EngineParts {
  readonly tables: ReadonlyMap<string, Table>;
  readonly openSource: (signal: AbortSignal) => Promise<SourceReader & { close(): Promise<void> }>;
  readonly openTarget: (signal: AbortSignal) => Promise<OpenTarget>;
  readonly log: ChangeLog;
  readonly store: LoadStore;
  readonly clock: Clock;
  readonly observer: EngineObserver;
  readonly crashPoint: CrashPoints;
  readonly load: LoadSettings | null;
  /** What is applied stays in the log this long: verification, run beside us, reads the last moments again. */
  readonly retainMillis: number;
  /** Hears of the stream when it begins; null when it has ended. */
  readonly streaming: (stream: StreamApply | null) => void;
  /** Hears which tables are held when a life begins. */
  readonly holdsKnown: (holds: ReadonlyMap<string, Hold>) => void;
  /** Tables that an operator wants loaded anew; asked at the start of a life and again and again. */
  readonly reloadsAsked: () => readonly string[];
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
  readonly allJoined: (stream: StreamApply, signal: AbortSignal) => Promise<void>;
}

/** Ends a life of the engine so that the next one loads a table anew: only between two lives is nothing applied to it. */
export class ReloadAsked extends Error {
  override readonly name = "ReloadAsked";
}

const RELOAD_POLL_MILLIS = 250;

/** How often the log is told what nobody needs any more. */
const RELEASE_MILLIS = 10_000;

export async function runEngine(parts: EngineParts, stop: AbortSignal, signal: AbortSignal): Promise<void> {
  const target = await parts.openTarget(signal);
  const source = await parts.openSource(signal).catch(async (error: unknown) => {
    await target.close();
    throw error;
  });
  try {
    const ports = { ...parts, source, target };
    await reloadAsked(parts, ports);
    const known = await target.progress();
    parts.holdsKnown(holdsOf(known));
    if (parts.load !== null && startsOver(known, parts.load.order)) await source.barrier((who) => parts.observer.waiting(who), signal);
    const stream = new StreamApply(ports, parts.tables, known);
    parts.streaming(stream);
    const streamed = new AbortController();
    let load: TablesLoad | null = null;
    await runTogether(
      [
        (inner) => stream.run(stop, inner).finally(() => streamed.abort()),
        async (inner) => {
          if (parts.load === null) return;
          const gate = parts.load.openGate();
          load = loadOf(parts.load, { ports, known, stream, gate, stop, signal: inner });
          if (await load.run().finally(() => gate.close())) await parts.load.allJoined(stream, inner);
        },
        (inner) => watchReloads(parts, AbortSignal.any([inner, streamed.signal])),
        (inner) => releaseLog(parts, { stream, load: () => load, known, target }, AbortSignal.any([inner, streamed.signal])),
      ],
      signal,
    );
  } finally {
    parts.streaming(null);
    await Promise.allSettled([source.close(), target.close()]);
  }
}

async function reloadAsked(
  { reloadsAsked, tables }: EngineParts,
  ports: Pick<EnginePorts, "target" | "store" | "crashPoint">,
): Promise<void> {
  const asked = reloadsAsked().flatMap((id) => tables.get(id) ?? []);
  if (asked.length === 0) return;
  // Returns when nothing of an earlier life is under way any more.
  await ports.target.progress();
  for (const table of asked) await reloadTable(ports, table);
}

async function watchReloads({ reloadsAsked, clock }: EngineParts, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    if (reloadsAsked().length > 0) throw new ReloadAsked("a table is to be loaded anew");
    await clock.sleep(RELOAD_POLL_MILLIS, signal).catch(() => undefined);
  }
}

function holdsOf({ tables }: TargetProgress): ReadonlyMap<string, Hold> {
  return new Map([...tables].flatMap(([id, { hold }]) => (hold === undefined ? [] : [[id, hold] as const])));
}

interface LoadContext {
  readonly ports: ConstructorParameters<typeof TablesLoad>[0];
  readonly known: ConstructorParameters<typeof TablesLoad>[1];
  readonly stream: StreamApply;
  readonly gate: ReadGate;
  readonly stop: AbortSignal;
  readonly signal: AbortSignal;
}

function loadOf(settings: LoadSettings, { ports, known, stream, gate, stop, signal }: LoadContext): TablesLoad {
  return new TablesLoad(ports, known, {
    tables: settings.order,
    ranges: settings.ranges,
    budget: settings.budget,
    readers: settings.readers,
    gate,
    stop,
    signal,
    loaded: async (table, progress) => {
      await settings.indexTable(table);
      await stream.join(table, progress);
    },
  });
}

interface Releasing {
  readonly stream: StreamApply;
  readonly load: () => TablesLoad | null;
  readonly known: TargetProgress;
  readonly target: OpenTarget;
}

async function releaseLog(
  { log, clock, retainMillis, load: settings }: EngineParts,
  { stream, load, known, target }: Releasing,
  signal: AbortSignal,
): Promise<void> {
  // A life without a load (`cdc start`) keeps what the load of a later one goes on from.
  const resting = settings === null ? unfinishedCursors(known) : [];
  const needed = (): Lsn[] =>
    [stream.recordedPosition, load()?.oldestPosition() ?? null, ...resting].filter((position) => position !== null);
  const release = new LogRelease({ log, target, clock, retainMillis, needed });
  while (!signal.aborted) {
    await release.step();
    await clock.sleep(RELEASE_MILLIS, signal).catch(() => undefined);
  }
}
