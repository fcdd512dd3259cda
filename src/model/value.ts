/**
 * One column's value as PostgreSQL's text output, byte for byte.
 *
 * It is held as a *latin1* JavaScript string: code unit n is byte n, whatever the encoding of the text. So any bytes survive
 * (SQL_ASCII databases included), equality of strings is equality of bytes, and V8 keeps one byte a character. Only what is
 * shown to a person is decoded (`displayText`). `null` is SQL NULL; `UNCHANGED` is pgoutput's 'u': a TOASTed value that the
 * UPDATE did not touch and the stream therefore does not carry (manual: "Logical Replication Message Formats"). It is not NULL.
 */
export type Value = string | null | typeof UNCHANGED;

export const UNCHANGED: unique symbol = Symbol("unchanged TOAST value");

/** A row with every value known, in the order of `Table.columns`. */
export type Row = readonly (string | null)[];

/** A row as an UPDATE carries it: some values may be `UNCHANGED`. */
export type PartialRow = readonly Value[];

/** True when no value is UNCHANGED. */
export function isComplete(row: PartialRow): row is Row {
  for (const value of row) if (value === UNCHANGED) return false;
  return true;
}

/** Puts the known values of `next` over `previous`. */
export function carryForward(previous: Row, next: PartialRow): Row {
  return next.map((value, index) => (value === UNCHANGED ? (previous[index] ?? null) : value));
}

/** The same over a row that may itself be incomplete. */
export function carryPartial(previous: PartialRow, next: PartialRow): PartialRow {
  return next.map((value, index) => (value === UNCHANGED ? (previous[index] ?? null) : value));
}

/** Bytes of a value for a person to read; not for the data path. */
export function displayText(value: string): string {
  return Buffer.from(value, "latin1").toString("utf8");
}

/** A JavaScript string (UTF-16) as the bytes that PostgreSQL would send under client_encoding UTF8. */
export function toByteText(text: string): string {
  return Buffer.from(text, "utf8").toString("latin1");
}
