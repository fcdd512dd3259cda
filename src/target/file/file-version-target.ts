/**
 * A directory as the target of a migration: rows and changes as files, which settle when they are read. `storage/layout.ts` shows what is where,
 * docs/guides/files.md what is in it. One process writes, the one that holds the migration's lease.
 *
 * What this object knows of the directory is read once, when it is opened, and kept in step with what it writes.
 */
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { AppendedStretch, PendingMove, VersionedRead, VersionProgress, VersionTarget } from "../../engine/ports/version-target.ts";
import type { ChunkRows, CrashPoints } from "../../engine/ports.ts";
import { PghaulError } from "../../errors/pghaul-error.ts";
import type { TransactionPiece } from "../../model/change.ts";
import type { Hold } from "../../model/hold.ts";
import { formatLsn, type Lsn, maxLsn } from "../../model/lsn.ts";
import { shellWord } from "../../model/shell-word.ts";
import type { SideName } from "../../model/side.ts";
import { keyText, type Table } from "../../model/table.ts";
import type { Row } from "../../model/value.ts";
import { encodeCopyLine } from "../../postgres/copy-text.ts";
import { type Accepted, positionOf, readAccepted } from "./changes/accepted.ts";
import { OPEN_CHANGES, type WrittenChanges, writeChanges } from "./changes/append-changes.ts";
import { onFiles } from "./file-error.ts";
import { type DirectoryOwner, openDirectory } from "./open-directory.ts";
import { type CopyText, rowSuffix, writeRows } from "./rows/row-files.ts";
import { suffixOf } from "./storage/data-file.ts";
import { listTables, type ReadFile, removeLeavings, type TableFiles } from "./storage/directory.ts";
import { keep, makeDirectory, writeDurably } from "./storage/durable.ts";
import {
  CHANGES,
  changesName,
  HELD,
  POSITION,
  PUBLISHED,
  partialName,
  type ReadName,
  readName,
  TABLE,
  TABLES,
  tablePart,
} from "./storage/layout.ts";
import {
  changesJson,
  type HeldRecord,
  positionJson,
  type ReadRecord,
  readJson,
  sameShape,
  type TableRecord,
  tableJson,
} from "./storage/record.ts";

export interface FileTargetOptions {
  /** Absolute. */
  readonly directory: string;
  readonly owner: DirectoryOwner;
  readonly side: SideName;
  readonly crashPoint: CrashPoints;
}

/** A table's newest generation, as it grows. */
interface OpenTable extends TableRecord {
  table: Table;
  readonly generation: number;
  readonly directory: string;
  readonly reads: ReadFile[];
  /** How many point re-reads were begun. */
  keysReads: number;
  published: Lsn | null;
  held: HeldRecord | null;
}

export class FileVersionTarget implements VersionTarget {
  readonly side: SideName;
  readonly carriesMoves = true;
  /** A file each: few enough to be listed after weeks, and close enough behind the source for a look at them. */
  readonly cadence = { bytes: 32 * 1024 * 1024, millis: 2_000 };
  readonly #options: FileTargetOptions;
  readonly #tables: Map<string, OpenTable>;
  /** By table; a generation is made once, whoever asks first. */
  readonly #opening = new Map<string, Promise<OpenTable>>();
  #accepted: Accepted;
  #failure: { readonly error: unknown } | null = null;

  private constructor(options: FileTargetOptions, tables: readonly TableFiles[], accepted: Accepted) {
    this.side = options.side;
    this.#options = options;
    this.#tables = new Map(tables.map((files) => [files.table.id, openTable(files)]));
    this.#accepted = accepted;
  }

  /** Opens the directory, or makes it, and removes what a crash left there. Throws as `openDirectory`, and TARGET_DAMAGED. */
  static async open(options: FileTargetOptions): Promise<FileVersionTarget> {
    const { directory, owner, crashPoint } = options;
    await openDirectory(directory, owner, crashPoint);
    // First: what is damaged is told, and nothing is cleaned up around it.
    const tables = await listTables(directory);
    await removeLeavings(directory);
    const target = new FileVersionTarget(options, tables, await readAccepted(directory, tables));
    // A crash may have come between the last file of changes and this.
    await target.#notePosition(target.#accepted);
    return target;
  }

  async progress(): Promise<VersionProgress> {
    const loaded = [...this.#tables.values()].filter(
      ({ reads, published, held }) => reads.length > 0 || published !== null || held !== null,
    );
    const chunks = loaded.flatMap(({ reads }) => reads.filter(({ kind }) => kind === "chunk"));
    return {
      accepted: this.#accepted.position,
      durable: this.#accepted.position,
      tables: new Map(loaded.map((files) => [files.table.id, progressOf(files)])),
      loadedChunks: new Set(chunks.map(({ number }) => number)),
      pending: this.#accepted.pending.filter((move) => isOpen(move, this.#tables.get(move.table))),
    };
  }

