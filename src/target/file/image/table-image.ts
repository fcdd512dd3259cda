/**
 * A table as it is at a position, put together from its chunks, re-reads and changes on the disk of this machine: split into partitions, the
 * versions of each sorted and merged key by key. Memory, however much there is of a key or in a partition: 32 MB of buffers, 32 MB of lines that
 * are sorted (about three times that with what JavaScript adds), a piece of each sorted run, and the longest row a few times. Keys of moves with
 * unknown columns, which are merged together, are held at about 200 bytes each.
 */
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { PghaulError } from "../../../errors/pghaul-error.ts";
import { formatLsn, type Lsn } from "../../../model/lsn.ts";
import type { Table } from "../../../model/table.ts";
import type { Row } from "../../../model/value.ts";
import { RowBag } from "./merge-bag.ts";
import { KeyedRows } from "./merge-keyed.ts";
import { PARTITION_BYTES, PartitionFiles, partitionsFor } from "./partition-files.ts";
import { bucketOf, hashText, rowText } from "./row-text.ts";
import { RowTexts } from "./row-texts.ts";
import { makeScratch, removeScratch } from "./scratch-directory.ts";
import { GROUP_LENGTH, movedKeys, Places, type SplitRequest, splitTable } from "./split-table.ts";
import { parseRow, parseVersion } from "./version-line.ts";

/** A row with the MD5 of its text. */
export interface ImageRow {
  readonly row: Row;
  readonly md5: string;
  /** 16 bits of the hash of its key, or of itself without one; a bucket is `slot % 1024`. */
  readonly slot: number;
}

export interface BucketSum {
  rows: bigint;
  sum: bigint;
}

export interface ImageRequest extends SplitRequest {
  /** Where temporary files may lie: about twice the table's text, uncompressed. */
  readonly scratch: string;
  /** What a partition should weigh in memory, and what is sorted at once; by default 32 MB. */
  readonly partitionBytes?: number;
}

export class TableImage {
  readonly table: Table;
  readonly position: Lsn;
  readonly buckets: ReadonlyMap<number, BucketSum>;
  readonly #directory: string;
  readonly #rows: PartitionFiles;
  readonly #places: Places;

  private constructor(table: Table, { position }: ImageRequest, merged: Merged) {
    this.table = table;
    this.position = position;
    this.buckets = merged.buckets;
    this.#directory = merged.directory;
    this.#rows = merged.rows;
    this.#places = merged.places;
  }

  /** Throws TARGET_DAMAGED where the files do not tell the table exactly at that position. */
  static async make(request: ImageRequest): Promise<TableImage> {
    const { files, scratch } = request;
    const directory = await makeScratch(scratch, { bytes: leastBytes(request), what: files.table.id });
    try {
      return new TableImage(request.files.table, request, await mergeTable(request, directory));
    } catch (error) {
      await removeScratch(directory);
      throw error;
    }
  }

  /** Of all rows. */
  digest(): BucketSum {
    return [...this.buckets.values()].reduce((all, { rows, sum }) => ({ rows: all.rows + rows, sum: all.sum + sum }), {
      rows: 0n,
      sum: 0n,
    });
  }

  get partitions(): number {
    return this.#rows.count;
  }

  /** The rows of a partition as COPY text, in blocks of a few megabytes (or one row). */
  async *copyText(partition: number): AsyncGenerator<{ readonly rows: number; readonly text: Buffer }> {
    let [lines, bytes]: [Buffer[], number] = [[], 0];
    for (const line of this.#rows.lines(partition)) {
      const text = Buffer.from(`${line.slice(PREFIX_LENGTH)}\n`, "latin1");
      lines.push(text);
      bytes += text.length;
      if (bytes < BLOCK_BYTES) continue;
      yield { rows: lines.length, text: Buffer.concat(lines) };
      [lines, bytes] = [[], 0];
    }
    if (lines.length > 0) yield { rows: lines.length, text: Buffer.concat(lines) };
  }

  /** The rows of a partition, one by one. */
  async *rows(partition: number): AsyncGenerator<ImageRow> {
    const columns = this.table.columns.length;
    for (const line of this.#rows.lines(partition)) {
      const [md5, slot] = [line.slice(0, 32), Number.parseInt(line.slice(32, PREFIX_LENGTH), 16)];
      yield { md5, slot, row: parseRow(line.slice(PREFIX_LENGTH), columns) };
    }
  }

  /** Where a key's row is, if it is there. */
  partitionOf(key: Row): number {
    return this.#places.ofKey(key).partition;
  }

