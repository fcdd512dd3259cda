/**
 * Reads a segment that is not sealed from its front and rebuilds its index: after a crash, and in a process that only reads. What is
 * behind the last commit is left to the caller: the tail cuts it off, a reader ignores it.
 */
import type { FileHandle } from "node:fs/promises";
import { basename } from "node:path";
import { frameEnd, frameStart } from "../../pgoutput/frames.ts";
import { needBlock, openSegment, readBlock, readFooter, readHeader } from "./segment-file.ts";
import { BLOCK_KIND, corrupt, decodeBlock, decodeBlockHeader, holdsMessages, type SegmentHeader } from "./segment-format.ts";
import { TransactionIndex } from "./transaction-index.ts";
import { TransactionTracker } from "./transaction-tracker.ts";

/** What a scan has found so far. */
export interface ScannedSegment {
  readonly header: SegmentHeader;
  readonly index: TransactionIndex;
  /** Offset behind the last block at a transaction boundary: whatever follows may be cut off. */
  readonly boundary: number;
  readonly xidReference: bigint;
  /** Where reading stopped before the end of the file, and why; null when it did not. */
  readonly stoppedAt: { readonly offset: number; readonly what: string } | null;
}

/** The index of a sealed segment from its trailer, or null when it is not sealed. Throws LOG_CORRUPT. */
export async function readSealed(path: string): Promise<ScannedSegment | null> {
  const file = await openSegment(path);
  try {
    const { header } = await readHeader(file, path);
    const offset = await readFooter(file);
    if (offset === null) return null;
    const block = await needBlock(file, path, offset);
    const { kind, xidReference } = decodeBlockHeader(block);
    if (kind !== BLOCK_KIND.index) throw corrupt(basename(path), offset, "the footer does not point to an index");
    return { header, index: TransactionIndex.decode(decodeBlock(block)), boundary: offset, xidReference, stoppedAt: null };
  } finally {
    await file.close();
  }
}

/** A scan that can go on where it stopped, while another process appends. */
export class SegmentScan {
  readonly path: string;
  readonly header: SegmentHeader;
  readonly index: TransactionIndex;
  readonly #tracker = new TransactionTracker(0n);
  #boundary: number;

  private constructor(path: string, header: SegmentHeader, start: number) {
    this.path = path;
    this.header = header;
    this.index = new TransactionIndex(header.firstLsn);
    this.#boundary = start;
  }

  static async start(path: string): Promise<SegmentScan> {
    const file = await openSegment(path);
    try {
      const { header, length } = await readHeader(file, path);
      return new SegmentScan(path, header, length);
    } finally {
      await file.close();
    }
  }

  /** Scans what has been written since. Throws LOG_CORRUPT only where an intact block holds nonsense. */
  async advance(): Promise<ScannedSegment> {
    const file = await openSegment(this.path);
    try {
      const stoppedAt = await this.#scan(file);
      return { header: this.header, index: this.index, boundary: this.#boundary, xidReference: this.#tracker.xidReference, stoppedAt };
    } finally {
      await file.close();
    }
  }

  async #scan(file: FileHandle): Promise<ScannedSegment["stoppedAt"]> {
    this.#tracker.forgetOpen();
    for (let offset = this.#boundary; ; ) {
      const block = await readBlock(file, offset);
      if (block === "end") return null;
      if (block === "cut") return { offset, what: "the file ends inside a block" };
      if (block === "damaged") return { offset, what: "a block's checksum is wrong" };
      if (!this.#takeBlock(block, offset)) return { offset, what: "sealing was not finished" };
      offset += block.length;
      if (this.#tracker.open === null) this.#boundary = offset;
    }
  }

  /** False at an index: nothing of the stream follows it. */
  #takeBlock(block: Buffer, offset: number): boolean {
    const { kind, xidReference } = decodeBlockHeader(block);
    if (kind === BLOCK_KIND.index) return false;
    const raw = decodeBlock(block);
    this.#tracker.xidReference = xidReference;
    if (holdsMessages(kind)) this.#takeMessages(raw, offset);
    else if (kind === BLOCK_KIND.relations) this.#takeRelations(raw);
    else if (kind === BLOCK_KIND.position) this.index.end = raw.readBigUInt64BE(0);
    else throw corrupt(basename(this.path), offset, `a block of unknown kind ${kind}`);
    return true;
  }

  #takeMessages(raw: Buffer, offset: number): void {
    for (let at = 0; at < raw.length; ) {
      const end = frameEnd(raw, at);
      const committed = this.#tracker.take(raw, frameStart(at), end, { block: offset, offset: at });
      if (committed !== null) this.index.append(committed);
      at = end;
    }
  }

  #takeRelations(raw: Buffer): void {
    for (let at = 0; at < raw.length; ) {
      const end = frameEnd(raw, at);
      const message = Buffer.from(raw.subarray(frameStart(at), end));
      this.index.addRelation(message.readUInt32BE(1), message);
      at = end;
    }
  }
}
