/**
 * The one segment that is being written. Blocks are queued in memory, written together, and durable after `sync`: group commit. The
 * file is made under another name, so that a segment never exists without its header.
 */
import { dirname, join } from "node:path";
import { FrameBuffer } from "../../pgoutput/frames.ts";
import type { LogFile, LogFiles } from "./log-files.ts";
import { RecentBlocks } from "./recent-blocks.ts";
import { BLOCK_KIND, encodeBlock, encodeFooter, encodeHeader, encodeMessages, type SegmentHeader, segmentName } from "./segment-format.ts";
import type { ScannedSegment } from "./segment-scan.ts";
import { TransactionIndex } from "./transaction-index.ts";

/** Where segments are made, and by what. */
export interface SegmentPlace {
  readonly dir: string;
  readonly files: LogFiles;
}

export class SegmentWriter {
  readonly path: string;
  readonly header: SegmentHeader;
  readonly index: TransactionIndex;
  readonly recent = new RecentBlocks();
  readonly #file: LogFile;
  #written: number;
  #queue: Buffer[] = [];
  #queued = 0;
  /** Offset behind the last block that ends at a transaction boundary. */
  #boundary: number;

  private constructor(file: LogFile, path: string, { header, index }: Pick<ScannedSegment, "header" | "index">, length: number) {
    this.path = path;
    this.header = header;
    this.index = index;
    this.#file = file;
    this.#written = length;
    this.#boundary = length;
  }

  /** Makes a new segment, durable with its name, that begins with the relation messages known so far. */
  static async create(
    { dir, files }: SegmentPlace,
    header: SegmentHeader,
    relations: ReadonlyMap<number, Buffer>,
    xidReference: bigint,
  ): Promise<SegmentWriter> {
    const path = join(dir, segmentName(header.firstLsn));
    const index = new TransactionIndex(header.firstLsn);
    const frames = new FrameBuffer();
    for (const [oid, message] of relations) {
      index.addRelation(oid, message);
      frames.append(message, 0, message.length);
    }
    const front = Buffer.concat([encodeHeader(header), encodeBlock(BLOCK_KIND.relations, frames.take(), xidReference)]);
    const file = await files.make(`${path}.new`);
    try {
      await file.write(front, 0);
      await file.sync();
      await files.rename(`${path}.new`, path);
      await files.syncDirectory(dir);
    } catch (error) {
      await file.close();
      throw error;
    }
    return new SegmentWriter(file, path, { header, index }, front.length);
  }

  /** Goes on with a segment that a crash left open; what lies behind its last transaction boundary is cut off. */
  static async reopen(files: LogFiles, path: string, scanned: ScannedSegment): Promise<SegmentWriter> {
    const file = await files.open(path);
    await file.truncate(scanned.boundary);
    await file.sync();
    await files.syncDirectory(dirname(path));
    return new SegmentWriter(file, path, scanned, scanned.boundary);
  }

  /** Bytes of the file, queued blocks included: where the next block will be. */
  get length(): number {
    return this.#written + this.#queued;
  }

  /** Where a transaction ends last, in the file with its queue. */
  get boundary(): number {
    return this.#boundary;
  }

  /** The file ends, with its queue, inside a transaction. */
  get isInsideTransaction(): boolean {
    return this.length > this.#boundary;
  }

  /** Queues a compressed copy of the frames. `atBoundary`: the last of them is a commit. */
  queueMessages(frames: Buffer, xidReference: bigint, atBoundary: boolean): void {
    const offset = this.length;
    this.#push(encodeMessages(frames, xidReference), atBoundary);
    this.recent.add(offset, frames, this.length);
  }

  /** Queues the fact that the stream has come to `position` and brought nothing else. */
  queuePosition(position: bigint, xidReference: bigint): void {
    const raw = Buffer.alloc(8);
    raw.writeBigUInt64BE(position);
    this.#push(encodeBlock(BLOCK_KIND.position, raw, xidReference), true);
    this.index.end = position;
  }

  /** Writes what is queued. Throws STATE_DISK_FULL; the file may then end inside a block, which the next open cuts off. */
  async write(): Promise<void> {
    const bytes = this.#queue.length === 1 ? (this.#queue[0] as Buffer) : Buffer.concat(this.#queue);
    this.#queue = [];
    this.#queued = 0;
    const offset = this.#written;
    this.#written += bytes.length;
    await this.#file.write(bytes, offset);
  }

  async sync(): Promise<void> {
    await this.#file.sync();
  }

  /** Takes back the blocks of an unfinished transaction. */
  async cutToBoundary(): Promise<void> {
    if (!this.isInsideTransaction) return;
    await this.write();
    await this.#file.truncate(this.#boundary);
    this.#written = this.#boundary;
    this.recent.cutAt(this.#boundary);
  }

  /** Appends index and footer: from here on the file never changes. Everything queued must be written. */
  async seal(xidReference: bigint): Promise<void> {
    const trailer = Buffer.concat([encodeBlock(BLOCK_KIND.index, this.index.encode(), xidReference), encodeFooter(this.#written)]);
    await this.#file.write(trailer, this.#written);
    await this.#file.sync();
    await this.close();
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  #push(block: Buffer, atBoundary: boolean): void {
    this.#queue.push(block);
    this.#queued += block.length;
    if (atBoundary) this.#boundary = this.length;
  }
}
