/** What `verify/digest-queries.ts` computes in PostgreSQL, over the text that files hold: the same text under the MD5, the same buckets. */
import { hash } from "node:crypto";
import type { Row } from "../../../model/value.ts";

/** The number of buckets that a difference is narrowed to. */
const BUCKETS = 1024;

/** What the MD5 of a text says. */
export interface TextHash {
  readonly md5: string;
  /** Its first 64 bits, signed. */
  readonly sum: bigint;
  /** 16 bits of it; a bucket is `slot % 1024`. */
  readonly slot: number;
}

/** `length:text` of each value, `-` for NULL; lengths in bytes, which byte strings count. */
export function rowText(row: Row): string {
  let text = "";
  for (const value of row) text += value === null ? "-" : `${value.length}:${value}`;
  return text;
}

export function hashText(text: string): TextHash {
  const md5 = hash("md5", Buffer.from(text, "latin1"), "hex");
  return { md5, sum: BigInt.asIntN(64, BigInt(`0x${md5.slice(0, 16)}`)), slot: Number.parseInt(md5.slice(16, 20), 16) };
}

export function bucketOf(slot: number): number {
  return slot % BUCKETS;
}