  async loadChunk(table: Table, chunk: number, read: VersionedRead, rows: ChunkRows): Promise<void> {
    const files = await this.#open(table);
    if (loadedChunk(files, chunk) !== undefined) return;
    await this.#load(
      files,
      { kind: "chunk", number: chunk },
      { copyText: rows.copyText(), keys: null, confirm: () => Promise.resolve(read) },
    );
  }

  async loadWhole(
    table: Table,
    chunk: number,
    copyText: AsyncIterable<Uint8Array>,
    confirm: () => Promise<VersionedRead>,
  ): Promise<{ rows: number; bytes: number }> {
    const files = await this.#open(table);
    const known = loadedChunk(files, chunk);
    if (known === undefined) return this.#load(files, { kind: "chunk", number: chunk }, { copyText, keys: null, confirm });
    // What counts already stays; its file must not be written over while its sidecar tells of the old one.
    for await (const piece of copyText) void piece;
    return { rows: known.record.rows, bytes: known.record.copyBytes };
  }

  async loadKeys(table: Table, read: VersionedRead, keys: readonly Row[], rows: readonly Row[]): Promise<void> {
    const files = await this.#open(table);
    files.keysReads += 1;
    const copyText = rows.map((row) => Buffer.from(encodeCopyLine(row), "latin1"));
    await this.#load(files, { kind: "keys", number: files.keysReads }, { copyText, keys, confirm: () => Promise.resolve(read) });
  }

  async append(
    tables: ReadonlyMap<string, Table>,
    from: Lsn,
    pieces: AsyncIterable<TransactionPiece>,
    close: () => AppendedStretch,
  ): Promise<void> {
    if (this.#failure !== null) throw this.#failure.error;
    const { position } = this.#accepted;
    if (position !== null && position !== from)
      throw new PghaulError("BUG", `changes from ${formatLsn(from)} on do not follow ${formatLsn(position)}`);
    const path = join(this.#options.directory, CHANGES, OPEN_CHANGES);
    const compression = this.#options.owner.compression;
    const written = await writeChanges(path, this.#described(tables, pieces), { tables, compression, close });
    try {
      this.#accepted = await this.#accept(from, written);
    } catch (error) {
      // The file may be there or not: only who opens the directory anew knows where to go on.
      this.#failure = { error };
      throw error;
    }
  }

  /** Every file is closed when what wrote it returns. */
  close(): Promise<void> {
    return Promise.resolve();
  }

  settle(): Promise<Lsn | null> {
    return Promise.resolve(this.#accepted.position);
  }

  async publish(table: Table, position: Lsn): Promise<void> {
    const files = await this.#open(table);
    if (files.published !== null) return;
    await writeDurably(
      files.directory,
      PUBLISHED,
      { position: formatLsn(position), reads: files.reads.map(readName) },
      this.#options.crashPoint,
    );
    files.published = position;
  }

  async holdTable(table: Table, { reason, lsn }: Hold & { readonly lsn: Lsn }): Promise<void> {
    const files = this.#tables.get(table.id) ?? (await this.#open(table));
    if (files.held !== null) return;
    await writeDurably(files.directory, HELD, { lsn: formatLsn(lsn), reason }, this.#options.crashPoint);
    files.held = { lsn, reason };
  }

  /**
   * A new generation, empty, with the table's columns as they are now. What was loaded before counts no more with its name, and is removed, but
   * where it tells the table up to where it was held: then a restore may go back there.
   */
  async forgetTable(table: Table): Promise<void> {
    const known = this.#tables.get(table.id);
    if (known === undefined) return;
    const files = await this.#makeGeneration(table, known.generation + 1, this.#accepted.position);
    this.#tables.set(table.id, files);
    this.#opening.delete(table.id);
    if (known.published !== null && known.held !== null) return;
    await onFiles(known.directory, () => rm(known.directory, { recursive: true, force: true }));
  }

  /** Makes what was written count, and tells from where on the next must follow. */
  async #accept(from: Lsn, { stretch, changes, tables, stored }: WrittenChanges): Promise<Accepted> {
    const { directory, owner, crashPoint } = this.#options;
    const before = this.#accepted;
    const begin = before.begin ?? from;
    let [fileEnd, fileHash] = [before.fileEnd ?? begin, before.fileHash];
    if (stored !== null) {
      const name = changesName(fileEnd, stretch.to);
      const { transactions, pending } = stretch;
      const record = { ...stored, from: fileEnd, to: stretch.to, transactions, changes, previous: fileHash, tables, pending: [...pending] };
      const changesDirectory = join(directory, CHANGES);
      await keep(changesDirectory, { name: `${name}.jsonl${suffixOf(owner.compression)}`, partial: OPEN_CHANGES }, crashPoint);
      await writeDurably(changesDirectory, `${name}.json`, changesJson(record), crashPoint);
      [fileEnd, fileHash] = [stretch.to, stored.sha256];
    }
    const accepted = { begin, fileEnd, fileHash, position: stretch.to, pending: [...before.pending, ...stretch.pending] };
    await this.#notePosition(accepted);
    return accepted;
  }

  async #notePosition(accepted: Accepted): Promise<void> {
    const { directory, crashPoint } = this.#options;
    const position = positionOf(accepted);
    if (position !== null) await writeDurably(directory, POSITION, positionJson(position), crashPoint);
  }

  /** The same pieces; a table is described before the first of its changes is written. */
  async *#described(tables: ReadonlyMap<string, Table>, pieces: AsyncIterable<TransactionPiece>): AsyncGenerator<TransactionPiece> {
    const described = new Set<string>();
    for await (const piece of pieces) {
      for (const change of piece.changes) {
        for (const id of change.kind === "truncate" ? change.tables : [change.table]) {
          const table = tables.get(id);
          if (table === undefined || described.has(id)) continue;
          await this.#open(table);
          described.add(id);
        }
      }
      yield piece;
    }
  }

  async #load(files: OpenTable, name: ReadName, { copyText, keys, confirm }: NewRead): Promise<{ rows: number; bytes: number }> {
    const { owner, crashPoint } = this.#options;
    const data = `${readName(name)}${rowSuffix(owner)}`;
    const { table, directory } = files;
    const { stored, rows, bytes } = await writeRows(join(directory, partialName(data)), { table, copyText }, owner);
    const { floor, hi, view } = await confirm();
    const record: ReadRecord = { ...stored, rows, copyBytes: bytes, floor, hi, view, keys: keys === null ? null : [...keys] };
    await keep(directory, { name: data }, crashPoint);
    await writeDurably(directory, `${readName(name)}.json`, readJson(record), crashPoint);
    files.reads.push({ ...name, record });
    return { rows, bytes };
  }

  /** The table's newest generation, made where there is none. Throws SCHEMA_DRIFT when it holds rows of other columns. */
  async #open(table: Table): Promise<OpenTable> {
    let opening = this.#opening.get(table.id);
    if (opening === undefined) {
      const known = this.#tables.get(table.id);
      opening = known === undefined ? this.#makeGeneration(table, 1, null) : Promise.resolve(known);
      this.#opening.set(table.id, opening);
    }
    const files = await opening;
    this.#tables.set(table.id, files);
    if (!sameShape(files.table, table)) await this.#reshape(files, table);
    return files;
  }

  async #makeGeneration(table: Table, generation: number, since: Lsn | null): Promise<OpenTable> {
    const { directory, crashPoint } = this.#options;
    const parent = join(directory, TABLES, tablePart(table.id));
    await makeDirectory(parent);
    const partial = join(parent, partialName(String(generation)));
    await onFiles(partial, () => rm(partial, { recursive: true, force: true }));
    await onFiles(partial, () => mkdir(partial));
    await writeDurably(partial, TABLE, tableJson({ table, since }), crashPoint);
    await keep(parent, { name: String(generation) }, crashPoint);
    return { table, since, generation, directory: join(parent, String(generation)), reads: [], keysReads: 0, published: null, held: null };
  }

  /** Before anything was loaded its columns may change. */
  async #reshape(files: OpenTable, table: Table): Promise<void> {
    if (files.reads.length > 0)
      throw new PghaulError("SCHEMA_DRIFT", `the columns or the key of ${table.id} have changed since it was written`, {
        side: "target",
        context: { table: table.id },
        suggestion: `pghaul snapshot reload --table ${shellWord(table.id)}   # reads it again with the columns it has now`,
      });
    await writeDurably(files.directory, TABLE, tableJson({ table, since: files.since }), this.#options.crashPoint);
    files.table = table;
  }
}

