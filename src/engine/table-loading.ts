/**
 * How one kind of target takes the load of tables. `TablesLoad` decides for all kinds what is read, when, and by whom. What becomes of a read
 * differs: a row target says at once what it holds (`rows/`), a version target lets the newest version of a key win (`versions/`).
 */
import type { PghaulError } from "../errors/pghaul-error.ts";
import type { Lsn } from "../model/lsn.ts";
import type { Table } from "../model/table.ts";
import type { ChunkRange, ChunkRead, ChunkRecord, TableProgress } from "./ports.ts";
import type { VisibleFloor } from "./visible-floor.ts";

/** Of a table without a key: one range over all leaves that it has when it is read. */
export const WHOLE: ChunkRange = { leaf: "", from: null, to: null };

/** A read that is not merged yet: `floor` was the visible floor before its snapshot was taken, `since` the log's stream. */
export interface OpenRead {
  readonly floor: Lsn;
  readonly since: number;
}

export interface TableLoading {
  /** Nothing has to be done for it: it is part of the stream, or held. */
  isSettled(table: string): boolean;
  /** Part of it is at the target from an earlier life. */
  hasBegun(table: string): boolean;
  /** All of it is at the target from an earlier life, and it only has to join; null otherwise. */
  loadedBefore(table: string): TableProgress | null;
  /** The position from which its load needs the log: where an earlier life stopped, otherwise `floor`; null if it never needs the log. */
  neededFrom(table: string, floor: Lsn): Lsn | null;
  hasChunk(chunk: number): boolean;
  /** Continues where earlier lives stopped. `floor` supplies the floors of its reads. */
  open(table: Table, signal: AbortSignal, floor: VisibleFloor): KeyedLoad;
  /** Loads a table without a key, or goes on after a crash. Returns when all of it is at the target. */
  loadWhole(table: Table, floor: VisibleFloor, signal: AbortSignal): Promise<TableProgress>;
  /** Takes a table under load back to before it began, at the target and in the store; nothing of it is under way. */
  startOver(table: Table): Promise<void>;
  /** Records that the target refused one of its rows; `cursor` is how far it came. Call this when nothing of the table is under way. */
  hold(table: Table, refusal: PghaulError, cursor: Lsn): Promise<void>;
}

/** The load of one table with a key. */
export interface KeyedLoad {
  /** How far the table's own stream is; null before its first chunk, or where it has none. */
  readonly cursor: Lsn | null;
  /** The oldest position that this load still reads the log from; null: none. */
  readonly oldestPosition: Lsn | null;
  /** To be called before the leaves are looked at for the last time, and with the floor of each read before its snapshot is taken. */
  begin(floor: VisibleFloor): Promise<void>;
  openRead(floor: Lsn): OpenRead | Promise<OpenRead>;
  /** Hands over a chunk; settles when it is at the target and recorded. */
  merge(chunk: ChunkRecord, read: ChunkRead, open: OpenRead): Promise<void>;
  /** After the last merge: settles the keys whose values the log could not supply. Returns when the table is complete at the target. */
  finish(floor: VisibleFloor): Promise<TableProgress>;
  /** No row of this table is written any more; callers that wait for a merge get the reason. */
  fail(refusal: PghaulError): void;
}
