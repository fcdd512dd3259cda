/**
 * CSV as RFC 4180 has it and as PostgreSQL reads it back: a header, NULL an empty field without quotes, the empty string `""`. Everything is a
 * byte string (see `model/value.ts`).
 */
import { encodeCopyLine, parseCopyLine } from "../../../postgres/copy-text.ts";

/** What makes quotes necessary. A backslash is among it: an unquoted `\.` alone on its line ends the data for a server older than 18. */
const NEEDS_QUOTES = /[",\r\n\\]|^$/;
const DIFFERS = /[",\\]/;

/** The header's record and what ends it. */
export function csvRecord(values: readonly (string | null)[]): string {
  return `${values.map((value) => (value === null ? "" : quoted(value))).join(",")}\n`;
}

/** One line of COPY text, without its newline, as a record. */
export function csvOfCopyLine(line: string, columns: number): string {
  if (isPlain(line)) return `${line.replaceAll("\t", ",")}\n`;
  return csvRecord(columns === 0 ? [] : parseCopyLine(line));
}

/** The way back: a record, without its newline, as a line of COPY text. Throws a RangeError on what is no record. */
export function copyLineOfCsv(record: string, columns: number): string {
  const values = parseRecord(record, columns);
  if (values.length !== columns) throw new RangeError(`a record has ${values.length} fields, and the table ${columns} columns`);
  return encodeCopyLine(values);
}

/** Gathers text, cut anywhere, into records: a newline within quotes ends none. */
export class CsvRecords {
  #open = "";
  #inQuotes = false;

  /** The records that end in this piece. */
  *push(text: string): Generator<string> {
    let start = 0;
    for (let at = 0; at < text.length; at += 1) {
      const code = text.charCodeAt(at);
      if (code === 0x22) this.#inQuotes = !this.#inQuotes;
      else if (code === 0x0a && !this.#inQuotes) {
        yield this.#open + text.slice(start, at);
        this.#open = "";
        start = at + 1;
      }
    }
    this.#open += text.slice(start);
  }

  /** Throws a RangeError when the last record has no end. */
  end(): void {
    if (this.#open !== "") throw new RangeError("the last record has no end");
  }
}

function quoted(value: string): string {
  return NEEDS_QUOTES.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
}

/** Only the separators differ: no quote, no escape or NULL, no empty field. */
function isPlain(line: string): boolean {
  return !DIFFERS.test(line) && line !== "" && !line.startsWith("\t") && !line.endsWith("\t") && !line.includes("\t\t");
}

function parseRecord(record: string, columns: number): (string | null)[] {
  if (columns === 0 && record === "") return [];
  if (!record.includes('"')) return record.split(",").map((field) => (field === "" ? null : field));
  const values: (string | null)[] = [];
  for (let at = 0; at <= record.length; at += 1) {
    const end = record[at] === '"' ? closingQuote(record, at) + 1 : endOfBare(record, at);
    const field = record.slice(at, end);
    if (end < record.length && record[end] !== ",") throw new RangeError("a quote is in a place where none can be");
    values.push(field.startsWith('"') ? field.slice(1, -1).replaceAll('""', '"') : field || null);
    at = end;
  }
  return values;
}

function endOfBare(record: string, from: number): number {
  const comma = record.indexOf(",", from);
  return comma === -1 ? record.length : comma;
}

function closingQuote(record: string, opening: number): number {
  for (let at = opening + 1; ; at += 2) {
    at = record.indexOf('"', at);
    if (at === -1) throw new RangeError("a quoted field has no end");
    if (record[at + 1] !== '"') return at;
  }
}
