/** Files of rows in the formats that a target may have. Outside of them rows are COPY text, as the source sent it. */
import { open, rm } from "node:fs/promises";
import { basename } from "node:path";
import type { Table } from "../../../model/table.ts";
import { toByteText } from "../../../model/value.ts";
import { damaged, onFiles } from "../file-error.ts";
import { type Compression, measureData, readData, type StoredFile, suffixOf, writeData } from "../storage/data-file.ts";
import { CsvRecords, copyLineOfCsv, csvOfCopyLine, csvRecord } from "./csv-text.ts";
import { linesOf, measureLines, wholeLines } from "./lines.ts";
import { FIRST_LINE, needsFiller, readParquet, writeParquet } from "./parquet.ts";

export type RowFormat = "copy" | "csv" | "parquet";

/** How the rows of a target are written. */
export interface RowFileKind {
  readonly format: RowFormat;
  readonly compression: Compression;
}

export type CopyText = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

/** `.copy.gz`; Parquet compresses inside. */
export function rowSuffix({ format, compression }: RowFileKind): string {
  return format === "parquet" ? ".parquet" : `.${format}${suffixOf(compression)}`;
}

/** Writes COPY text as a file of that kind, durably. Returns its rows, and how much COPY text it was. */
export async function writeRows(
  path: string,
  { table, copyText }: { readonly table: Table; readonly copyText: CopyText },
  { format, compression }: RowFileKind,
): Promise<{ readonly stored: StoredFile; readonly rows: number; readonly bytes: number }> {
  const counts = { rows: 0, bytes: 0, longest: 0 };
  const text = wholeLines(counted(copyText, counts));
  if (format === "parquet") {
    const plain = `${path}.copy.partial`;
    await writeData(plain, toPlain(table, measured(text, counts)), "none");
    await writeParquet({ copyText: plain, parquet: path }, table, { longest: counts.longest, compression });
    await rm(plain);
    return { stored: await syncAndMeasure(path), rows: counts.rows, bytes: counts.bytes };
  }
  const stored = await writeData(path, format === "csv" ? toCsv(table, text, counts) : measured(text, counts), compression);
  return { stored, rows: counts.rows, bytes: counts.bytes };
}

/** The rows of a file as COPY text, in blocks of whole lines. Throws TARGET_DAMAGED where it is none of that kind. */
export async function* readRows(path: string, table: Table, { format, compression }: RowFileKind): AsyncGenerator<Buffer> {
  try {
    if (format === "parquet") yield* readParquet(path, table);
    else if (format === "csv") yield* fromCsv(table, readData(path, compression));
    else yield* wholeLines(readData(path, compression));
  } catch (error) {
    if (error instanceof RangeError) throw damaged(basename(path), error.message, error);
    throw error;
  }
}

/** Of COPY text, not of what it becomes. */
interface Counts {
  rows: number;
  bytes: number;
  longest: number;
}

async function* counted(copyText: CopyText, counts: Counts): AsyncGenerator<Uint8Array> {
  for await (const piece of copyText) {
    counts.bytes += piece.length;
    yield piece;
  }
}

async function* measured(blocks: AsyncIterable<Buffer>, counts: Counts): AsyncGenerator<Buffer> {
  for await (const block of blocks) {
    const { lines, longest } = measureLines(block);
    counts.rows += lines;
    counts.longest = Math.max(counts.longest, longest);
    yield block;
  }
}

/** What DuckDB reads as it is meant. */
async function* toPlain(table: Table, blocks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  yield Buffer.from(FIRST_LINE);
  for await (const block of blocks) {
    if (needsFiller(table)) yield* inPieces(block, (line) => `\t${line}\n`);
    else yield block;
  }
}

async function* toCsv(table: Table, blocks: AsyncIterable<Buffer>, counts: Counts): AsyncGenerator<Buffer> {
  const columns = table.columns.length;
  yield Buffer.from(csvRecord(table.columns.map(({ name }) => toByteText(name))), "latin1");
  for await (const block of measured(blocks, counts)) yield* inPieces(block, (line) => csvOfCopyLine(line, columns));
}

async function* fromCsv(table: Table, pieces: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const records = new CsvRecords();
  let isHeader = true;
  for await (const piece of pieces) {
    let text = "";
    for (const record of records.push(piece.toString("latin1"))) {
      if (!isHeader) text += copyLineOfCsv(record, table.columns.length);
      isHeader = false;
    }
    if (text !== "") yield Buffer.from(text, "latin1");
  }
  records.end();
}

const PIECE_CHARACTERS = 256 * 1024;

/** Line by line into something else, a block being of any size. */
function* inPieces(block: Buffer, convert: (line: string) => string): Generator<Buffer> {
  let text = "";
  for (const [start, end] of linesOf(block)) {
    text += convert(block.toString("latin1", start, end));
    if (text.length < PIECE_CHARACTERS) continue;
    yield Buffer.from(text, "latin1");
    text = "";
  }
  if (text !== "") yield Buffer.from(text, "latin1");
}

/** Of a file that somebody else wrote for us: on the disk when this returns. */
async function syncAndMeasure(path: string): Promise<StoredFile> {
  const handle = await onFiles(path, () => open(path, "r+"));
  try {
    await onFiles(path, () => handle.sync());
  } finally {
    await handle.close();
  }
  return measureData(path);
}