function openTable(files: TableFiles): OpenTable {
  const keysReads = files.reads.reduce((last, { kind, number }) => (kind === "keys" ? Math.max(last, number) : last), 0);
  return { ...files, reads: [...files.reads], keysReads };
}

interface NewRead {
  readonly copyText: CopyText;
  readonly keys: readonly Row[] | null;
  readonly confirm: () => Promise<VersionedRead>;
}

function loadedChunk({ reads }: TableFiles, chunk: number): ReadFile | undefined {
  return reads.find(({ kind, number }) => kind === "chunk" && number === chunk);
}

function highest({ reads }: TableFiles): Lsn {
  return reads.reduce((hi, { record }) => maxLsn(hi, record.hi), 0n);
}

function progressOf(files: TableFiles): { readonly hi: Lsn; readonly published: Lsn | null; readonly held?: Hold } {
  const { published, held } = files;
  const progress = { hi: highest(files), published };
  return held === null ? progress : { ...progress, held: { reason: held.reason, sqlstate: null, lsn: held.lsn, key: null } };
}

/** Whether a move still waits for a point re-read: one whose snapshot contains it, or a load that does. */
function isOpen({ key, lsn }: PendingMove, files: TableFiles | undefined): boolean {
  if (files === undefined) return true;
  if (files.published !== null || files.held !== null) return false;
  // Of a table that is loaded anew, every read begins above.
  if (files.since !== null && lsn < files.since) return false;
  if (files.reads.length > 0 && files.reads.every(({ record }) => record.floor > lsn)) return false;
  const text = keyText(key);
  return !files.reads.some(({ record }) => record.floor > lsn && record.keys?.some((told) => keyText(told) === text) === true);
}
