/**
 * The durable change log of one stream: the tail's side, which appends, and the readers' side, `ChangeLog`.
 *
 * The tail calls `startStream`, `append`, `keepalive` and `flush` one after another, never at once; reads run beside them.
 */
import type { ChangeLog, CrashPoints, LogRange } from "../engine/ports.ts";
import type { TransactionHeader, TransactionPiece } from "../model/change.ts";
import { type Lsn, minLsn } from "../model/lsn.ts";
import type { Table } from "../model/table.ts";
import { newerXid } from "../pgoutput/widen-xid.ts";
import type { DurablePoint } from "./durable-point.ts";
import { LogAppender, type Taken } from "./log-appender.ts";
import { makeDirectory, openWriter } from "./open-writer.ts";
import { PassedGate } from "./passed-gate.ts";
import { readHeaders, readRange } from "./read/read-range.ts";
import type { DurableFile, SegmentStore } from "./remote/segment-store.ts";
import { type LogFiles, nodeFiles } from "./segment/log-files.ts";
import { removeUnfinished, SegmentDirectory } from "./segment/segment-directory.ts";
import type { LogIdentity } from "./segment/segment-format.ts";
import { type SegmentPlace, SegmentWriter } from "./segment/segment-writer.ts";

/** What one group commit made durable. */
export interface DurableStep extends DurablePoint, Taken {}

export interface LocalLogOptions {
  /** `<state dir>/log/<stream>`; made when it is not there. */
  readonly dir: string;
  readonly identity: LogIdentity;
  /** The slot's consistent point and an xid read then: where an empty log begins. */
  readonly start: DurablePoint;
  /** What the state has on record as durable; null before the first time. */
  readonly durable: DurablePoint | null;
  /** By id; rows are returned in the order of `Table.columns`. */
  readonly tables: ReadonlyMap<string, Table>;
  /** Transactions whose origin's name begins with it are our own writes and are never returned; empty for none. */
  readonly skipOriginPrefix: string;
  /** A segment is sealed at the first transaction end past any of these. */
  readonly segmentBytes?: number;
  readonly segmentTransactions?: number;
  readonly segmentMillis?: number;
  readonly crashPoint?: CrashPoints;
  /** What lies behind this place is still to be copied elsewhere: it is not released, whoever asks. Without it the log is kept here alone. */
  readonly copiedTo?: () => Lsn;
  /** Instead of the real file system. */
  readonly files?: LogFiles;
  /** Milliseconds, monotonic. */
  readonly now?: () => number;
}

const SEGMENT_BYTES = 64 * 1024 * 1024;
/** Bounds the memory of an index, 58 bytes each: past 2^16 its columns double, and a group commit may bring some thousands at once. */
const SEGMENT_TRANSACTIONS = 60_000;
const SEGMENT_MILLIS = 60 * 60 * 1000;

/** A stream that only moves is put on record this often: a quiet server's slot then goes on, at the price of an fsync. */
const POSITION_MILLIS = 1_000;

type Limits = Required<Pick<LocalLogOptions, "segmentBytes" | "segmentTransactions" | "segmentMillis" | "crashPoint" | "now">>;

export class LocalLog implements ChangeLog, SegmentStore {
  readonly #options: LocalLogOptions;
  readonly #limits: Limits;
  readonly #place: SegmentPlace;
  readonly #directory: SegmentDirectory;
  readonly #appender: LogAppender;
  readonly #gate: PassedGate;
  #writer: SegmentWriter;
  #writerSince: number;
  #positionAt: number;
  #durable: DurablePoint;
  /** Bytes of the newest segment that are fsynced and end with a transaction. */
  #syncedLength: number;
  #failure: { readonly reason: unknown } | null = null;
  #streams = 0;

