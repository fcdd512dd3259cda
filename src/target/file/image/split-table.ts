/**
 * Spreads everything that is known of a table over partitions by its key (or row, where there is no key), so that each partition can be merged
 * alone.
 *
 * A row that moves to another key takes columns along that the stream did not carry, so both keys must lie in one partition. All keys of such
 * moves go to a partition of their own: they are found first, in the files whose sidecars tell of any.
 */
import { type Lsn, minLsn } from "../../../model/lsn.ts";
import { isVisible, parseSnapshot } from "../../../model/snapshot.ts";
import { type KeyText, keyText } from "../../../model/table.ts";
import { isComplete, type PartialRow, type Row } from "../../../model/value.ts";
import { copyFields } from "../../../postgres/copy-text.ts";
import type { FileArchive } from "../archive/file-archive.ts";
import type { PlacedChange } from "../changes/change-line.ts";
import { linesOf } from "../rows/lines.ts";
import type { ReadFile, TableFiles } from "../storage/directory.ts";
import { MovedKeys } from "./moved-keys.ts";
import type { PartitionFiles } from "./partition-files.ts";
import { hashText, rowText } from "./row-text.ts";
import { changeVersion, copyText, moveText, parseRow, partialText, readPrefix, versionPlace } from "./version-line.ts";

export interface SplitRequest {
  readonly archive: FileArchive;
  readonly files: TableFiles;
  /** Changes count below it. */
  readonly position: Lsn;
  readonly signal: AbortSignal;
}

/** Where a key's versions lie. */
export class Places {
  readonly #moved: MovedKeys;
  readonly #hashed: number;

  /** `hashed`: how many partitions there are beside the one of moved keys, which is the last. */
  constructor(hashed: number, moved: MovedKeys) {
    this.#hashed = hashed;
    this.#moved = moved;
  }

