/**
 * The segment file, format version 1. Integers are big endian.
 *
 *     header   magic "PGHAULSG" | uint32 version | uint32 length | uint32 crc32 | JSON, `length` bytes
 *     block    uint32 stored length | uint32 crc32 of the rest | uint8 kind | uint32 raw length | uint64 xid reference | payload
 *     ...
 *     footer   uint64 offset of the index block | uint32 crc32 of these 8 bytes | magic "PGHAULIX"       (sealed segments only)
 *
 * Blocks of messages hold whole frames (`pgoutput/frames.ts`). A block either ends with a commit, or holds nothing but a part of one
 * transaction; so the file can be cut behind any block that ends with a commit and still ends at a transaction boundary. The xid
 * reference is what 32-bit xids in the block are widened by. The first block repeats every relation message known, so that each segment
 * is decodable alone.
 */

import { crc32, constants as zlib, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { PghaulError } from "../../errors/pghaul-error.ts";
import { formatLsn, type Lsn, parseLsn } from "../../model/lsn.ts";
import type { StreamName } from "../../model/side.ts";

export const SEGMENT_VERSION = 1;
export const BLOCK_HEADER_BYTES = 21;
export const FOOTER_BYTES = 20;

const SEGMENT_MAGIC = Buffer.from("PGHAULSG", "latin1");
const FOOTER_MAGIC = Buffer.from("PGHAULIX", "latin1");
const HEADER_PREFIX_BYTES = 20;

/** Stored in the file: never renumber. */
export const BLOCK_KIND = {
  /** Frames, zstd. */
  messages: 1,
  /** The stream has come to this LSN and nothing is in between: uint64. */
  position: 2,
  /** The transaction index of a sealed segment, zstd. */
  index: 3,
  /** Frames of relation messages known before the segment, zstd. */
  relations: 4,
  /** Frames as they are. */
  plainMessages: 5,
} as const;

/** Blocks of up to a page are written plain: one costs the disk a whole page anyway, and a compressor more to set up than to run. */
const PLAIN_BYTES = 4096;

/** What a log belongs to; every segment carries it. */
export interface LogIdentity {
  /** `pg_control_system().system_identifier`. */
  readonly systemIdentifier: string;
  readonly slot: string;
  /** One log may be one of several streams of a migration. */
  readonly stream: StreamName;
}

export interface SegmentHeader extends LogIdentity {
  /** Everything before it is in earlier segments. */
  readonly firstLsn: Lsn;
  /** `firstLsn` of the segment before, null in the very first: a missing file shows. */
  readonly previousLsn: Lsn | null;
}

export interface BlockHeader {
  readonly storedLength: number;
  readonly crc: number;
  readonly kind: number;
  readonly rawLength: number;
  readonly xidReference: bigint;
}

/** `0000000016B374D8.segment`: the order of names is the order of LSNs. */
export function segmentName(firstLsn: Lsn): string {
  return `${firstLsn.toString(16).toUpperCase().padStart(16, "0")}.segment`;
}

/** The LSN in a segment's file name, or null when it is no segment. */
export function parseSegmentName(name: string): Lsn | null {
  const match = /^([0-9A-F]{16})\.segment$/.exec(name);
  return match === null ? null : BigInt(`0x${match[1]}`);
}

export function encodeHeader(header: SegmentHeader): Buffer {
  const { firstLsn, previousLsn, systemIdentifier, slot, stream } = header;
  const previous = previousLsn === null ? null : formatLsn(previousLsn);
  const json = Buffer.from(JSON.stringify({ systemIdentifier, slot, stream, firstLsn: formatLsn(firstLsn), previousLsn: previous }));
  const prefix = Buffer.alloc(HEADER_PREFIX_BYTES);
  SEGMENT_MAGIC.copy(prefix);
  prefix.writeUInt32BE(SEGMENT_VERSION, 8);
  prefix.writeUInt32BE(json.length, 12);
  prefix.writeUInt32BE(crc32(json), 16);
  return Buffer.concat([prefix, json]);
}

/** Reads the header at the front of `bytes`; `length` is where the blocks begin. Throws LOG_CORRUPT, or STATE_NEWER. */
export function decodeHeader(bytes: Buffer, file: string): { readonly header: SegmentHeader; readonly length: number } {
  if (bytes.length < HEADER_PREFIX_BYTES || !bytes.subarray(0, 8).equals(SEGMENT_MAGIC)) throw corrupt(file, 0, "it is not a segment");
  const version = bytes.readUInt32BE(8);
  if (version < SEGMENT_VERSION) throw corrupt(file, 8, `it is of unknown format ${version}`);
  if (version > SEGMENT_VERSION) {
    throw new PghaulError("STATE_NEWER", `the change log was written by a newer pghaul (segment format ${version})`, { context: { file } });
  }
  const length = HEADER_PREFIX_BYTES + bytes.readUInt32BE(12);
  const json = bytes.subarray(HEADER_PREFIX_BYTES, length);
  if (bytes.length < length || crc32(json) !== bytes.readUInt32BE(16)) throw corrupt(file, 0, "the header's checksum is wrong");
  const fields = JSON.parse(json.toString("utf8")) as LogIdentity & { firstLsn: string; previousLsn: string | null };
  const previousLsn = fields.previousLsn === null ? null : parseLsn(fields.previousLsn);
  return { header: { ...fields, firstLsn: parseLsn(fields.firstLsn), previousLsn }, length };
}

/** A block of frames, packed where that is worth it. */
export function encodeMessages(frames: Buffer, xidReference: bigint): Buffer {
  return encodeBlock(frames.length <= PLAIN_BYTES ? BLOCK_KIND.plainMessages : BLOCK_KIND.messages, frames, xidReference);
}

export function holdsMessages(kind: number): boolean {
  return kind === BLOCK_KIND.messages || kind === BLOCK_KIND.plainMessages;
}

/** A block ready to be written. */
export function encodeBlock(kind: number, raw: Buffer, xidReference: bigint): Buffer {
  const payload = isStoredRaw(kind) ? raw : compress(raw);
  const block = Buffer.allocUnsafe(BLOCK_HEADER_BYTES + payload.length);
  block.writeUInt32BE(payload.length, 0);
  block.writeUInt8(kind, 8);
  block.writeUInt32BE(raw.length, 9);
  block.writeBigUInt64BE(xidReference, 13);
  payload.copy(block, BLOCK_HEADER_BYTES);
  block.writeUInt32BE(crc32(block.subarray(8)), 4);
  return block;
}

export function decodeBlockHeader(bytes: Buffer): BlockHeader {
  return {
    storedLength: bytes.readUInt32BE(0),
    crc: bytes.readUInt32BE(4),
    kind: bytes.readUInt8(8),
    rawLength: bytes.readUInt32BE(9),
    xidReference: bytes.readBigUInt64BE(13),
  };
}

/** Whether the block's checksum is right. `block` is header and payload. */
export function isIntact(block: Buffer): boolean {
  return crc32(block.subarray(8)) === block.readUInt32BE(4);
}

/** The raw content of an intact block. */
export function decodeBlock(block: Buffer): Buffer {
  const { kind, rawLength } = decodeBlockHeader(block);
  const payload = block.subarray(BLOCK_HEADER_BYTES);
  return isStoredRaw(kind) ? payload : zstdDecompressSync(payload, { maxOutputLength: Math.max(rawLength, 1) });
}

export function encodeFooter(indexOffset: number): Buffer {
  const footer = Buffer.alloc(FOOTER_BYTES);
  footer.writeBigUInt64BE(BigInt(indexOffset), 0);
  footer.writeUInt32BE(crc32(footer.subarray(0, 8)), 8);
  FOOTER_MAGIC.copy(footer, 12);
  return footer;
}

/** The offset of the index block, or null when these bytes are no footer: the segment is not sealed. */
export function decodeFooter(footer: Buffer): number | null {
  if (footer.length < FOOTER_BYTES || !footer.subarray(12).equals(FOOTER_MAGIC)) return null;
  return crc32(footer.subarray(0, 8)) === footer.readUInt32BE(8) ? Number(footer.readBigUInt64BE(0)) : null;
}

export function corrupt(file: string, offset: number, what: string, lsn?: Lsn): PghaulError {
  const context = { file, offset, ...(lsn === undefined ? {} : { lsn: formatLsn(lsn) }) };
  return new PghaulError("LOG_CORRUPT", `change log segment ${file} at byte ${offset}: ${what}`, { context });
}

function isStoredRaw(kind: number): boolean {
  return kind === BLOCK_KIND.position || kind === BLOCK_KIND.plainMessages;
}

/** Level 1: the tail compresses on the thread that reads the stream. (nbWorkers would truncate a frame now and then; never set it.) */
function compress(raw: Buffer): Buffer {
  return zstdCompressSync(raw, { params: { [zlib.ZSTD_c_compressionLevel]: 1 } });
}