  async close(): Promise<void> {
    await removeScratch(this.#directory);
  }
}

/** A final line: MD5 of the row, 4 hex digits of the slot, COPY text. */
const PREFIX_LENGTH = 36;
const BLOCK_BYTES = 8 * 1024 * 1024;
/** Lines between two looks at what else there is to do in this process. */
const BREATH_LINES = 20_000;

interface Merged {
  readonly directory: string;
  readonly rows: PartitionFiles;
  readonly places: Places;
  readonly buckets: ReadonlyMap<number, BucketSum>;
}

async function mergeTable(request: ImageRequest, directory: string): Promise<Merged> {
  const moved = await movedKeys(request);
  const bytes = request.partitionBytes ?? PARTITION_BYTES;
  const hashed = partitionsFor(weightOf(request), bytes);
  const count = moved.isEmpty ? hashed : hashed + 1;
  const places = new Places(hashed, moved);
  const versions = await PartitionFiles.make(join(directory, "versions"), count);
  const truncates = await splitTable(request, versions, places);
  const rows = await PartitionFiles.make(join(directory, "rows"), count);
  const buckets = new Map<number, BucketSum>();
  const { table } = request.files;
  for (let partition = 0; partition < count; partition += 1) {
    const texts = new RowTexts(join(directory, "texts"), bytes);
    try {
      let lines = 0;
      for (const line of mergeVersions(table, { lines: versions.sorted(partition, bytes), truncates, texts })) {
        if (line === null) throw inexact(request);
        rows.add(partition, summed(line, table, buckets));
        lines += 1;
        if (lines % BREATH_LINES !== 0) continue;
        await setImmediate();
        request.signal.throwIfAborted();
      }
    } finally {
      texts.close();
    }
    await versions.remove(partition);
    request.signal.throwIfAborted();
  }
  rows.flush();
  return { directory, rows, places, buckets };
}

/** What is going to lie in the scratch directory at least: the rows that were read, and before each its place. */
function leastBytes({ files }: SplitRequest): number {
  return files.reads.reduce((sum, { record }) => sum + record.copyBytes + record.rows * (PREFIX_LENGTH + 1), 0);
}

function weightOf({ archive, files }: SplitRequest): { readonly bytes: number; readonly lines: number } {
  const { changes, bytes } = archive.changeBytes(files.table);
  return files.reads.reduce(
    (sum, { record }) => ({ bytes: sum.bytes + record.copyBytes, lines: sum.lines + record.rows + (record.keys?.length ?? 0) }),
    { bytes, lines: changes },
  );
}

interface MergeParts {
  /** Each a group and a version, in order. */
  readonly lines: Iterable<string>;
  readonly truncates: readonly string[];
  readonly texts: RowTexts;
}

/** The rows that are left, as COPY text; null for one that is not known whole. */
function* mergeVersions(table: Table, { lines, truncates, texts }: MergeParts): Generator<string | null> {
  const merged = table.key === null ? new RowBag() : new KeyedRows({ key: table.key, columns: table.columns.length, texts });
  let [group, emptied] = ["", 0];
  const emptiedBelow = (place: string | null): void => {
    const below = place === null ? truncates.length : countBelow(truncates, place);
    if (below > emptied) merged.truncate();
    emptied = below;
  };
  for (const line of lines) {
    const ofLine = line.slice(0, GROUP_LENGTH);
    if (ofLine !== group) {
      emptiedBelow(null);
      yield* merged.lines();
      merged.truncate();
      [group, emptied] = [ofLine, 0];
    }
    const version = line.slice(GROUP_LENGTH);
    if (truncates.length > 0) emptiedBelow(version);
    merged.take(parseVersion(version));
  }
  emptiedBelow(null);
  yield* merged.lines();
}

/** How many of the places, which are in order, come before this one. */
function countBelow(places: readonly string[], place: string): number {
  let [low, high] = [0, places.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((places[middle] as string) < place) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Adds the row to its bucket, and puts before it what a comparison asks for. */
function summed(line: string, table: Table, buckets: Map<number, BucketSum>): string {
  const row = parseRow(line, table.columns.length);
  const whole = hashText(rowText(row));
  const slot = table.key === null ? whole.slot : hashText(rowText(table.key.map((index) => row[index] ?? null))).slot;
  const bucket = bucketOf(slot);
  const sum = buckets.get(bucket) ?? { rows: 0n, sum: 0n };
  sum.rows += 1n;
  sum.sum += whole.sum;
  buckets.set(bucket, sum);
  return whole.md5 + slot.toString(16).padStart(4, "0") + line;
}

function inexact({ files, position }: SplitRequest): PghaulError {
  const { id } = files.table;
  return new PghaulError("TARGET_DAMAGED", `${id}: the files do not hold every row at ${formatLsn(position)}`, {
    context: { table: id, lsn: formatLsn(position) },
    suggestion: "Start over with another target directory and another state directory.",
  });
}
