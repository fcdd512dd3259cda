/**
 * Changes as lines of JSON, one a change:
 *
 *     {"lsn":"0/16B3748","ord":3,"xid":"1234","at":"2026-11-27T06:31:48.000000Z","table":"shop.orders","op":"update",
 *      "key":{"id":"7"},"old":{"id":"6"},"row":{"id":"7","state":"paid"},"unchanged":["doc"]}
 *
 * `lsn` is the commit record's. `key` is the key of the row as it is afterwards (of a delete: as it was), null without a key. `old` is there for
 * an update of the key, the old one, and where there is no key, the whole old row. `unchanged` names the columns that the stream does not carry.
 */
import type { Change, TransactionHeader } from "../../../model/change.ts";
import { formatLsn, type Lsn, parseLsn } from "../../../model/lsn.ts";
import type { Table } from "../../../model/table.ts";
import { type PartialRow, type Row, UNCHANGED } from "../../../model/value.ts";
import { fromJsonValue, toJsonValue } from "./json-value.ts";

/** A change with its place: `ordinal` counts changes in the transaction. */
export interface PlacedChange {
  readonly lsn: Lsn;
  readonly ordinal: number;
  readonly xid: bigint;
  readonly change: Change;
}

/** Writes the changes of one table. */
export class ChangeLines {
  readonly #table: Table;
  readonly #tableText: string;
  /** `"name":` of each column. */
  readonly #names: readonly string[];

  constructor(table: Table) {
    this.#table = table;
    this.#tableText = JSON.stringify(table.id);
    this.#names = table.columns.map(({ name }) => `${JSON.stringify(name)}:`);
  }

  /** With its newline. A TRUNCATE of several tables has a line for each. */
  encode(header: TransactionHeader, ordinal: number, change: Change): string {
    const { commitLsn, xid, commitMicros } = header;
    const place = `{"lsn":"${formatLsn(commitLsn)}","ord":${ordinal},"xid":"${xid}","at":"${isoMicros(commitMicros)}"`;
    return `${place},"table":${this.#tableText},${this.#operation(change)}}\n`;
  }

  #operation(change: Change): string {
    switch (change.kind) {
      case "insert":
        return `"op":"insert","key":${this.#keyOf(change.row)},"row":${this.#row(change.row)}`;
      case "update":
        return this.#update(change);
      case "delete":
        return `"op":"delete","key":${this.#key(change.oldKey)}`;
      case "update-row":
        return `"op":"update","key":null,"old":${this.#row(change.old)},"row":${this.#row(change.row)}`;
      case "delete-row":
        return `"op":"delete","key":null,"old":${this.#row(change.old)}`;
      case "truncate":
        return `"op":"truncate"`;
    }
  }

  #update({ oldKey, row }: Extract<Change, { kind: "update" }>): string {
    const old = oldKey === null ? "" : `,"old":${this.#key(oldKey)}`;
    const unknown = this.#table.columns.filter((_, index) => row[index] === UNCHANGED).map(({ name }) => name);
    const unchanged = unknown.length === 0 ? "" : `,"unchanged":${JSON.stringify(unknown)}`;
    return `"op":"update","key":${this.#keyOf(row)}${old},"row":${this.#row(row)}${unchanged}`;
  }

  #row(row: PartialRow): string {
    const members = row.flatMap((value, index) => (value === UNCHANGED ? [] : [this.#member(index, value as string | null)]));
    return `{${members.join(",")}}`;
  }

  #keyOf(row: PartialRow): string {
    const { key } = this.#table;
    return key === null ? "null" : this.#key(key.map((index) => row[index] as string));
  }

  #key(values: Row): string {
    return `{${values.map((value, place) => this.#member(this.#table.key?.[place] ?? 0, value)).join(",")}}`;
  }

  #member(index: number, value: string | null): string {
    return `${this.#names[index]}${JSON.stringify(toJsonValue(value))}`;
  }
}

/** What a line says before its row is looked at. */
export interface ParsedLine {
  readonly lsn: Lsn;
  readonly ordinal: number;
  readonly xid: bigint;
  readonly table: string;
  readonly op: string;
  readonly members: Readonly<Record<string, unknown>>;
}

/** Throws a RangeError for what is no change. */
export function parseLine(line: string): ParsedLine {
  const members = asRecord(parsedJson(line));
  const { lsn, ord, xid, table, op } = members;
  if (typeof lsn !== "string" || typeof ord !== "number" || typeof xid !== "string" || typeof table !== "string" || typeof op !== "string")
    throw new RangeError("a line is no change");
  return { lsn: parseLsn(lsn), ordinal: ord, xid: BigInt(xid), table, op, members };
}

/** The change that a line tells of, its values in the order of the table's columns. Throws a RangeError where it does not fit the table. */
export function placedChange({ lsn, ordinal, xid, op, members }: ParsedLine, table: Table): PlacedChange {
  return { lsn, ordinal, xid, change: changeOf(op, members, table) };
}

function changeOf(op: string, { key, old, row, unchanged }: Readonly<Record<string, unknown>>, table: Table): Change {
  const id = table.id;
  if (op === "truncate") return { kind: "truncate", tables: [id] };
  if (op === "insert") return { kind: "insert", table: id, row: wholeRow(row, table) };
  if (op === "delete" && table.key === null) return { kind: "delete-row", table: id, old: wholeRow(old, table) };
  if (op === "delete") return { kind: "delete", table: id, oldKey: keyRow(key, table) };
  if (op !== "update") throw new RangeError(`"${op}" is no change`);
  if (table.key === null) return { kind: "update-row", table: id, old: wholeRow(old, table), row: wholeRow(row, table) };
  const unknown = new Set(Array.isArray(unchanged) ? unchanged : []);
  const known = asRecord(row);
  const values = table.columns.map(({ name }) => (unknown.has(name) ? UNCHANGED : member(known, name)));
  return { kind: "update", table: id, oldKey: old === undefined ? null : keyRow(old, table), row: values };
}

function wholeRow(json: unknown, { columns }: Table): Row {
  const values = asRecord(json);
  return columns.map(({ name }) => member(values, name));
}

function keyRow(json: unknown, { columns, key }: Table): Row {
  const values = asRecord(json);
  return (key ?? []).map((index) => member(values, columns[index]?.name ?? ""));
}

function member(values: Readonly<Record<string, unknown>>, name: string): string | null {
  if (!Object.hasOwn(values, name)) throw new RangeError(`column ${JSON.stringify(name)} is missing in a change`);
  return fromJsonValue(values[name]);
}

function asRecord(json: unknown): Readonly<Record<string, unknown>> {
  if (typeof json !== "object" || json === null) throw new RangeError("a line is no change");
  return json as Readonly<Record<string, unknown>>;
}

function parsedJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch (error) {
    throw new RangeError("a line is no JSON", { cause: error });
  }
}

function isoMicros(micros: bigint): string {
  const inSecond = ((micros % 1_000_000n) + 1_000_000n) % 1_000_000n;
  const seconds = (micros - inSecond) / 1_000_000n;
  return new Date(Number(seconds) * 1000).toISOString().replace(".000Z", `.${String(inSecond).padStart(6, "0")}Z`);
}
