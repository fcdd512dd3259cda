/**
 * The ports of the exactness engine: what it asks of a source, a change log, a target, a store and a clock.
 *
 * The engine is deterministic over these interfaces and knows no driver, so that a simulation runs the very same code over a
 * simulated PostgreSQL a million times. Adapters live in `source/`, `log/`, `target/`, `state/`; the workflow wires them.
 *
 * LSN conventions used everywhere:
 * - a transaction is placed by the LSN of its commit record, `commitLsn`;
 * - a *position* (cursor, stream position, `passed`) is an LSN p meaning "every transaction with commitLsn < p".
 */

import type { Change, TransactionHeader, TransactionPiece } from "../model/change.ts";
import type { Hold } from "../model/hold.ts";
import type { Lsn } from "../model/lsn.ts";
import type { SideName } from "../model/side.ts";
import type { KeyText, Table, TableLeaf } from "../model/table.ts";
import type { PartialRow, Row } from "../model/value.ts";

/**
 * Which committed transactions a read contains. On a primary it is `isVisible` over the read's snapshot (`text` is that
 * snapshot as PostgreSQL prints it); a standby will bring another rule.
 */
export interface ReadView {
  contains(transaction: { readonly xid: bigint; readonly commitLsn: Lsn }): boolean;
  /** Enough to build the view again after a restart (`SourceReader.restoreView`). */
  readonly text: string;
}

/** One end of a range over the key, or over a prefix of the key's columns; only the source ever compares it, in its own collation. */
export interface KeyBound {
  readonly values: Row;
  readonly inclusive: boolean;
}

/** A piece of a table: a key range of one leaf partition (`TableLeaf.id`), in the order of the source's own index. Null = open end. */
export interface ChunkRange {
  readonly leaf: string;
  readonly from: KeyBound | null;
  readonly to: KeyBound | null;
}

/** When a read must end early: whichever comes first. The rest of the range becomes a new chunk, so no snapshot grows old. */
export interface ChunkBudget {
  readonly millis: number;
  readonly bytes: number;
}

/** Keys to look for; `size` is how many there are at most. */
export type KeyLookup = Pick<ReadonlySet<KeyText>, "has" | "size">;

/** Rows as they came from the source; opaque to the engine but for taking some keys out. */
export interface ChunkRows {
  readonly count: number;
  readonly bytes: number;
  /** Splits off the rows whose key is in `keys`; the untouched rest keeps its raw form. `key` is `Table.key`. */
  take(key: readonly number[], keys: KeyLookup): { readonly taken: readonly Row[]; readonly rest: ChunkRows };
  /** The raw COPY text (lines end in \n), for an adapter to pass on. */
  copyText(): Iterable<Uint8Array>;
}

/** The result of reading one chunk in a short transaction of its own. */
export interface ChunkRead {
  readonly view: ReadView;
  /** WAL insert position read after the snapshot was taken: everything the view contains has commitLsn < hi. */
  readonly hi: Lsn;
  readonly rows: ChunkRows;
  /** Null: the whole range was read. Otherwise the key of the last row read; the range goes on behind it. */
  readonly cutAfter: Row | null;
}

/** A whole table read in one snapshot, streamed: for tables without a key. */
export interface WholeRead {
  readonly view: ReadView;
  readonly hi: Lsn;
  readonly copyText: AsyncIterable<Uint8Array>;
  /** After `copyText` has ended: throws if the server that took the snapshot has crashed meanwhile. */
  stillThere(): Promise<void>;
}

export interface SourceReader {
  /**
   * Returns once every transaction that may have written before the slot existed has ended: takes
   * `B = pg_current_xact_id()` and waits for `pg_snapshot_xmin(pg_current_snapshot()) >= B`. Without it, data is lost on every
   * version (research, scenario B). `waiting` is told which transactions it waits for.
   */
  barrier(waiting: (who: string) => void, signal: AbortSignal): Promise<void>;
  /**
   * Writes a logical message and returns a snapshot: makes the stream move past what was written before the call, also on an
   * idle server.
   */
  heartbeat(): Promise<ReadView>;
  /** The leaves that the table has now, whatever it had when it was planned. */
  leaves(table: Table, signal: AbortSignal): Promise<readonly TableLeaf[]>;
  /**
   * Reads a chunk: REPEATABLE READ, LOCK TABLE ACCESS SHARE first, then the snapshot and `hi`, then COPY in key order. A leaf that does not
   * belong to the table in that snapshot has no rows.
   */
  readChunk(table: Table, range: ChunkRange, budget: ChunkBudget, signal: AbortSignal): Promise<ChunkRead>;
  /** Point re-read: the rows of these keys (absent ones are simply missing), in a snapshot of their own. `cutAfter` is null. */
  readKeys(table: Table, keys: readonly Row[], signal: AbortSignal): Promise<ChunkRead>;
  /** Reads a table without a key in one snapshot. The transaction ends when `consume` settles. */
  readWhole<T>(table: Table, consume: (read: WholeRead) => Promise<T>, signal: AbortSignal): Promise<T>;
  restoreView(text: string): ReadView;
}

