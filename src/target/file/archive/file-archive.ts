/**
 * Reading the directory of a file target, also while it is written: what counts never changes, and only grows. Each file is checked against its
 * sidecar before anything of it is used, and the changes against their chain.
 */
import { join } from "node:path";
import { PghaulError } from "../../../errors/pghaul-error.ts";
import { formatLsn, type Lsn, maxLsn } from "../../../model/lsn.ts";
import type { Table } from "../../../model/table.ts";
import { checkChain } from "../changes/accepted.ts";
import { type PlacedChange, parseLine, placedChange } from "../changes/change-line.ts";
import { damaged } from "../file-error.ts";
import { readOwned } from "../open-directory.ts";
import { linesOf, wholeLines } from "../rows/lines.ts";
import { readRows, rowSuffix } from "../rows/row-files.ts";
import { checkData, readData, suffixOf } from "../storage/data-file.ts";
import { listChanges, listTables, openTable, type ReadFile, type TableFiles } from "../storage/directory.ts";
import { CHANGES, changesName, POSITION, readName } from "../storage/layout.ts";
import { type ChangesRecord, type Manifest, readChangesRecord, readPosition } from "../storage/record.ts";

/** Which changes of a table are asked for: commit LSN in [from, to). */
export interface ChangesRequest {
  readonly table: Table;
  readonly from: Lsn;
  readonly to: Lsn;
  /** Only files with an update of the key whose columns the stream did not carry whole. */
  readonly movesOnly?: boolean;
}

export class FileArchive {
  readonly root: string;
  readonly manifest: Manifest;
  /** How far the changes reach; null where there are none yet. */
  readonly position: Lsn | null;
  readonly #changes: readonly ChangesRecord[];

  private constructor(root: string, manifest: Manifest, { position, changes }: ReadChanges) {
    this.root = root;
    this.manifest = manifest;
    this.position = position;
    this.#changes = changes;
  }

  /**
   * What the directory holds now; `before` spares reading again what it knows. Throws TARGET_FOREIGN where there is no target, TARGET_NEWER, and
   * TARGET_DAMAGED where a file of changes is missing.
   */
  static async open(root: string, before?: FileArchive): Promise<FileArchive> {
    const manifest = before?.manifest ?? (await readOwned(root));
    if (manifest === null) throw new PghaulError("TARGET_FOREIGN", `pghaul did not write ${root}: there is no pghaul.json`);
    return new FileArchive(root, manifest, await readChanges(root, before === undefined ? [] : before.#changes));
  }

  tables(): Promise<readonly TableFiles[]> {
    return listTables(this.root);
  }

  /** One table, or null where nothing of it was written. */
  table(id: string): Promise<TableFiles | null> {
    return openTable(this.root, id);
  }

  /** The rows of a chunk or a re-read as COPY text, in blocks of whole lines. Throws TARGET_DAMAGED before the first. */
  async *rows({ directory, table }: TableFiles, read: ReadFile): AsyncGenerator<Buffer> {
    const path = join(directory, `${readName(read)}${rowSuffix(this.manifest)}`);
    await checkData(path, read.record);
    yield* readRows(path, table, this.manifest);
  }

  /** Changes in commit order. Throws TARGET_DAMAGED. */
  async *changes({ table, from, to, movesOnly = false }: ChangesRequest): AsyncGenerator<PlacedChange> {
    for (const record of this.#changes) {
      const counts = record.tables[table.id];
      if (record.to <= from || record.from >= to || counts === undefined || (movesOnly && counts.moves === 0)) continue;
      yield* this.#changesOf(record, { table, from, to });
    }
  }

  /** How much there is of a table in the files of changes, as JSON. */
  changeBytes(table: Table): { readonly changes: number; readonly bytes: number } {
    return this.#changes.reduce(
      (sum, { tables }) => ({
        changes: sum.changes + (tables[table.id]?.changes ?? 0),
        bytes: sum.bytes + (tables[table.id]?.jsonBytes ?? 0),
      }),
      { changes: 0, bytes: 0 },
    );
  }

  async *#changesOf(record: ChangesRecord, { table, from, to }: ChangesRequest): AsyncGenerator<PlacedChange> {
    const { compression } = this.manifest;
    const path = join(this.root, CHANGES, `${changesName(record.from, record.to)}.jsonl${suffixOf(compression)}`);
    await checkData(path, record);
    // Quotes inside of a value are escaped, so that no value looks like this; a column of the name may, and is told apart by parsing.
    const mark = `"table":${JSON.stringify(table.id)}`;
    try {
      for await (const block of wholeLines(readData(path, compression))) {
        for (const [start, end] of linesOf(block)) {
          const line = block.toString("utf8", start, end);
          if (!line.includes(mark)) continue;
          const parsed = parseLine(line);
          if (parsed.table === table.id && parsed.lsn >= from && parsed.lsn < to) yield placedChange(parsed, table);
        }
      }
    } catch (error) {
      throw error instanceof RangeError ? damaged(path, error.message, error) : error;
    }
  }
}

/** How far the changes reach, at the cost of one small file, or of a listing where that does not suffice. */
export async function acceptedPosition(root: string, wanted: Lsn): Promise<Lsn | null> {
  const position = (await readPosition(join(root, POSITION)))?.position ?? null;
  if (position !== null && position >= wanted) return position;
  const last = (await listChanges(root)).at(-1)?.to ?? null;
  return last === null || position === null ? (last ?? position) : maxLsn(last, position);
}

interface ReadChanges {
  readonly position: Lsn | null;
  readonly changes: readonly ChangesRecord[];
}

async function readChanges(root: string, known: readonly ChangesRecord[]): Promise<ReadChanges> {
  // Before the listing: read behind it, it could tell of a file that came in between.
  const position = await readPosition(join(root, POSITION));
  const stretches = await listChanges(root);
  checkChain(root, stretches, position);
  const byFrom = new Map(known.map((record) => [record.from, record]));
  const changes: ChangesRecord[] = [];
  for (const { from, to } of stretches) {
    const path = join(root, CHANGES, `${changesName(from, to)}.json`);
    const record = byFrom.get(from) ?? (await readChangesRecord(path));
    const previous = changes.at(-1)?.sha256 ?? null;
    if (record.previous !== previous)
      throw damaged(path, `the file before it, at ${formatLsn(from)}, is not the one that it was written after`);
    changes.push(record);
  }
  const end = changes.at(-1)?.to ?? null;
  return { position: end === null ? (position?.position ?? null) : maxLsn(end, position?.position ?? 0n), changes };
}
