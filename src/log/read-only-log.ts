import type { LogRange } from "../engine/ports.ts";
import type { TransactionHeader, TransactionPiece } from "../model/change.ts";
import { type Lsn, maxLsn, minLsn } from "../model/lsn.ts";
import { type ReadOptions, readHeaders, readRange } from "./read/read-range.ts";
import { SegmentDirectory } from "./segment/segment-directory.ts";
import type { LogIdentity } from "./segment/segment-format.ts";
import { readSealed, SegmentScan } from "./segment/segment-scan.ts";

export interface ReadOnlyLogOptions extends ReadOptions {
  readonly dir: string;
  readonly identity: LogIdentity;
}

/**
 * The change log in a process that only reads, beside the one that tails. It sees what was there at the last `refresh`; how much of it is
 * durable it cannot know, so the caller gives the bound that the state has on record.
 */
export class ReadOnlyLog {
  readonly #options: ReadOnlyLogOptions;
  #directory: SegmentDirectory;
  #scan: SegmentScan | null = null;
  #passed: Lsn = 0n;
  #refreshed: Promise<void> = Promise.resolve();

  private constructor(options: ReadOnlyLogOptions, directory: SegmentDirectory) {
    this.#options = options;
    this.#directory = directory;
  }

  /** Throws LOG_CORRUPT, CONFIG_CHANGED, STATE_NEWER. */
  static async open(options: ReadOnlyLogOptions, durable: Lsn): Promise<ReadOnlyLog> {
    const log = new ReadOnlyLog(options, await SegmentDirectory.open(options.dir, options.identity));
    await log.refresh(durable);
    return log;
  }

  /**
   * Looks at what has been written since, up to `durable`. Who reads at the same time takes turns: two scans of one segment would enter
   * its transactions into the index twice, and a search in an index out of order finds the wrong end of a range.
   */
  refresh(durable: Lsn): Promise<void> {
    const turn = this.#refreshed.then(() => this.#refresh(durable));
    this.#refreshed = turn.catch(() => undefined);
    return turn;
  }

  async #refresh(durable: Lsn): Promise<void> {
    const directory = await SegmentDirectory.open(this.#options.dir, this.#options.identity, this.#directory);
    const { last } = directory;
    if (last === undefined) return;
    let end = (await readSealed(last.path))?.index.end;
    if (end === undefined) {
      if (this.#scan?.path !== last.path) this.#scan = await SegmentScan.start(last.path);
      const { index } = await this.#scan.advance();
      directory.setLive(last, index);
      end = index.end;
    }
    this.#directory = directory;
    // Never back: a reader that has waited for a position counts on it, whatever bound somebody else came with.
    this.#passed = maxLsn(this.#passed, minLsn(end, durable));
  }

  start(): Lsn {
    return this.#directory.first?.header.firstLsn ?? this.#passed;
  }

  /** Every transaction with commitLsn < passed() can be read. */
  passed(): Lsn {
    return this.#passed;
  }

  /** As `ChangeLog.read`, cut off at `passed()`. */
  read(range: LogRange, tables: ReadonlySet<string>, signal: AbortSignal): AsyncIterable<TransactionPiece> {
    return readRange(this.#directory, this.#within(range), { ...this.#options, wanted: tables }, signal);
  }

  /** As `ChangeLog.headers`, cut off at `passed()`. */
  headers(range: LogRange, signal: AbortSignal): AsyncIterable<TransactionHeader> {
    return readHeaders(this.#directory, this.#within(range), this.#options, signal);
  }

  #within({ from, to }: LogRange): LogRange {
    return { from, to: minLsn(to, this.#passed) };
  }
}
