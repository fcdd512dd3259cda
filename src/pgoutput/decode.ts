/**
 * The decoder of pgoutput, protocol version 1, values as text. A message that is truncated, too long or unknown fails with
 * DECODE_FAILED and the LSN: guessing would be silent loss.
 */
import type { Lsn } from "../model/lsn.ts";
import { MessageReader } from "./message-reader.ts";
import {
  type BeginMessage,
  type CommitMessage,
  type DeleteMessage,
  type InsertMessage,
  type LogicalMessage,
  MESSAGE_TYPE,
  type Message,
  type OldTuple,
  type OriginMessage,
  type RelationColumn,
  type RelationMessage,
  type TruncateMessage,
  type TypeMessage,
  type UpdateMessage,
} from "./messages.ts";

/** PostgreSQL counts time from 2000-01-01. */
const POSTGRES_EPOCH_MICROS = 946_684_800_000_000n;

const KEY_TUPLE = 0x4b; // K
const OLD_TUPLE = 0x4f; // O
const NEW_TUPLE = 0x4e; // N

const IDENTITIES: Readonly<Record<string, RelationMessage["identity"]>> = { d: "default", n: "nothing", f: "full", i: "index" };

/** Decodes the message `bytes[start, end)`. `lsn` is where the stream stands, for errors. Throws DECODE_FAILED. */
export function decodeMessage(bytes: Buffer, start: number, end: number, lsn: Lsn): Message {
  const reader = new MessageReader(bytes, start, end, lsn);
  const message = decodeBody(reader);
  reader.finish();
  return message;
}

function decodeBody(reader: MessageReader): Message {
  switch (reader.type) {
    case MESSAGE_TYPE.insert:
      return decodeInsert(reader);
    case MESSAGE_TYPE.update:
      return decodeUpdate(reader);
    case MESSAGE_TYPE.delete:
      return decodeDelete(reader);
    case MESSAGE_TYPE.begin:
      return decodeBegin(reader);
    case MESSAGE_TYPE.commit:
      return decodeCommit(reader);
    case MESSAGE_TYPE.relation:
      return decodeRelation(reader);
    case MESSAGE_TYPE.truncate:
      return decodeTruncate(reader);
    case MESSAGE_TYPE.origin:
      return decodeOrigin(reader);
    case MESSAGE_TYPE.type:
      return decodeType(reader);
    case MESSAGE_TYPE.message:
      return decodeLogicalMessage(reader);
    default:
      throw reader.fault("unknown type");
  }
}

function decodeBegin(reader: MessageReader): BeginMessage {
  return { kind: "begin", commitLsn: reader.uint64(), commitMicros: reader.int64() + POSTGRES_EPOCH_MICROS, xid32: reader.uint32() };
}

function decodeCommit(reader: MessageReader): CommitMessage {
  reader.byte(); // flags, unused
  return { kind: "commit", commitLsn: reader.uint64(), endLsn: reader.uint64(), commitMicros: reader.int64() + POSTGRES_EPOCH_MICROS };
}

function decodeOrigin(reader: MessageReader): OriginMessage {
  return { kind: "origin", originLsn: reader.uint64(), name: reader.text() };
}

function decodeRelation(reader: MessageReader): RelationMessage {
  const oid = reader.uint32();
  const schema = schemaName(reader.text());
  const name = reader.text();
  const identity = IDENTITIES[String.fromCharCode(reader.byte())];
  if (identity === undefined) throw reader.fault("unknown replica identity");
  const count = reader.uint16();
  const columns: RelationColumn[] = [];
  for (let column = 0; column < count; column++) {
    const isKey = (reader.byte() & 1) === 1;
    columns.push({ isKey, name: reader.text(), typeOid: reader.uint32(), typmod: reader.int32() });
  }
  return { kind: "relation", oid, schema, name, identity, columns };
}

function decodeType(reader: MessageReader): TypeMessage {
  return { kind: "type", oid: reader.uint32(), schema: schemaName(reader.text()), name: reader.text() };
}

function decodeInsert(reader: MessageReader): InsertMessage {
  const relation = reader.uint32();
  if (reader.byte() !== NEW_TUPLE) throw reader.fault("the new row is missing");
  return { kind: "insert", relation, row: reader.tuple() };
}

function decodeUpdate(reader: MessageReader): UpdateMessage {
  const relation = reader.uint32();
  let marker = reader.byte();
  let old: OldTuple | null = null;
  if (marker !== NEW_TUPLE) {
    old = decodeOld(reader, marker);
    marker = reader.byte();
  }
  if (marker !== NEW_TUPLE) throw reader.fault("the new row is missing");
  return { kind: "update", relation, old, row: reader.tuple() };
}

function decodeDelete(reader: MessageReader): DeleteMessage {
  const relation = reader.uint32();
  return { kind: "delete", relation, old: decodeOld(reader, reader.byte()) };
}

function decodeOld(reader: MessageReader, marker: number): OldTuple {
  if (marker === KEY_TUPLE) return { extent: "key", row: reader.tuple() };
  if (marker === OLD_TUPLE) return { extent: "full", row: reader.tuple() };
  throw reader.fault("the old row is of unknown extent");
}

function decodeTruncate(reader: MessageReader): TruncateMessage {
  const count = reader.uint32();
  reader.byte(); // CASCADE and RESTART IDENTITY: the server lists the cascaded relations, and sequences are not streamed
  reader.need(count * 4);
  const relations: number[] = [];
  for (let index = 0; index < count; index++) relations.push(reader.uint32());
  return { kind: "truncate", relations };
}

function decodeLogicalMessage(reader: MessageReader): LogicalMessage {
  const transactional = (reader.byte() & 1) === 1;
  return { kind: "message", transactional, lsn: reader.uint64(), prefix: reader.text(), content: reader.latin1(reader.uint32()) };
}

/** pg_catalog is sent as an empty name. */
function schemaName(name: string): string {
  return name === "" ? "pg_catalog" : name;
}
