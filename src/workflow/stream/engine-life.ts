/** What the engine is over a target, for one of its lives: a stream and a way to load tables, whichever way the target takes changes. */
import type { EnginePorts, TableProgress } from "../../engine/ports.ts";
import { reloadTable } from "../../engine/rows/reload-table.ts";
import { RowLoading } from "../../engine/rows/row-loading.ts";
import { StreamApply } from "../../engine/rows/stream-apply.ts";
import type { TableLoading } from "../../engine/table-loading.ts";
import { reloadVersions } from "../../engine/versions/reload-versions.ts";
import { VersionLoading } from "../../engine/versions/version-loading.ts";
import { VersionStream } from "../../engine/versions/version-stream.ts";
import type { Hold } from "../../model/hold.ts";
import type { Lsn } from "../../model/lsn.ts";
import type { Table } from "../../model/table.ts";
import { WISHED } from "../../state/hold-store.ts";
import type { EngineTarget, OpenTarget, OpenVersionTarget } from "../../target/target.ts";
import { unfinishedCursors } from "./log-release.ts";

/** The main stream of a life. */
export interface EngineStream {
  /** Everything committed below it is at the target, for the tables that are part of the stream; null before the first. */
  readonly position: Lsn | null;
  /** The log is needed from here. */
  readonly recordedPosition: Lsn | null;
  run(stop: AbortSignal, signal: AbortSignal): Promise<void>;
  /** Runs `work` with the stream at rest. */
  atBoundary(work: (signal: AbortSignal) => Promise<void>): Promise<void>;
}

export interface EngineLife {
  readonly stream: EngineStream;
  readonly loading: TableLoading;
  /** Takes a table that is loaded into the stream. */
  readonly join: (table: Table, progress: TableProgress) => Promise<void>;
  /** Ids of the tables that are part of the stream already. */
  readonly joined: readonly string[];
  readonly holds: ReadonlyMap<string, Hold>;
  /** Ids of the tables of which something is at the target. */
  readonly begun: { has(table: string): boolean };
  /** From where the loads that have begun need the log when they go on. */
  readonly resting: readonly Lsn[];
  /** Takes a table back to where it was before its load began; everything of it in an older shape was committed below `at`. */
  readonly reload: (table: Table, at: Lsn) => Promise<void>;
  /** Resolves when everything that was accepted so far survives a crash of the target. */
  readonly makeDurable: () => Promise<void>;
}

type LifePorts = Omit<EnginePorts, "target">;

/** Reads where the target stands. */
export function beginLife(ports: LifePorts, opened: EngineTarget, tables: ReadonlyMap<string, Table>): Promise<EngineLife> {
  return opened.takes === "rows" ? rowLife(ports, opened.target, tables) : versionLife(ports, opened.target, tables);
}

async function rowLife(ports: LifePorts, target: OpenTarget, tables: ReadonlyMap<string, Table>): Promise<EngineLife> {
  const known = await target.progress();
  const stream = new StreamApply({ ...ports, target }, tables, known);
  return {
    stream,
    loading: new RowLoading({ ...ports, target }, known),
    join: (table, progress) => stream.join(table, progress),
    joined: [...known.tables].flatMap(([id, { state }]) => (state === "joined" ? [id] : [])),
    holds: new Map([...known.tables].flatMap(([id, { hold }]) => (hold === undefined ? [] : [[id, hold] as const]))),
    begun: known.tables,
    resting: unfinishedCursors(known),
    reload: (table) => reloadTable({ ...ports, target }, table),
    makeDurable: () => target.makeDurable(),
  };
}

async function versionLife(ports: LifePorts, target: OpenVersionTarget, tables: ReadonlyMap<string, Table>): Promise<EngineLife> {
  const known = await target.progress();
  const stream = new VersionStream({ ...ports, target }, tables, known);
  return {
    stream,
    loading: new VersionLoading({ ...ports, target }, stream, known),
    // Published is joined: the stream has carried its changes from the start.
    join: async ({ id }) => ports.observer.tableJoined(id),
    joined: [...known.tables].flatMap(([id, { published, held }]) => (published === null || held !== undefined ? [] : [id])),
    holds: new Map([...known.tables].flatMap(([id, { held }]) => (held === undefined ? [] : [[id, held] as const]))),
    begun: known.tables,
    resting: [],
    reload: async (table, at) => {
      await stream.hold(tables.get(table.id) ?? table, WISHED);
      // What the log has of it in an older shape is passed by, and not met again by the stream that carries it next.
      await stream.waitAccepted(at);
      await stream.atBoundary(() => reloadVersions({ ...ports, target }, table));
    },
    makeDurable: async () => void (await stream.settle(new AbortController().signal)),
  };
}
