/**
 * The port of a target that takes batches and settles later (files, a warehouse), as against one that answers at once what it holds (`Target`).
 *
 * Every row version carries an order, and the newest version of a key wins, so that parallel, late and repeated deliveries change nothing:
 * - a change's version is (commit LSN, ordinal in its transaction);
 * - a read's is (floor, -1): `floor` is the visible floor taken before its snapshot, so every transaction below it is contained in the read.
 *
 * At a position P that is at least the `hi` of all reads of a table, the table is: for each key its newest complete version (insert, update with
 * all columns, delete, a read's row) below P, and over it, in order, the known columns of the updates behind it. TRUNCATE is a version of the
 * whole table: everything lower is gone. docs/adr/0009-two-ways-to-take-changes.md has the proof.
 */
import type { TransactionPiece } from "../../model/change.ts";
import type { Hold } from "../../model/hold.ts";
import type { Lsn } from "../../model/lsn.ts";
import type { SideName } from "../../model/side.ts";
import type { Table } from "../../model/table.ts";
import type { Row } from "../../model/value.ts";
import type { ChunkRows } from "../ports.ts";

/** What a read is a version of. */
export interface VersionedRead {
  /** Its version is (floor, -1). */
  readonly floor: Lsn;
  /** WAL position read after the snapshot; from here on the table can be exact. */
  readonly hi: Lsn;
  /**
   * Of a table without a key, whose rows have no versions of their own: the snapshot. A transaction with commit LSN in [floor, hi) counts where
   * this view does not contain its xid, one from `hi` on always. Null for a table with a key.
   */
  readonly view: string | null;
}

/**
 * A key to which a row was moved (UPDATE of the key) at `lsn` with columns that the stream does not carry (UNCHANGED). They are the old key's at
 * that moment, which a table that is still loading may hold nowhere: the old key's chunk read after the move, the new one's before it.
 */
export interface PendingMove {
  readonly table: string;
  readonly key: Row;
  readonly lsn: Lsn;
}

/** What an append has come to, told when its last piece was handed over. */
export interface AppendedStretch {
  /** Every transaction with commit LSN in [from, to) was in it. */
  readonly to: Lsn;
  readonly transactions: number;
  readonly changes: number;
  readonly pending: readonly PendingMove[];
}

/** What the target's own records say; the truth on resume. */
export interface VersionProgress {
  /** Everything below it was appended; null: nothing yet, and the stream begins at the log's start. */
  readonly accepted: Lsn | null;
  /** Of that, what survives a crash of the target. */
  readonly durable: Lsn | null;
  /**
   * Tables of which something was loaded, that were published, or that are held. `hi` is the highest of their reads, 0 where there was none;
   * `held` is there where the table is held.
   */
  readonly tables: ReadonlyMap<string, { readonly hi: Lsn; readonly published: Lsn | null; readonly held?: Hold }>;
  readonly loadedChunks: ReadonlySet<number>;
  /** As appended, without those that a point re-read has settled, and of a published table none that it carries itself (`carriesMoves`). */
  readonly pending: readonly PendingMove[];
}

export interface VersionTarget {
  readonly side: SideName;
  /** How much of the stream one append should carry: an append ends at the first transaction end after `bytes`, and begins `millis` after the last. */
  readonly cadence: { readonly bytes: number; readonly millis: number };
  /** The merge takes the unchanged columns of a moved row from the old key's row at that moment, where no point re-read has told them. */
  readonly carriesMoves: boolean;

  progress(): Promise<VersionProgress>;
  /** A chunk of a table with a key. Several at once; idempotent by the chunk's id. Durable when it returns. */
  loadChunk(table: Table, chunk: number, read: VersionedRead, rows: ChunkRows): Promise<void>;
  /**
   * A table without a key, read in one snapshot. `confirm` is awaited after the last byte and before anything counts: it gives the version, or
   * throws when the source crashed meanwhile, and then nothing is left of it. Durable when it returns, with how much it was.
   */
  loadWhole(
    table: Table,
    chunk: number,
    copyText: AsyncIterable<Uint8Array>,
    confirm: () => Promise<VersionedRead>,
  ): Promise<{ readonly rows: number; readonly bytes: number }>;
  /**
   * A point re-read: `rows` are what these keys are, and a key without a row is absent. Settles, in the same durable step, the pending moves to
   * these keys below `read.floor`; a later move to one of them stays pending.
   */
  loadKeys(table: Table, read: VersionedRead, keys: readonly Row[], rows: readonly Row[]): Promise<void>;
  /**
   * Changes of all `tables` in commit order, from the accepted position on; throws for any other `from`. `pieces` ends at a transaction's end, or
   * throws; `close` is asked behind the last one. There may be none: a stretch in which nothing happened. Accepted when it returns; of one that
   * did not return either all or nothing is left. One at a time, loads beside it.
   */
  append(
    tables: ReadonlyMap<string, Table>,
    from: Lsn,
    pieces: AsyncIterable<TransactionPiece>,
    close: () => AppendedStretch,
  ): Promise<void>;
  /** Makes durable what was accepted. Returns the durable position: nothing below it is needed of the log any more. Null: nothing yet. */
  settle(): Promise<Lsn | null>;
  /** The table is complete at `position`, which is durable: from there on readers may use it at any position. A second call changes nothing. */
  publish(table: Table, position: Lsn): Promise<void>;
  /**
   * The table is held: from `hold.lsn` on nothing of it is appended. What readers may see of it below stays. Durable when it returns; a second
   * call changes nothing.
   */
  holdTable(table: Table, hold: Hold & { readonly lsn: Lsn }): Promise<void>;
  /**
   * Nothing that was loaded of the table counts any more, as before its load began, and it is not held; `table` may have other columns than
   * before. Safe to repeat. Its changes may stay: those below the lowest floor of what is loaded next are contained in that. Of a table that was
   * published and held, readers may go on to see the positions up to there.
   */
  forgetTable(table: Table): Promise<void>;
}
