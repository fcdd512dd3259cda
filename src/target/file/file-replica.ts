/** The files of a target as the side that a comparison sees as following: a table put together at the position that the changes reach. */
import { PghaulError } from "../../errors/pghaul-error.ts";
import type { Lsn } from "../../model/lsn.ts";
import { type KeyText, keyText, rowKey, type Table } from "../../model/table.ts";
import type { Row } from "../../model/value.ts";
import type { Digest, HashedRow, StartWait, TableSnapshot, VerifyReplica } from "../../verify/ports.ts";
import { acceptedPosition, FileArchive } from "./archive/file-archive.ts";
import { bucketOf, hashText, rowText } from "./image/row-text.ts";
import { TableImage } from "./image/table-image.ts";
import { sameShape } from "./storage/record.ts";

export interface FileReplicaOptions {
  readonly directory: string;
  /** Where temporary files may lie: about twice the text of the largest table. */
  readonly scratch: string;
  readonly startWait: StartWait;
}

/** Each look costs the reading of a file. */
const POLL_MILLIS = 200;

export class FileReplica implements VerifyReplica {
  readonly #options: FileReplicaOptions;
  /** What was known when a table was opened last. */
  #archive: FileArchive | undefined;

  constructor(options: FileReplicaOptions) {
    this.#options = options;
  }

  reach(lsn: Lsn, signal: AbortSignal): Promise<void> {
    const { directory, startWait } = this.#options;
    return startWait({ side: "target", lsn, pollMillis: POLL_MILLIS })(() => acceptedPosition(directory, lsn), signal);
  }

  /** Throws STREAM_NOT_RUNNING for a table that is not loaded yet, SCHEMA_DRIFT, and as `FileArchive.open`. */
  async openAt(table: Table, lsn: Lsn, signal: AbortSignal): Promise<{ snapshot: FileSnapshot; position: Lsn }> {
    await this.reach(lsn, signal);
    const archive = await FileArchive.open(this.#options.directory, this.#archive);
    this.#archive = archive;
    const files = await archive.table(table.id);
    if (files?.published == null || archive.position === null)
      throw new PghaulError("STREAM_NOT_RUNNING", `${table.id} is not loaded yet`, { context: { table: table.id } });
    if (!sameShape(files.table, table))
      throw new PghaulError("SCHEMA_DRIFT", `the columns or the key of ${table.id} have changed since it was written`, {
        side: "target",
        context: { table: table.id },
      });
    const position = archive.position;
    const image = await TableImage.make({ archive, files, position, signal, scratch: this.#options.scratch });
    return { snapshot: new FileSnapshot(image), position };
  }
}

/** The answers of a table's image. Only whole tables are compared: nobody here knows the order of keys. */
class FileSnapshot implements TableSnapshot {
  readonly #image: TableImage;

  constructor(image: TableImage) {
    this.#image = image;
  }

  async digest(range: null): Promise<Digest> {
    await this.#whole(range);
    return this.#image.digest();
  }

  async digestOfRows(rows: readonly Row[]): Promise<Digest> {
    return rows.reduce((all, row) => ({ rows: all.rows + 1n, sum: all.sum + hashText(rowText(row)).sum }), NOTHING);
  }

  async digestOfKeys(range: null, keys: readonly Row[]): Promise<Digest> {
    await this.#whole(range);
    return this.digestOfRows([...(await this.rows(keys)).values()]);
  }

  async buckets(range: null): Promise<ReadonlyMap<number, Digest>> {
    await this.#whole(range);
    return this.#image.buckets;
  }

  async rowHashes(range: null, buckets: readonly number[]): Promise<readonly HashedRow[]> {
    await this.#whole(range);
    const wanted = new Set(buckets);
    const key = this.#image.table.key ?? [];
    const hashes: HashedRow[] = [];
    for (let partition = 0; partition < this.#image.partitions; partition += 1) {
      for await (const { row, md5, slot } of this.#image.rows(partition)) {
        if (wanted.has(bucketOf(slot))) hashes.push({ hash: md5, key: key.map((index) => row[index] ?? null) });
      }
    }
    return hashes;
  }

  async rows(keys: readonly Row[]): Promise<ReadonlyMap<KeyText, Row>> {
    const key = this.#image.table.key as readonly number[];
    const found = new Map<KeyText, Row>();
    for (const [partition, asked] of Map.groupBy(keys, (values) => this.#image.partitionOf(values))) {
      const wanted = new Set(asked.map(keyText));
      for await (const { row } of this.#image.rows(partition)) {
        const text = rowKey(key, row);
        if (wanted.has(text)) found.set(text, row);
      }
    }
    return found;
  }

  async keysInRange(): Promise<ReadonlySet<KeyText>> {
    return this.#whole("a range");
  }

  close(): Promise<void> {
    return this.#image.close();
  }

  async #whole(range: unknown): Promise<never | ReadonlySet<KeyText>> {
    if (range !== null) throw new PghaulError("BUG", `${this.#image.table.id}: files are compared by whole tables`);
    return new Set();
  }
}

const NOTHING: Digest = { rows: 0n, sum: 0n };
