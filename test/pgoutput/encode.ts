/** Writes pgoutput messages as a server would, for tests of what reads them. */
import type { Lsn } from "../../src/model/lsn.ts";
import { type PartialRow, UNCHANGED } from "../../src/model/value.ts";
import { FrameBuffer } from "../../src/pgoutput/frames.ts";

const POSTGRES_EPOCH_MICROS = 946_684_800_000_000n;

function int8(value: number): Buffer {
  return Buffer.from([value]);
}

function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}

function int64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt.asUintN(64, value));
  return bytes;
}

function text(value: string): Buffer {
  return Buffer.concat([Buffer.from(value, "utf8"), int8(0)]);
}

function letter(value: string): Buffer {
  return Buffer.from(value, "latin1");
}

function tuple(row: PartialRow): Buffer {
  const parts = [int16(row.length)];
  for (const value of row) {
    if (value === null) parts.push(letter("n"));
    else if (value === UNCHANGED) parts.push(letter("u"));
    else parts.push(letter("t"), int32(value.length), Buffer.from(value, "latin1"));
  }
  return Buffer.concat(parts);
}

function begin(commitLsn: Lsn, xid32: number, commitMicros = POSTGRES_EPOCH_MICROS): Buffer {
  return Buffer.concat([letter("B"), int64(commitLsn), int64(commitMicros - POSTGRES_EPOCH_MICROS), int32(xid32)]);
}

function commit(commitLsn: Lsn, endLsn: Lsn, commitMicros = POSTGRES_EPOCH_MICROS): Buffer {
  return Buffer.concat([letter("C"), int8(0), int64(commitLsn), int64(endLsn), int64(commitMicros - POSTGRES_EPOCH_MICROS)]);
}

function origin(name: string): Buffer {
  return Buffer.concat([letter("O"), int64(7n), text(name)]);
}

export interface RelationText {
  readonly oid: number;
  readonly name: string;
  readonly identity?: "d" | "n" | "f" | "i";
  /** Names; a leading `*` marks a column of the replica identity, `name:25` gives a type OID. */
  readonly columns: readonly string[];
}

function relation({ oid, name, identity = "d", columns }: RelationText): Buffer {
  const parts = [letter("R"), int32(oid), text("public"), text(name), letter(identity), int16(columns.length)];
  for (const column of columns) {
    const [plain = "", type = "25"] = column.replace("*", "").split(":");
    parts.push(int8(column.startsWith("*") ? 1 : 0), text(plain), int32(Number(type)), int32(-1));
  }
  return Buffer.concat(parts);
}

function type(oid: number, name: string): Buffer {
  return Buffer.concat([letter("Y"), int32(oid), text("public"), text(name)]);
}

function insert(oid: number, row: PartialRow): Buffer {
  return Buffer.concat([letter("I"), int32(oid), letter("N"), tuple(row)]);
}

function update(oid: number, row: PartialRow, old?: { readonly marker: "K" | "O"; readonly row: PartialRow }): Buffer {
  const before = old === undefined ? [] : [letter(old.marker), tuple(old.row)];
  return Buffer.concat([letter("U"), int32(oid), ...before, letter("N"), tuple(row)]);
}

function remove(oid: number, marker: "K" | "O", row: PartialRow): Buffer {
  return Buffer.concat([letter("D"), int32(oid), letter(marker), tuple(row)]);
}

function truncate(...oids: readonly number[]): Buffer {
  return Buffer.concat([letter("T"), int32(oids.length), int8(0), ...oids.map(int32)]);
}

function logicalMessage(prefix: string, content: string): Buffer {
  return Buffer.concat([letter("M"), int8(1), int64(5n), text(prefix), int32(content.length), Buffer.from(content, "latin1")]);
}

/** Messages one after another as frames. */
function frames(...messages: readonly Buffer[]): Buffer {
  const buffer = new FrameBuffer();
  for (const message of messages) buffer.append(message, 0, message.length);
  return buffer.take();
}

/** A whole transaction as frames; it ends 8 bytes behind its commit LSN. */
function transaction(commitLsn: Lsn, xid32: number, ...body: readonly Buffer[]): Buffer {
  return frames(begin(commitLsn, xid32), ...body, commit(commitLsn, commitLsn + 8n));
}

/** By the name of what a server would send; `frames` and `transaction` put messages together. */
export const pgoutput = { begin, commit, origin, relation, type, insert, update, remove, truncate, logicalMessage, frames, transaction };