/** A half-open interval of commit LSNs. */
export interface LogRange {
  readonly from: Lsn;
  readonly to: Lsn;
}

/** The durable change log. Transactions that this migration itself applied at the source (by origin) are never returned. */
export interface ChangeLog {
  /** Oldest position still held: `read` and `headers` reach back to here. */
  start(): Lsn;
  /** Every transaction with commitLsn < passed() is durable here. Never goes back. */
  passed(): Lsn;
  /**
   * Counts the streams that have fed the log. What is read of the source, a snapshot and its place in WAL, is true of the server as it was:
   * one that crashes gives xids and places that were not durable to other transactions. A place that was passed within one stream was.
   */
  streams(): number;
  /** Settles when passed() >= lsn; rejects when the tail failed or the signal aborts. */
  waitPassed(lsn: Lsn, signal: AbortSignal): Promise<void>;
  /**
   * Transactions of the range in commit order, only changes of `tables` (ids), transactions without any left out. Values are in
   * the order of `Table.columns`. Fails with SCHEMA_DRIFT where a relation's columns are not the table's.
   */
  read(range: LogRange, tables: ReadonlySet<string>, signal: AbortSignal): AsyncIterable<TransactionPiece>;
  /** Headers of the range, without decoding any row. */
  headers(range: LogRange, signal: AbortSignal): AsyncIterable<TransactionHeader>;
  /** Nobody will read below this position again: older segments may go. */
  release(before: Lsn): Promise<void>;
}

/**
 * What a target needs done to one table's rows, folded so that each key occurs once. The target runs deletes, then patches,
 * then puts.
 */
export interface RowOps {
  /** Key values, in key order, of rows to delete. */
  readonly deletes: readonly Row[];
  /** Rows to update in place; UNCHANGED columns keep the target's value. Key columns are known and name the row. */
  readonly patches: readonly PartialRow[];
  /** Complete rows to insert; the key is free, or among `deletes`. */
  readonly puts: readonly Row[];
}

/**
 * `strict`: every delete and patch must find its row; a miss is drift (TARGET_DRIFT).
 * `tolerant`: the table is loading, absent rows are expected; absent patches are returned.
 */
export type Tolerance = "strict" | "tolerant";

/** Thrown by a transaction's apply when a unique or exclusion constraint refuses the folded order; the engine then replays in source order. */
export class ConstraintConflict extends Error {
  override readonly name = "ConstraintConflict";
}

/** Where one table's load stands at the target; null cursor before its first merge. */
export interface TableProgress {
  readonly cursor: Lsn;
  /**
   * `loading`: chunks are being merged. `loaded`: all merged, no pending key. `joined`: part of the stream. `held`: the target refused a row,
   * and nothing of this table is applied until it is loaded anew.
   */
  readonly state: "loading" | "loaded" | "joined" | "held";
  /** Of a table that is held. */
  readonly hold?: Hold;
  /** Table without a key: transactions below `until` apply only where this view does not contain them. */
  readonly filter: { readonly view: string; readonly until: Lsn } | null;
}

/** What the target's own tables say; the truth on resume. */
export interface TargetProgress {
  /** Position of the stream over all joined tables; null before the first join. */
  readonly stream: Lsn | null;
  readonly tables: ReadonlyMap<string, TableProgress>;
  readonly mergedChunks: ReadonlySet<number>;
  /** Keys whose value the log could not tell; settled by point re-reads. */
  readonly pending: ReadonlyMap<string, readonly Row[]>;
}

/**
 * One transaction at the target. Everything in it, positions included, becomes durable together or not at all.
 * Methods are called one after another, never at once.
 */
export interface TargetTransaction {
  /** Where it writes: the source, on the way back. Errors bear its name. */
  readonly side: SideName;
  /** Applies folded operations. Returns key values of tolerant patches that found no row. Throws ConstraintConflict after undoing its own part. */
  apply(table: Table, ops: RowOps, tolerance: Tolerance): Promise<readonly Row[]>;
  /**
   * Applies changes of one or more tables one by one in order (fallback of `apply`, and the only way for tables without a key).
   * Tolerant updates that found no row and are incomplete are returned as (table id, key values).
   */
  applyInOrder(tables: ReadonlyMap<string, Table>, changes: readonly Change[], tolerance: Tolerance): Promise<readonly PendingKey[]>;
  /** UPDATE of a key whose new row has UNCHANGED columns: moves the row in place. False when the old key is not there. */
  move(table: Table, oldKey: Row, row: PartialRow): Promise<boolean>;
  truncate(tables: readonly Table[]): Promise<void>;
  /** Takes every row of a table that is to be loaded anew. Gives up within seconds where somebody uses it, and says who. */
  empty(table: Table): Promise<void>;
  /** Runs `work`; what it did is undone when it throws, and the transaction can go on. Not to be nested. */
  attempt<T>(work: () => Promise<T>): Promise<T>;
  /** Load merge: inserts rows whose key is not there yet; a key that is there is exact already. Returns rows inserted. */
  insertAbsent(table: Table, raw: ChunkRows | null, rows: readonly Row[]): Promise<number>;
  /** Repair merge: whatever these keys hold is replaced by `rows`. */
  replace(table: Table, keys: readonly Row[], rows: readonly Row[]): Promise<void>;
  /** Table without a key: takes the stream of COPY text into the empty table. Returns rows. */
  loadWhole(table: Table, copyText: AsyncIterable<Uint8Array>): Promise<number>;

