/**
 * The messages of pgoutput, protocol version 1 (manual: "Logical Replication Message Formats").
 *
 * LSNs and 64-bit times are `bigint`; times are microseconds since the Unix epoch. Tuples hold values in the order of the
 * relation message's columns.
 */
import type { Lsn } from "../model/lsn.ts";
import type { PartialRow } from "../model/value.ts";

/** First byte of each message. */
export const MESSAGE_TYPE = {
  begin: 0x42, // B
  commit: 0x43, // C
  delete: 0x44, // D
  insert: 0x49, // I
  message: 0x4d, // M
  origin: 0x4f, // O
  relation: 0x52, // R
  truncate: 0x54, // T
  update: 0x55, // U
  type: 0x59, // Y
} as const;

export interface BeginMessage {
  readonly kind: "begin";
  /** LSN of the commit record that is still to come. */
  readonly commitLsn: Lsn;
  readonly commitMicros: bigint;
  /** Low 32 bits of the top-level xid; see `widen-xid.ts`. */
  readonly xid32: number;
}

export interface CommitMessage {
  readonly kind: "commit";
  readonly commitLsn: Lsn;
  /** End of the commit record. */
  readonly endLsn: Lsn;
  readonly commitMicros: bigint;
}

/** Follows a Begin when a replication process wrote the transaction at the source. */
export interface OriginMessage {
  readonly kind: "origin";
  readonly originLsn: Lsn;
  readonly name: string;
}

export interface RelationColumn {
  readonly name: string;
  readonly typeOid: number;
  readonly typmod: number;
  /** Part of the replica identity; with REPLICA IDENTITY FULL every column is. */
  readonly isKey: boolean;
}

/** Sent before a relation's first change on a connection, and again whenever its definition may have changed. */
export interface RelationMessage {
  readonly kind: "relation";
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  readonly identity: "default" | "nothing" | "full" | "index";
  readonly columns: readonly RelationColumn[];
}

/** Names a type that is not built in; nothing depends on it here, for values travel as text. */
export interface TypeMessage {
  readonly kind: "type";
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
}

export interface InsertMessage {
  readonly kind: "insert";
  readonly relation: number;
  readonly row: PartialRow;
}

/**
 * The old tuple of an update or a delete. `key`: only the replica identity's columns carry values, the others are null. `full`: the
 * whole row, REPLICA IDENTITY FULL.
 */
export interface OldTuple {
  readonly extent: "key" | "full";
  readonly row: PartialRow;
}

export interface UpdateMessage {
  readonly kind: "update";
  readonly relation: number;
  /** Null when neither the key changed nor the identity is FULL. */
  readonly old: OldTuple | null;
  readonly row: PartialRow;
}

export interface DeleteMessage {
  readonly kind: "delete";
  readonly relation: number;
  readonly old: OldTuple;
}

export interface TruncateMessage {
  readonly kind: "truncate";
  readonly relations: readonly number[];
}

/** `pg_logical_emit_message`, where the stream was opened with `messages`. */
export interface LogicalMessage {
  readonly kind: "message";
  readonly transactional: boolean;
  readonly lsn: Lsn;
  readonly prefix: string;
  /** Bytes as a latin1 string. */
  readonly content: string;
}

export type Message =
  | BeginMessage
  | CommitMessage
  | OriginMessage
  | RelationMessage
  | TypeMessage
  | InsertMessage
  | UpdateMessage
  | DeleteMessage
  | TruncateMessage
  | LogicalMessage;
