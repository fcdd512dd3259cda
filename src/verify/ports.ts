/** What verification asks of each side: a snapshot that stays open while both are compared. */
import type { ChunkRange, ReadView } from "../engine/ports.ts";
import type { Lsn } from "../model/lsn.ts";
import type { SideName } from "../model/side.ts";
import type { KeyText, Table } from "../model/table.ts";
import type { Row } from "../model/value.ts";

export interface Digest {
  readonly rows: bigint;
  readonly sum: bigint;
}

export interface HashedRow {
  /** Key values; empty for a table without a key. */
  readonly key: Row;
  readonly hash: string;
}

/** One table under one snapshot. All calls see the same rows. */
export interface TableSnapshot {
  digest(range: ChunkRange | null): Promise<Digest>;
  /** Of these rows, wherever they are: as if the table held them. The table has columns. */
  digestOfRows(rows: readonly Row[]): Promise<Digest>;
  digestOfKeys(range: ChunkRange | null, keys: readonly Row[]): Promise<Digest>;
  buckets(range: ChunkRange | null): Promise<ReadonlyMap<number, Digest>>;
  rowHashes(range: ChunkRange | null, buckets: readonly number[]): Promise<readonly HashedRow[]>;
  /** Wherever they are: a range does not bound them. */
  rows(keys: readonly Row[]): Promise<ReadonlyMap<KeyText, Row>>;
  /** Those of the keys that lie in the range, there or not: only the server knows their order. */
  keysInRange(range: ChunkRange, keys: readonly Row[]): Promise<ReadonlySet<KeyText>>;
  close(): Promise<void>;
}

/** The side that is primary. */
export interface VerifyOrigin {
  open(table: Table, signal: AbortSignal): Promise<{ readonly snapshot: TableSnapshot; readonly view: ReadView; readonly hi: Lsn }>;
}

/** The side that follows. */
export interface VerifyReplica {
  /** Returns when the stream has reached `lsn`. */
  reach(lsn: Lsn, signal: AbortSignal): Promise<void>;
  /** A snapshot in which the stream has reached at least `lsn`, and the position it shows. */
  openAt(table: Table, lsn: Lsn, signal: AbortSignal): Promise<{ readonly snapshot: TableSnapshot; readonly position: Lsn }>;
}

/** What is waited for: the position of the stream that writes a side. */
export interface WaitedPosition {
  readonly side: SideName;
  readonly lsn: Lsn;
  /** How often asking is cheap enough. */
  readonly pollMillis: number;
}

/** Returns when `readPosition` has answered with the position or one behind it. Its time runs from when it was started, however often it is called. */
export type Wait = (readPosition: () => Promise<Lsn | null>, signal: AbortSignal) => Promise<void>;

/** How a replica waits is the verification's to say, how its position is read the replica's. */
export type StartWait = (what: WaitedPosition) => Wait;

export interface TableVerdict {
  readonly table: string;
  readonly equal: boolean;
  readonly rows: bigint;
  readonly targetRows: bigint;
  /** Rows of which generated columns were not compared: no log has them, so of what was written meanwhile, and of a table without a key, none. */
  readonly generatedUnread?: bigint;
  /** Where it holds: each chunk at its own position; the lowest and the highest. */
  readonly lsnFrom: Lsn;
  readonly lsn: Lsn;
  readonly chunks: number;
  readonly millis: number;
  readonly differences: readonly RowDifference[];
}

export interface RowDifference {
  readonly kind: "missing" | "extra" | "changed";
  /** Key values; for a table without a key the row's hash. */
  readonly key: readonly string[];
  /** Names of the columns that differ, for `changed`. */
  readonly columns: readonly string[];
  /** How many equal rows more or less, for a table without a key. */
  readonly times?: number;
}
