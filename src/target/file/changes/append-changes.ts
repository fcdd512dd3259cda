import type { AppendedStretch } from "../../../engine/ports/version-target.ts";
import type { Change, TransactionPiece } from "../../../model/change.ts";
import type { Table } from "../../../model/table.ts";
import { UNCHANGED } from "../../../model/value.ts";
import { type Compression, type StoredFile, writeData } from "../storage/data-file.ts";
import type { ChangesRecord } from "../storage/record.ts";
import { ChangeLines } from "./change-line.ts";

/** What went into a file of changes. */
export interface WrittenChanges {
  readonly stretch: AppendedStretch;
  readonly changes: number;
  readonly tables: ChangesRecord["tables"];
  /** Null: there was no change, and there is no file. */
  readonly stored: StoredFile | null;
}

const BUFFER_CHARACTERS = 256 * 1024;

/** Streams pieces into a file of JSON lines, however large a transaction is; made with the first change. */
export async function writeChanges(
  path: string,
  pieces: AsyncIterable<TransactionPiece>,
  {
    tables,
    compression,
    close,
  }: { readonly tables: ReadonlyMap<string, Table>; readonly compression: Compression; readonly close: () => AppendedStretch },
): Promise<WrittenChanges> {
  const lines = new Lines(tables);
  const text = lines.of(pieces)[Symbol.asyncIterator]();
  const first = await text.next();
  const stored = first.done === true ? null : await writeData(path, following(first.value, text), compression);
  return { stretch: close(), changes: lines.changes, tables: Object.fromEntries(lines.counts), stored };
}

/** A file of changes that is being written: where it ends is not known yet. */
export const OPEN_CHANGES = ".open.partial";

class Lines {
  readonly #tables: ReadonlyMap<string, Table>;
  readonly #writers = new Map<string, ChangeLines>();
  readonly counts = new Map<string, ChangesRecord["tables"][string]>();
  changes = 0;

  constructor(tables: ReadonlyMap<string, Table>) {
    this.#tables = tables;
  }

  async *of(pieces: AsyncIterable<TransactionPiece>): AsyncGenerator<Buffer> {
    let text = "";
    for await (const { header, firstOrdinal, changes } of pieces) {
      for (const [place, change] of changes.entries()) {
        for (const id of change.kind === "truncate" ? change.tables : [change.table]) {
          const writer = this.#writerOf(id);
          if (writer === null) continue;
          const line = writer.encode(header, firstOrdinal + place, change);
          this.#count(id, change, line.length);
          text += line;
        }
        if (text.length < BUFFER_CHARACTERS) continue;
        yield Buffer.from(text, "utf8");
        text = "";
      }
    }
    if (text !== "") yield Buffer.from(text, "utf8");
  }

  #writerOf(id: string): ChangeLines | null {
    const known = this.#writers.get(id);
    const table = this.#tables.get(id);
    if (known !== undefined || table === undefined) return known ?? null;
    const writer = new ChangeLines(table);
    this.#writers.set(id, writer);
    return writer;
  }

  #count(id: string, change: Change, bytes: number): void {
    const counts = this.counts.get(id) ?? { changes: 0, moves: 0, jsonBytes: 0 };
    counts.changes += 1;
    counts.jsonBytes += bytes;
    if (change.kind === "update" && change.oldKey !== null && change.row.includes(UNCHANGED)) counts.moves += 1;
    this.counts.set(id, counts);
    this.changes += 1;
  }
}

async function* following(first: Buffer, rest: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  yield first;
  for (let next = await rest.next(); next.done !== true; next = await rest.next()) yield next.value;
}
