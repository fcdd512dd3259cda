/**
 * Between the stream and the segment: cuts frames into blocks, knows which transactions are held already, and leaves out empty ones
 * (servers before 15 stream a Begin and a Commit for every transaction of the database).
 */
import { type Lsn, maxLsn } from "../model/lsn.ts";
import { FrameBuffer, frameEnd, frameStart } from "../pgoutput/frames.ts";
import type { SegmentWriter } from "./segment/segment-writer.ts";
import { type CommittedTransaction, TransactionTracker } from "./segment/transaction-tracker.ts";

/** What has been taken in since it was last asked for. */
export interface Taken {
  readonly transactions: number;
  readonly changes: number;
  /** Raw bytes of the stream's messages. */
  readonly bytes: number;
  /** Commit time of the last of them at the source; null when there was none. */
  readonly lastCommitMicros: bigint | null;
}

const NOTHING: Taken = { transactions: 0, changes: 0, bytes: 0, lastCommitMicros: null };

/** Raw bytes of a block. Larger ones compress little better and cost a reader more that it does not want. */
const BLOCK_BYTES = 256 * 1024;

export class LogAppender {
  readonly #tracker: TransactionTracker;
  readonly #pending = new FrameBuffer();
  readonly #place = { block: 0, offset: 0 };
  #writer: SegmentWriter;
  /** Bytes of `#pending` up to the last commit. */
  #boundary = 0;
  /** The xid reference at the beginning of `#pending`: a scan that widens from there comes to the same xids as we did. */
  #blockReference: bigint;
  #position: Lsn;
  #taken = NOTHING;
  /** A live xid and where the server was when it was read; used when the stream gets there. */
  #xidRefresh: { readonly xid: bigint; readonly at: Lsn }[] = [];

  constructor(writer: SegmentWriter, xidReference: bigint) {
    this.#writer = writer;
    this.#tracker = new TransactionTracker(xidReference);
    this.#blockReference = xidReference;
    this.#position = writer.index.end;
  }

  /** Every transaction with commitLsn < position has been taken in. */
  get position(): Lsn {
    return this.#position;
  }

  get xidReference(): bigint {
    return this.#tracker.xidReference;
  }

  get isInsideTransaction(): boolean {
    return this.#tracker.open !== null;
  }

  /** Bytes in memory, not yet given to the segment. */
  get pendingBytes(): number {
    return this.#pending.length;
  }

  /** Counts of the transactions kept since the last call. */
  takeCounts(): Taken {
    const taken = this.#taken;
    this.#taken = NOTHING;
    return taken;
  }

  /** Takes whole frames. Throws DECODE_FAILED. */
  append(frames: Buffer): void {
    for (let at = 0; at < frames.length; ) {
      const end = frameEnd(frames, at);
      this.#place.block = this.#writer.length;
      this.#place.offset = this.#pending.length;
      const committed = this.#tracker.take(frames, frameStart(at), end, this.#place);
      this.#keep(frames, at, end, committed);
      at = end;
    }
  }

  /** The server has nothing more up to `walEnd`; counts only between transactions. */
  keepalive(walEnd: Lsn): void {
    if (this.#tracker.open === null) this.#moveTo(walEnd);
  }

  /** See `LocalLog.refreshXidReference`. */
  refreshXidReference(xid: bigint, at: Lsn): void {
    const last = this.#xidRefresh.at(-1)?.xid ?? this.#tracker.xidReference;
    // Sparse: one every 2^28 xids is enough, and a stream that lags for days does not pile them up.
    if (this.#xidRefresh.length > 0 && xid - last < 1n << 28n) return;
    this.#xidRefresh.push({ xid, at });
    this.#useXidRefresh();
  }

  /** Gives the segment every whole transaction that is pending. */
  cutAtBoundary(): void {
    if (this.#boundary === 0) return;
    const begun = this.#writer.length;
    const cut = this.#boundary;
    this.#queue(cut, true);
    this.#boundary = 0;
    const open = this.#tracker.open;
    if (open !== null && open.place.block === begun) open.place = { block: this.#writer.length, offset: open.place.offset - cut };
  }

  /** The stream starts anew: drops what was taken of an unfinished transaction. */
  async forgetUnfinished(): Promise<void> {
    this.#pending.truncate(this.#boundary);
    this.#tracker.forgetOpen();
    this.cutAtBoundary();
    await this.#writer.cutToBoundary();
  }

  /** Goes on in the next segment. Nothing of an unfinished transaction may be in the old one. */
  useWriter(writer: SegmentWriter): void {
    this.#writer = writer;
    const open = this.#tracker.open;
    if (open !== null) open.place = { block: writer.length, offset: open.place.offset };
  }

  #keep(frames: Buffer, at: number, end: number, committed: CommittedTransaction | null): void {
    const transaction = committed ?? this.#tracker.open;
    // Outside of transactions, or sent again after a reconnect though we hold it.
    if (transaction === null || transaction.commitLsn < this.#position) return;
    if (committed !== null && !committed.hasContent) {
      this.#pending.truncate(committed.place.offset);
      this.#moveTo(committed.endLsn);
      return;
    }
    this.#pending.appendFrames(frames, at, end);
    if (committed !== null) {
      this.#writer.index.append(committed);
      this.#boundary = this.#pending.length;
      this.#count(committed);
      this.#moveTo(committed.endLsn);
    }
    if (this.#pending.length >= BLOCK_BYTES) this.#cut();
  }

  #count({ changes, bytes, commitMicros }: CommittedTransaction): void {
    const { transactions, changes: before, bytes: bytesBefore } = this.#taken;
    this.#taken = { transactions: transactions + 1, changes: before + changes, bytes: bytesBefore + bytes, lastCommitMicros: commitMicros };
  }

  #cut(): void {
    this.cutAtBoundary();
    if (this.#pending.length >= BLOCK_BYTES) this.#queue(this.#pending.length, false);
  }

  #queue(length: number, atBoundary: boolean): void {
    // Compressed at once, so one buffer serves for every block.
    this.#writer.queueMessages(this.#pending.peek(length), this.#blockReference, atBoundary);
    this.#pending.drop(length);
    this.#blockReference = this.xidReference;
  }

  #moveTo(lsn: Lsn): void {
    this.#position = maxLsn(this.#position, lsn);
    this.#useXidRefresh();
  }

  #useXidRefresh(): void {
    if (this.#tracker.open !== null) return;
    for (let next = this.#xidRefresh[0]; next !== undefined && next.at <= this.#position; next = this.#xidRefresh[0]) {
      this.#xidRefresh.shift();
      if (next.xid <= this.xidReference) continue;
      // No block may hold xids from both sides of the jump.
      this.cutAtBoundary();
      this.#tracker.xidReference = next.xid;
      this.#blockReference = next.xid;
    }
  }
}
