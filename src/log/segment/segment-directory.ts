/** The segments of one log: which files there are, in order and without a hole, and their indexes. */
import { readdirSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { PghaulError } from "../../errors/pghaul-error.ts";
import { formatLsn, type Lsn } from "../../model/lsn.ts";
import type { LogFiles } from "./log-files.ts";
import type { RecentBlocks } from "./recent-blocks.ts";
import { openSegment, readHeader } from "./segment-file.ts";
import { corrupt, type LogIdentity, parseSegmentName, type SegmentHeader } from "./segment-format.ts";
import { readSealed } from "./segment-scan.ts";
import type { TransactionIndex } from "./transaction-index.ts";

/** Indexes of sealed segments held at once; a reader walks forward and needs one at a time. */
const CACHED_INDEXES = 4;

export interface Segment {
  readonly path: string;
  readonly header: SegmentHeader;
}

export class SegmentDirectory {
  readonly dir: string;
  readonly #segments: Segment[];
  readonly #indexes = new Map<string, TransactionIndex>();
  /** The newest segment's index while it is not sealed. */
  #live: { readonly path: string; readonly index: TransactionIndex; readonly recent: RecentBlocks | null } | null = null;

  private constructor(dir: string, segments: Segment[]) {
    this.dir = dir;
    this.#segments = segments;
  }

  /**
   * Lists and checks the files; what `before` knows already is not read again, for segments never change. Throws LOG_CORRUPT when one is
   * missing, CONFIG_CHANGED when the log belongs to another source.
   */
  static async open(dir: string, identity: LogIdentity, before?: SegmentDirectory): Promise<SegmentDirectory> {
    const known = new Map((before === undefined ? [] : before.#segments).map((segment) => [segment.path, segment]));
    const segments: Segment[] = [];
    const names = readdirSync(dir).filter((name) => parseSegmentName(name) !== null);
    for (const name of names.sort()) {
      const path = join(dir, name);
      const segment = known.get(path) ?? (await readSegment(path));
      checkIdentity(segment.header, identity, name);
      checkChain(segments.at(-1), segment.header, name);
      segments.push(segment);
    }
    const directory = new SegmentDirectory(dir, segments);
    if (before !== undefined) for (const [path, index] of before.#indexes) directory.#indexes.set(path, index);
    return directory;
  }

  get first(): Segment | undefined {
    return this.#segments[0];
  }

  get last(): Segment | undefined {
    return this.#segments.at(-1);
  }

  /**
   * Adds the newest segment, or renews its index: it is being written. Of the one before only its name stays for good: a log that is written for
   * days, with nobody reading, must not grow in memory.
   */
  setLive({ path, header }: Segment, index: TransactionIndex, recent: RecentBlocks | null = null): void {
    if (this.last?.path !== path) this.#segments.push({ path, header });
    if (this.#live !== null && this.#live.path !== path) this.#remember(this.#live.path, this.#live.index);
    this.#live = { path, index, recent };
  }

  /** Segments that hold part of [from, to), oldest first. There are thousands when the target was away for days. */
  overlapping(from: Lsn, to: Lsn): Segment[] {
    return this.#segments.slice(Math.max(this.#countBelow(from + 1n) - 1, 0), this.#countBelow(to));
  }

  /** What was written to the segment last; null where it is not being written here. */
  recentOf(segment: Segment): RecentBlocks | null {
    return this.#live?.path === segment.path ? this.#live.recent : null;
  }

  /** The index of a segment. Throws LOG_CORRUPT. */
  async indexOf(segment: Segment): Promise<TransactionIndex> {
    if (this.#live?.path === segment.path) return this.#live.index;
    let index = this.#indexes.get(segment.path);
    if (index === undefined) {
      const sealed = await readSealed(segment.path);
      if (sealed === null) throw corrupt(basename(segment.path), 0, "it was never sealed, but newer segments follow");
      index = sealed.index;
    }
    this.#remember(segment.path, index);
    return index;
  }

  /**
   * Deletes segments that end at or below `before`; the newest stays. One that a power cut brings back does no harm and is let go again. But POSIX
   * promises no order between two removals, and a log that lost the second and kept the first has a hole: so each is durable before the next.
   */
  async release(before: Lsn, files: LogFiles): Promise<void> {
    for (;;) {
      const [first, second] = this.#segments;
      if (first === undefined || second === undefined || second.header.firstLsn > before) return;
      this.#indexes.delete(first.path);
      this.#segments.shift();
      await files.remove(first.path);
      await files.syncDirectory(this.dir);
    }
  }

  #remember(path: string, index: TransactionIndex): void {
    // Most recently used last.
    this.#indexes.delete(path);
    this.#indexes.set(path, index);
    for (const oldest of this.#indexes.keys()) if (this.#indexes.size > CACHED_INDEXES) this.#indexes.delete(oldest);
  }

  /** Segments that begin below `lsn`. */
  #countBelow(lsn: Lsn): number {
    let low = 0;
    let high = this.#segments.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#segments[middle] as Segment).header.firstLsn < lsn) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Removes what a crash left of a segment that was about to be made. */
export function removeUnfinished(dir: string): void {
  for (const name of readdirSync(dir)) if (name.endsWith(".segment.new")) rmSync(join(dir, name));
}

async function readSegment(path: string): Promise<Segment> {
  const file = await openSegment(path);
  try {
    return { path, header: (await readHeader(file, path)).header };
  } finally {
    await file.close();
  }
}

function checkIdentity(header: SegmentHeader, identity: LogIdentity, file: string): void {
  for (const field of ["systemIdentifier", "slot", "stream"] as const) {
    if (header[field] === identity[field]) continue;
    throw new PghaulError("CONFIG_CHANGED", `the change log belongs to ${field} ${header[field]}, not ${identity[field]}`, {
      context: { file },
    });
  }
}

function checkChain(before: Segment | undefined, header: SegmentHeader, file: string): void {
  if (before === undefined || header.previousLsn === before.header.firstLsn) return;
  const missing = header.previousLsn === null ? "an earlier log" : `the segment at ${formatLsn(header.previousLsn)}`;
  throw corrupt(file, 0, `${missing} before it is missing`, header.firstLsn);
}
