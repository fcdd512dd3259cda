/**
 * A table as it is at a position, put together from its chunks, re-reads and changes on the disk of this machine: split into partitions, each
 * merged in memory. Memory: 32 MB of buffers, one partition (64 MB of text and objects or so, while the table has less than 128 GB; more in
 * proportion), the keys of moves with unknown columns, and their rows.
 */
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { PghaulError } from "../../../errors/pghaul-error.ts";
import { formatLsn, type Lsn } from "../../../model/lsn.ts";
import type { Table } from "../../../model/table.ts";
import type { Row } from "../../../model/value.ts";
import { onFiles } from "../file-error.ts";
import { RowBag } from "./merge-bag.ts";
import { KeyedRows } from "./merge-keyed.ts";
import { PARTITION_BYTES, PartitionFiles, partitionsFor } from "./partition-files.ts";
import { bucketOf, hashText, rowText } from "./row-text.ts";
import { movedKeys, Places, type SplitRequest, splitTable } from "./split-table.ts";
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
  /** What a partition may weigh in memory; by default 32 MB. */
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
    const { scratch } = request;
    await onFiles(scratch, () => mkdir(scratch, { recursive: true }));
    const directory = await onFiles(scratch, () => mkdtemp(join(scratch, "pghaul-image-")));
    try {
      return new TableImage(request.files.table, request, await mergeTable(request, directory));
    } catch (error) {
      await rm(directory, { recursive: true, force: true });
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

  /** The rows of a partition as COPY text. */
  async copyText(partition: number): Promise<{ readonly rows: number; readonly text: Buffer }> {
    const lines = await this.#rows.lines(partition);
    return { rows: lines.length, text: Buffer.from(lines.map((line) => `${line.slice(PREFIX_LENGTH)}\n`).join(""), "latin1") };
  }

  /** The rows of a partition, one by one. */
  async *rows(partition: number): AsyncGenerator<ImageRow> {
    const columns = this.table.columns.length;
    for (const line of await this.#rows.lines(partition)) {
      const [md5, slot] = [line.slice(0, 32), Number.parseInt(line.slice(32, PREFIX_LENGTH), 16)];
      yield { md5, slot, row: parseRow(line.slice(PREFIX_LENGTH), columns) };
    }
  }

  /** Where a key's row is, if it is there. */
  partitionOf(key: Row): number {
    return this.#places.ofKey(key);
  }

  async close(): Promise<void> {
    await rm(this.#directory, { recursive: true, force: true });
  }
}

/** A final line: MD5 of the row, 4 hex digits of the slot, COPY text. */
const PREFIX_LENGTH = 36;

interface Merged {
  readonly directory: string;
  readonly rows: PartitionFiles;
  readonly places: Places;
  readonly buckets: ReadonlyMap<number, BucketSum>;
}

async function mergeTable(request: ImageRequest, directory: string): Promise<Merged> {
  const moved = await movedKeys(request);
  const hashed = partitionsFor(weightOf(request), request.partitionBytes ?? PARTITION_BYTES);
  const count = moved.size === 0 ? hashed : hashed + 1;
  const places = new Places(hashed, moved);
  const versions = await PartitionFiles.make(join(directory, "versions"), count);
  const truncates = await splitTable(request, versions, places);
  const rows = await PartitionFiles.make(join(directory, "rows"), count);
  const buckets = new Map<number, BucketSum>();
  for (let partition = 0; partition < count; partition += 1) {
    request.signal.throwIfAborted();
    const lines = mergePartition(request.files.table, await versions.lines(partition), truncates);
    await versions.remove(partition);
    for (const line of lines) {
      if (line === null) throw inexact(request);
      rows.add(partition, summed(line, request.files.table, buckets));
    }
  }
  rows.flush();
  return { directory, rows, places, buckets };
}

function weightOf({ archive, files }: SplitRequest): { readonly bytes: number; readonly lines: number } {
  const { changes, bytes } = archive.changeBytes(files.table);
  return files.reads.reduce(
    (sum, { record }) => ({ bytes: sum.bytes + record.copyBytes, lines: sum.lines + record.rows + (record.keys?.length ?? 0) }),
    { bytes, lines: changes },
  );
}

/** The rows that are left, as COPY text; null for one that is not known whole. */
function mergePartition(table: Table, lines: string[], truncates: readonly string[]): Iterable<string | null> {
  const merged = table.key === null ? new RowBag() : new KeyedRows(table.key, table.columns.length);
  let next = 0;
  for (const line of lines.sort()) {
    for (; next < truncates.length && (truncates[next] as string) < line; next += 1) merged.truncate();
    merged.take(parseVersion(line));
  }
  if (next < truncates.length) merged.truncate();
  return merged.lines();
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
