/** Reading pieces of a segment file. Damage is told apart from a file that merely ends early. */
import { type FileHandle, open } from "node:fs/promises";
import { basename } from "node:path";
import { PghaulError } from "../../errors/pghaul-error.ts";
import {
  BLOCK_HEADER_BYTES,
  corrupt,
  decodeBlockHeader,
  decodeFooter,
  decodeHeader,
  FOOTER_BYTES,
  isIntact,
  type SegmentHeader,
} from "./segment-format.ts";

/** A slot name is at most 63 bytes; a stream's is our own. */
const HEADER_READ_BYTES = 4096;

/** Opens a segment to read. Throws LOG_GAP when it is gone: the log was released beyond it meanwhile. */
export async function openSegment(path: string): Promise<FileHandle> {
  try {
    return await open(path, "r");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    throw new PghaulError("LOG_GAP", `the change log no longer holds ${basename(path)}`, {
      cause: error,
      context: { file: basename(path) },
    });
  }
}

/** The segment's header and where its blocks begin. */
export async function readHeader(file: FileHandle, path: string): Promise<{ readonly header: SegmentHeader; readonly length: number }> {
  return decodeHeader(await readUpTo(file, 0, HEADER_READ_BYTES), basename(path));
}

/** The offset of the index block when the segment is sealed, else null. */
export async function readFooter(file: FileHandle): Promise<number | null> {
  const { size } = await file.stat();
  return size < FOOTER_BYTES ? null : decodeFooter(await readUpTo(file, size - FOOTER_BYTES, FOOTER_BYTES));
}

/** The block at `offset`, header and payload; "cut" when the file ends inside it, "damaged" when its checksum is wrong. */
export async function readBlock(file: FileHandle, offset: number): Promise<Buffer | "end" | "cut" | "damaged"> {
  const head = await readUpTo(file, offset, BLOCK_HEADER_BYTES);
  if (head.length === 0) return "end";
  if (head.length < BLOCK_HEADER_BYTES) return "cut";
  const length = BLOCK_HEADER_BYTES + decodeBlockHeader(head).storedLength;
  // A damaged length must not make us ask for memory that the file does not fill.
  if (offset + length > (await file.stat()).size) return "cut";
  const block = await readUpTo(file, offset, length);
  return isIntact(block) ? block : "damaged";
}

/** The same for a block that must be there. Throws LOG_CORRUPT. */
export async function needBlock(file: FileHandle, path: string, offset: number): Promise<Buffer> {
  const block = await readBlock(file, offset);
  if (typeof block !== "string") return block;
  throw corrupt(basename(path), offset, block === "damaged" ? "a block's checksum is wrong" : "the file ends inside a block");
}

async function readUpTo(file: FileHandle, offset: number, length: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await file.read(bytes, filled, length - filled, offset + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return bytes.subarray(0, filled);
}
