/** Where a log goes on when it is opened: what an earlier process left may be in the system's memory only, and is made durable first. */
import { mkdirSync } from "node:fs";
import { basename, dirname, resolve } from "node:path";
import { PghaulError } from "../errors/pghaul-error.ts";
import { formatLsn, type Lsn } from "../model/lsn.ts";
import type { DurablePoint } from "./durable-point.ts";
import type { LogFiles } from "./segment/log-files.ts";
import type { SegmentDirectory } from "./segment/segment-directory.ts";
import { corrupt, type LogIdentity } from "./segment/segment-format.ts";
import { readSealed, type ScannedSegment, SegmentScan } from "./segment/segment-scan.ts";
import { type SegmentPlace, SegmentWriter } from "./segment/segment-writer.ts";

/** The names of the directories that are made must survive a power cut as well: each stands in the one above it. */
export async function makeDirectory({ dir, files }: SegmentPlace): Promise<void> {
  const first = mkdirSync(dir, { recursive: true });
  if (first === undefined) return;
  for (let made = resolve(dir); ; made = dirname(made)) {
    await files.syncDirectory(dirname(made));
    if (made === resolve(first)) return;
  }
}

export interface WriterOptions {
  readonly identity: LogIdentity;
  /** Where an empty log begins. */
  readonly start: DurablePoint;
  /** What is on record as durable; null before the first time. */
  readonly durable: DurablePoint | null;
}

interface OpenedWriter {
  readonly writer: SegmentWriter;
  readonly xidReference: bigint;
}

/** Goes on in the newest segment, or begins one. Throws LOG_CORRUPT when the files hold less than what is on record. */
export async function openWriter(directory: SegmentDirectory, place: SegmentPlace, options: WriterOptions): Promise<OpenedWriter> {
  const { last } = directory;
  const known = options.durable ?? options.start;
  if (last === undefined) {
    const { lsn, xidReference } = options.start;
    if (known.lsn > lsn) throw missing(place.dir, known.lsn);
    const header = { ...options.identity, firstLsn: lsn, previousLsn: null };
    return { writer: await SegmentWriter.create(place, header, new Map(), xidReference), xidReference };
  }
  const { scanned, isSealed } = await readLast(last.path);
  const { index, header, xidReference } = scanned;
  if (index.end < known.lsn) {
    const { offset, what } = scanned.stoppedAt ?? { offset: scanned.boundary, what: "the log ends" };
    throw corrupt(basename(last.path), offset, `${what}, but ${formatLsn(known.lsn)} is on record as durable`, index.end);
  }
  if (!isSealed) return { writer: await SegmentWriter.reopen(place.files, last.path, scanned), xidReference };
  await syncSealed(place.files, last.path);
  const next = { ...header, firstLsn: index.end, previousLsn: header.firstLsn };
  return { writer: await SegmentWriter.create(place, next, index.newestRelations, xidReference), xidReference };
}

/** Whoever sealed it may have been killed before it was on disk; once a newer segment follows it must be whole. */
async function syncSealed(files: LogFiles, path: string): Promise<void> {
  const file = await files.open(path);
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

async function readLast(path: string): Promise<{ readonly scanned: ScannedSegment; readonly isSealed: boolean }> {
  try {
    const sealed = await readSealed(path);
    if (sealed !== null) return { scanned: sealed, isSealed: true };
  } catch (error) {
    // A crash while sealing may leave the footer on disk and not the index in front of it.
    if (!(error instanceof PghaulError) || error.code !== "LOG_CORRUPT") throw error;
  }
  return { scanned: await (await SegmentScan.start(path)).advance(), isSealed: false };
}

function missing(dir: string, durable: Lsn): PghaulError {
  const what = `no segment of the change log in ${dir}, but ${formatLsn(durable)} is on record as durable`;
  return new PghaulError("LOG_CORRUPT", what, { context: { lsn: formatLsn(durable) } });
}
