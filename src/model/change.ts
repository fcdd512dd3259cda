import type { Lsn } from "./lsn.ts";
import type { PartialRow, Row } from "./value.ts";

/**
 * One change of the stream, its values in the order of `Table.columns`.
 *
 * `update.oldKey` is the old key's values in key order, present only when the key's bytes changed; with REPLICA IDENTITY FULL on a
 * table without a key, `old` is the whole old row. (manual: "Logical Replication Message Formats", Update: 'K' / 'O' / 'N'.)
 */
export type Change =
  | { readonly kind: "insert"; readonly table: string; readonly row: Row }
  | { readonly kind: "update"; readonly table: string; readonly oldKey: Row | null; readonly row: PartialRow }
  | { readonly kind: "delete"; readonly table: string; readonly oldKey: Row }
  | { readonly kind: "update-row"; readonly table: string; readonly old: Row; readonly row: Row }
  | { readonly kind: "delete-row"; readonly table: string; readonly old: Row }
  | { readonly kind: "truncate"; readonly tables: readonly string[] };

/** What the log knows of a transaction without decoding its rows. */
export interface TransactionHeader {
  /** Top-level xid, 64 bits (pgoutput sends 32; the tail widens them while streaming). */
  readonly xid: bigint;
  /** LSN of the commit record: the order of everything. */
  readonly commitLsn: Lsn;
  /** End of the commit record: where the slot goes on. */
  readonly endLsn: Lsn;
  /** Commit time at the source, microseconds since the Unix epoch. */
  readonly commitMicros: bigint;
  /** Replication origin's name when the transaction was applied there by a replication process, else null. */
  readonly origin: string | null;
}

/**
 * A transaction, or a piece of one: a transaction that is larger than a piece comes in several, in order, `last` set on the last.
 * Ordinals count changes from 0 within the transaction; position = (commitLsn, ordinal).
 */
export interface TransactionPiece {
  readonly header: TransactionHeader;
  readonly firstOrdinal: number;
  readonly last: boolean;
  readonly changes: readonly Change[];
}