  setStreamPosition(position: Lsn): Promise<void>;
  setTableProgress(table: string, progress: TableProgress): Promise<void>;
  setChunkMerged(table: string, chunk: number): Promise<void>;
  addPending(table: string, keys: readonly Row[]): Promise<void>;
  removePending(table: string, keys: readonly Row[]): Promise<void>;
  /** Nothing of the table is on record any more, chunks and pending keys included: as before its load began. */
  forgetTable(table: string): Promise<void>;
}

export interface PendingKey {
  readonly table: string;
  readonly key: Row;
}

/** The target as the engine sees it. */
export interface Target {
  progress(): Promise<TargetProgress>;
  /**
   * Runs `work` in one transaction and commits; rolls back when it throws. `lane` "stream" is the one ordered applier, "load" may run
   * several at once (up to the adapter's connections; further calls wait).
   */
  transaction<T>(lane: "stream" | "load", work: (transaction: TargetTransaction) => Promise<T>): Promise<T>;
}

/** A chunk as the store remembers it. Ids are unique in a migration. */
export interface ChunkRecord {
  readonly id: number;
  readonly table: string;
  readonly range: ChunkRange;
  readonly merged: boolean;
}

/** The load's memory on this machine. Every method is one durable transaction. */
export interface LoadStore {
  chunks(table: string): readonly ChunkRecord[];
  /** Plans the leaves that have no chunk yet; ranges of the others change nothing. Returns the table's chunks. */
  planChunks(table: string, ranges: readonly ChunkRange[]): readonly ChunkRecord[];
  /** Shortens the chunk to end with `after` (inclusive) and records the rest of its range as a new chunk, which is returned. */
  cutChunk(chunk: number, after: Row): ChunkRecord;
  chunkMerged(chunk: number, rows: number, bytes: number): void;
  /** The target has lost the commit of a chunk that was merged: it is to be read again, and may be cut then. */
  chunkLost(chunk: number): void;
  /** The table is to be loaded anew: its chunks are forgotten, and no id of theirs comes again. */
  forgetTable(table: string): void;
}

export interface Clock {
  /** Milliseconds, monotonic. */
  now(): number;
  /** Rejects with the signal's reason when it aborts. */
  sleep(millis: number, signal: AbortSignal): Promise<void>;
}

/** Holds the load back, never the stream. Reads that have begun, and re-reads of single keys, go on. */
export interface ReadGate {
  /** Settles when another chunk or whole table may be read; rejects with the signal's reason when it aborts. */
  mayRead(signal: AbortSignal): Promise<void>;
}

/** What the engine tells of itself while it works; for progress, metrics and the report. Never awaited. */
export interface EngineObserver {
  chunkStarted(table: string, chunk: number): void;
  chunkMerged(table: string, chunk: number, rows: number, bytes: number): void;
  tableLoaded(table: string): void;
  tableJoined(table: string): void;
  /** The target refused a row of it; on record there. */
  tableHeld(table: string, hold: Hold): void;
  /** A batch of the stream is durable at the target. `commitMicros` is the last transaction's commit time at the source. */
  applied(changes: number, transactions: number, position: Lsn, commitMicros: bigint): void;
  waiting(why: string): void;
}

/** A batch ends at the first transaction end after either bound; a larger transaction is flushed in parts and committed whole. */
export interface BatchLimits {
  readonly changes: number;
  readonly bytes: number;
}

/** Everything the engine needs, in one hand. */
export interface EnginePorts {
  readonly source: SourceReader;
  readonly log: ChangeLog;
  readonly target: Target;
  readonly store: LoadStore;
  readonly clock: Clock;
  readonly observer: EngineObserver;
  readonly crashPoint: CrashPoints;
  /** How much is folded in memory before it goes to the target; by default 10,000 changes or 16 MB. */
  readonly limits?: BatchLimits;
}

/** Named moments at which a test kills the process (`PGHAUL_CRASH_AT`), and the simulation crashes. */
export type CrashPoints = (name: string) => void;
