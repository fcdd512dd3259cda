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
  LoadStore,
  ReadGate,
  SourceReader,
} from "../../engine/ports.ts";
import { StreamApply } from "../../engine/stream-apply.ts";
import type { Lsn } from "../../model/lsn.ts";
import type { Table, TableLeaf } from "../../model/table.ts";
import type { OpenTarget } from "../../target/target.ts";
import { runTogether } from "../run-together.ts";
import { LogRelease } from "./log-release.ts";

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

/** How often the log is told what nobody needs any more. */
const RELEASE_MILLIS = 10_000;

export async function runEngine(parts: EngineParts, stop: AbortSignal, signal: AbortSignal): Promise<void> {
  const target = await parts.openTarget(signal);
  const source = await parts.openSource(signal).catch(async (error: unknown) => {
    await target.close();
    throw error;
  });
  try {
    const known = await target.progress();
    const ports = { ...parts, source, target };
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
        (inner) => releaseLog(parts, { stream, load: () => load, target }, AbortSignal.any([inner, streamed.signal])),
      ],
      signal,
    );
  } finally {
    parts.streaming(null);
    await Promise.allSettled([source.close(), target.close()]);
  }
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

async function releaseLog(
  { log, clock, retainMillis }: EngineParts,
  { stream, load, target }: { readonly stream: StreamApply; readonly load: () => TablesLoad | null; readonly target: OpenTarget },
  signal: AbortSignal,
): Promise<void> {
  const needed = (): Lsn[] => [stream.recordedPosition, load()?.oldestPosition() ?? null].filter((position) => position !== null);
  const release = new LogRelease({ log, target, clock, retainMillis, needed });
  while (!signal.aborted) {
    await release.step();
    await clock.sleep(RELEASE_MILLIS, signal).catch(() => undefined);
  }
}
