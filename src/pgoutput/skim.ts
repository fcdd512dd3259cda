/**
 * What the tail needs of a message without decoding its row: whether it changes one, and of which relation. The tail sees every byte of
 * the stream once; rows are decoded where they are read.
 */
import type { Lsn } from "../model/lsn.ts";
import { MessageReader } from "./message-reader.ts";
import { MESSAGE_TYPE } from "./messages.ts";

/** True for the messages that carry rows: insert, update, delete. */
export function carriesRow(type: number): boolean {
  return type === MESSAGE_TYPE.insert || type === MESSAGE_TYPE.update || type === MESSAGE_TYPE.delete;
}

/** The OID of the relation that an insert, update or delete message is about. Throws DECODE_FAILED. */
export function skimRelation(bytes: Buffer, start: number, end: number, lsn: Lsn): number {
  return new MessageReader(bytes, start, end, lsn).uint32();
}