  private constructor(options: LocalLogOptions, directory: SegmentDirectory, writer: SegmentWriter, xidReference: bigint) {
    this.#options = options;
    this.#limits = {
      segmentBytes: options.segmentBytes ?? SEGMENT_BYTES,
      segmentTransactions: options.segmentTransactions ?? SEGMENT_TRANSACTIONS,
      segmentMillis: options.segmentMillis ?? SEGMENT_MILLIS,
      crashPoint: options.crashPoint ?? (() => undefined),
      now: options.now ?? (() => performance.now()),
    };
    this.#place = { dir: options.dir, files: options.files ?? nodeFiles };
    this.#directory = directory;
    this.#writer = writer;
    this.#writerSince = this.#limits.now();
    this.#positionAt = this.#writerSince;
    this.#appender = new LogAppender(writer, xidReference);
    this.#durable = { lsn: writer.index.end, xidReference };
    this.#syncedLength = writer.boundary;
    this.#gate = new PassedGate(writer.index.end);
    directory.setLive(writer, writer.index, writer.recent);
  }

  /**
   * Opens the log, or begins one. A torn tail of the newest segment is cut off; but when the files hold less than what is on record as
   * durable, nothing is touched. Throws LOG_CORRUPT, CONFIG_CHANGED (another source's log), STATE_NEWER, STATE_DISK_FULL.
   */
  static async open(options: LocalLogOptions): Promise<LocalLog> {
    const place = { dir: options.dir, files: options.files ?? nodeFiles };
    await makeDirectory(place);
    const directory = await SegmentDirectory.open(options.dir, options.identity);
    removeUnfinished(options.dir);
    const known = options.durable ?? options.start;
    const { writer, xidReference } = await openWriter(directory, place, options);
    return new LocalLog(options, directory, writer, newerXid(xidReference, known.xidReference));
  }

  /** To be called when a stream has been opened: it sends an unfinished transaction again. Returns where the log stands. */
  async startStream(): Promise<Lsn> {
    this.#throwFailure();
    await this.#appender.forgetUnfinished();
    this.#streams += 1;
    return this.#appender.position;
  }

  /** Takes frames (`pgoutput/frames.ts`) of the stream into memory. Transactions held already are left out. Throws DECODE_FAILED. */
  append(frames: Buffer): void {
    this.#throwFailure();
    this.#appender.append(frames);
  }

  /** The server says that it has nothing more up to `walEnd`. */
  keepalive(walEnd: Lsn): void {
    this.#appender.keepalive(walEnd);
  }

  /** A live snapshot's xmax, and an insert LSN of the server read with it or later; keeps xids wide where the stream is quiet. */
  refreshXidReference(xid: bigint, at: Lsn): void {
    this.#appender.refreshXidReference(xid, at);
  }

  /**
   * Group commit: everything appended that is a whole transaction becomes durable. Returns null when nothing has. Throws STATE_DISK_FULL;
   * then the log must be opened again.
   */
  async flush(): Promise<DurableStep | null> {
    this.#throwFailure();
    try {
      return await this.#flush();
    } catch (error) {
      this.fail(error);
      throw error;
    }
  }

  /** What is fsynced. It may lie behind `passed()` on a quiet server, where nothing is written for a second. */
  durable(): DurablePoint {
    return this.#durable;
  }

  /** The bytes behind `durable()`, oldest segment first. They never change: of the newest segment, that is its part up to `length`. */
  durableFiles(): readonly DurableFile[] {
    return this.#directory.all.map(({ path, header: { firstLsn } }) => ({
      path,
      firstLsn,
      length: path === this.#writer.path ? this.#syncedLength : null,
    }));
  }

  /** The tail has ended for good: who waits gets the reason. */
  fail(reason: unknown): void {
    this.#failure ??= { reason };
    this.#gate.fail(reason);
  }

  async close(): Promise<void> {
    await this.#writer.close();
  }

  start(): Lsn {
    return this.#directory.first?.header.firstLsn ?? this.#durable.lsn;
  }

  passed(): Lsn {
    return this.#gate.passed;
  }

  streams(): number {
    return this.#streams;
  }

  async waitPassed(lsn: Lsn, signal: AbortSignal): Promise<void> {
    await this.#gate.wait(lsn, signal);
  }

  read(range: LogRange, tables: ReadonlySet<string>, signal: AbortSignal): AsyncIterable<TransactionPiece> {
    return readRange(this.#directory, this.#within(range), { ...this.#options, wanted: tables }, signal);
  }

  headers(range: LogRange, signal: AbortSignal): AsyncIterable<TransactionHeader> {
    return readHeaders(this.#directory, this.#within(range), this.#options, signal);
  }

  async release(before: Lsn): Promise<void> {
    const { copiedTo } = this.#options;
    await this.#directory.release(copiedTo === undefined ? before : minLsn(before, copiedTo()), this.#place.files);
  }

  /** What is not durable yet is not there. */
  #within({ from, to }: LogRange): LogRange {
    return { from, to: minLsn(to, this.passed()) };
  }

  async #flush(): Promise<DurableStep | null> {
    const { crashPoint } = this.#limits;
    this.#appender.cutAtBoundary();
    const position = this.#appender.position;
    this.#recordPosition(position);
    const { end } = this.#writer.index;
    const { boundary } = this.#writer;
    await this.#writer.write();
    let step: DurableStep | null = null;
    if (end > this.#durable.lsn) {
      crashPoint("before-segment-sync");
      await this.#writer.sync();
      crashPoint("after-segment-sync");
      this.#durable = { lsn: end, xidReference: this.#appender.xidReference };
      this.#syncedLength = boundary;
      step = { ...this.#durable, ...this.#appender.takeCounts() };
    }
    this.#gate.advance(position);
    await this.#sealWhenFull();
    return step;
  }

  /** The stream moved without a transaction of ours: says so in the file, now and then. */
  #recordPosition(position: Lsn): void {
    if (position <= this.#writer.index.end || this.#appender.isInsideTransaction) return;
    if (this.#limits.now() - this.#positionAt < POSITION_MILLIS) return;
    this.#writer.queuePosition(position, this.#appender.xidReference);
    this.#positionAt = this.#limits.now();
  }

  async #sealWhenFull(): Promise<void> {
    const { segmentBytes, segmentTransactions, segmentMillis, now, crashPoint } = this.#limits;
    const { index, header, length } = this.#writer;
    const isFull = length >= segmentBytes || index.count >= segmentTransactions || now() - this.#writerSince >= segmentMillis;
    if (!isFull || index.count === 0 || this.#writer.isInsideTransaction) return;
    crashPoint("before-seal");
    const reference = this.#appender.xidReference;
    await this.#writer.seal(reference);
    const next = { ...header, firstLsn: index.end, previousLsn: header.firstLsn };
    this.#writer = await SegmentWriter.create(this.#place, next, index.newestRelations, reference);
    this.#writerSince = now();
    this.#syncedLength = this.#writer.boundary;
    this.#appender.useWriter(this.#writer);
    this.#directory.setLive(this.#writer, this.#writer.index, this.#writer.recent);
  }

  #throwFailure(): void {
    if (this.#failure !== null) throw this.#failure.reason;
  }
}