  ofKey(values: Row): Place {
    if (this.#moved.has(keyText(values))) return { partition: this.#hashed, group: MOVED_GROUP };
    return this.ofText(rowText(values));
  }

  ofText(text: string): Place {
    const { md5, slot } = hashText(text);
    return { partition: slot % this.#hashed, group: md5.slice(0, GROUP_LENGTH) };
  }
}

/** A partition, and what the versions of one key have in common there: they are merged group by group. */
export interface Place {
  readonly partition: number;
  /** 16 hex digits. Keys of one hash are in one group, and so are all moved keys. */
  readonly group: string;
}

export const GROUP_LENGTH = 16;
const MOVED_GROUP = "0".repeat(GROUP_LENGTH);

/** Keys of moves with unknown columns, old and new. */
export async function movedKeys({ archive, files, position }: SplitRequest): Promise<MovedKeys> {
  const keys = new MovedKeys();
  const { table } = files;
  if (table.key === null) return keys;
  for await (const { change } of archive.changes({ table, from: lowestFloor(files), to: position, movesOnly: true })) {
    if (change.kind !== "update" || change.oldKey === null || isComplete(change.row)) continue;
    keys.add(keyText(change.oldKey)).add(keyText(keyOf(table.key, change.row)));
  }
  return keys;
}

/** Fills the partitions with lines of a group and a version; returns the places of the versions at which the table was emptied, in order. */
export async function splitTable(request: SplitRequest, partitions: PartitionFiles, places: Places): Promise<readonly string[]> {
  const { archive, files, position, signal } = request;
  const parts = { files, partitions, places };
  const split: Split = files.table.key === null ? new BagSplit(parts) : new KeyedSplit(parts);
  for (const read of files.reads) {
    for await (const block of archive.rows(files, read)) {
      signal.throwIfAborted();
      for (const [start, end] of linesOf(block)) split.row(read, block, [start, end]);
    }
    split.readEnded(read);
  }
  for await (const change of archive.changes({ table: files.table, from: lowestFloor(files), to: position })) {
    signal.throwIfAborted();
    split.change(change);
  }
  return split.truncates;
}

/** What is older than every read is contained in them. */
function lowestFloor({ reads, since }: TableFiles): Lsn {
  return reads.reduce<Lsn | null>((low, { record }) => minLsn(low ?? record.floor, record.floor), null) ?? since ?? 0n;
}

/** What the rows of reads and the changes become. */
interface Split {
  readonly truncates: readonly string[];
  row(read: ReadFile, block: Buffer, line: readonly [start: number, end: number]): void;
  readEnded(read: ReadFile): void;
  change(placed: PlacedChange): void;
}

interface SplitParts {
  readonly files: TableFiles;
  readonly partitions: PartitionFiles;
  readonly places: Places;
}

class KeyedSplit implements Split {
  readonly truncates: string[] = [];
  readonly #key: readonly number[];
  readonly #parts: SplitParts;
  /** Keys with a row in the re-read that is being split. */
  readonly #found = new Set<KeyText>();

  constructor(parts: SplitParts) {
    this.#parts = parts;
    this.#key = parts.files.table.key ?? [];
  }

  row({ record }: ReadFile, block: Buffer, [start, end]: readonly [number, number]): void {
    const key = copyFields(block, start, end, this.#key);
    if (record.keys !== null) this.#found.add(keyText(key));
    this.#add(key, readPrefix(record, "read") + block.toString("latin1", start, end));
  }

  readEnded({ record }: ReadFile): void {
    for (const key of record.keys ?? []) if (!this.#found.has(keyText(key))) this.#add(key, readPrefix(record, "absent") + copyText(key));
    this.#found.clear();
  }

  change({ lsn, ordinal, change }: PlacedChange): void {
    const place = versionPlace(lsn, ordinal);
    if (change.kind === "truncate") this.truncates.push(place);
    else if (change.kind === "insert") this.#add(keyOf(this.#key, change.row), changeVersion(place, "put", copyText(change.row)));
    else if (change.kind === "delete") this.#add(change.oldKey, changeVersion(place, "delete", copyText(change.oldKey)));
    else if (change.kind === "update") this.#update(place, change);
    else throw new RangeError("a change without a key, of a table with one");
  }

  #update(place: string, { oldKey, row }: { readonly oldKey: Row | null; readonly row: PartialRow }): void {
    const key = keyOf(this.#key, row);
    if (!isComplete(row)) {
      this.#add(
        key,
        oldKey === null ? changeVersion(place, "patch", partialText(row)) : changeVersion(place, "move", moveText(oldKey, row)),
      );
      return;
    }
    if (oldKey !== null) this.#add(oldKey, changeVersion(place, "delete", copyText(oldKey)));
    this.#add(key, changeVersion(place, "put", copyText(row)));
  }

  #add(key: Row, line: string): void {
    const { partition, group } = this.#parts.places.ofKey(key);
    this.#parts.partitions.add(partition, group + line);
  }
}

class BagSplit implements Split {
  readonly truncates: string[] = [];
  readonly #parts: SplitParts;
  /** Whether the rows that were read are behind a transaction already. */
  readonly #contained: (lsn: Lsn, xid: bigint) => boolean;

  constructor(parts: SplitParts) {
    this.#parts = parts;
    const reads = parts.files.reads.flatMap(({ record: { hi, view } }) => (view === null ? [] : { hi, snapshot: parseSnapshot(view) }));
    this.#contained = (lsn, xid) => reads.some(({ hi, snapshot }) => lsn < hi && isVisible(snapshot, xid));
  }

  row({ record }: ReadFile, block: Buffer, [start, end]: readonly [number, number]): void {
    const row = parseRow(block.toString("latin1", start, end), this.#parts.files.table.columns.length);
    this.#add(row, readPrefix(record, "read") + copyText(row));
  }

  readEnded(): void {}

  change({ lsn, ordinal, xid, change }: PlacedChange): void {
    if (this.#contained(lsn, xid)) return;
    const place = versionPlace(lsn, ordinal);
    if (change.kind === "truncate") this.truncates.push(place);
    if (change.kind === "update-row" || change.kind === "delete-row")
      this.#add(change.old, changeVersion(place, "delete", copyText(change.old)));
    if (change.kind === "update-row" || change.kind === "insert") this.#add(change.row, changeVersion(place, "put", copyText(change.row)));
  }

  #add(row: Row, line: string): void {
    const { partition, group } = this.#parts.places.ofText(rowText(row));
    this.#parts.partitions.add(partition, group + line);
  }
}

function keyOf(key: readonly number[], row: readonly (string | null | symbol)[]): Row {
  return key.map((index) => row[index] as string | null);
}
