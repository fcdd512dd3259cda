/**
 * Which relation of the stream is which table of the migration, and how its columns are ordered. A relation is known by its OID, which it
 * keeps under every name. Relations change while one reads on: a table that gains or loses a column, or whose column becomes another type,
 * is drift.
 */

import { PghaulError } from "../../errors/pghaul-error.ts";
import { formatLsn, type Lsn } from "../../model/lsn.ts";
import type { SideName } from "../../model/side.ts";
import type { Table } from "../../model/table.ts";
import type { PartialRow } from "../../model/value.ts";
import { decodeMessage } from "../../pgoutput/decode.ts";
import type { RelationMessage } from "../../pgoutput/messages.ts";

/** A relation whose columns fit its table. */
export interface MappedRelation {
  readonly table: Table;
  readonly relation: RelationMessage;
  /** Whether the replica identity tells the key's old values. */
  readonly identityHasKey: boolean;
  /** Puts a tuple of the relation into the order of `table.columns`. */
  order(tuple: PartialRow): PartialRow;
}

interface Known {
  readonly relation: RelationMessage;
  mapped: MappedRelation | null;
}

/** A segment's relation messages are looked at by every read; each is decoded once. */
const decoded = new WeakMap<Buffer, RelationMessage>();

export class RelationMap {
  /** By OID. */
  readonly #tables: ReadonlyMap<number, Table>;
  readonly #side: SideName;
  readonly #known = new Map<number, Known>();
  /**
   * Column types where the table itself does not tell them: as at the start, or as first seen since, by table and column. Text of another type
   * is another value.
   */
  readonly #typeOids = new Map<string, number>();

  constructor(tables: Iterable<Table>, side: SideName) {
    this.#tables = new Map([...tables].map((table) => [table.oid, table]));
    this.#side = side;
  }

  /** Takes a relation message: from here on the relation is what it says. */
  learn(oid: number, message: Buffer): void {
    const relation = decodeRelation(message);
    if (this.#known.get(oid)?.relation === relation) return;
    this.#known.set(oid, { relation, mapped: null });
    this.#rememberTypes(relation, false);
  }

  /** Reading starts here: what relations are like now is what later messages are compared with. */
  start(): void {
    for (const { relation } of this.#known.values()) this.#rememberTypes(relation, true);
  }

  /** The id of the migration's table that a relation is; undefined for any other. Throws DECODE_FAILED when the stream never described it. */
  idOf(oid: number, lsn: Lsn): string | undefined {
    this.#need(oid, lsn);
    return this.#tables.get(oid)?.id;
  }

  /** The OIDs of the tables with these ids. */
  oidsOf(ids: ReadonlySet<string>): ReadonlySet<number> {
    return new Set([...this.#tables].flatMap(([oid, { id }]) => (ids.has(id) ? [oid] : [])));
  }

  /** The relation, checked against its table, which must be one of the migration's. Throws SCHEMA_DRIFT. */
  mapped(oid: number, lsn: Lsn): MappedRelation {
    const known = this.#need(oid, lsn);
    known.mapped ??= this.#map(known.relation, lsn);
    return known.mapped;
  }

  #need(oid: number, lsn: Lsn): Known {
    const known = this.#known.get(oid);
    if (known !== undefined) return known;
    throw new PghaulError("DECODE_FAILED", `the stream never described relation ${oid}`, { context: { lsn: formatLsn(lsn) } });
  }

  #rememberTypes(relation: RelationMessage, anew: boolean): void {
    if (!this.#tables.has(relation.oid)) return;
    for (const { name, typeOid } of relation.columns) {
      const column = columnId(relation, name);
      if (anew || !this.#typeOids.has(column)) this.#typeOids.set(column, typeOid);
    }
  }

  #map(relation: RelationMessage, lsn: Lsn): MappedRelation {
    const table = this.#tables.get(relation.oid);
    if (table === undefined) throw new Error(`relation map: ${relation.oid} is not a table of the migration`);
    const at = { table: table.id, side: this.#side, lsn };
    const indexes = columnIndexes(relation, table, at);
    this.#checkTypes(relation, table, at);
    const inOrder = indexes.every((from, to) => from === to);
    const order = inOrder ? (tuple: PartialRow) => tuple : (tuple: PartialRow) => indexes.map((from) => tuple[from] ?? null);
    return { table, relation, order, identityHasKey: hasKey(relation, table) };
  }

  #checkTypes(relation: RelationMessage, table: Table, at: DriftPlace): void {
    const told = new Map(table.columns.map((column) => [column.name, column.typeOid]));
    for (const { name, typeOid } of relation.columns) {
      const before = told.get(name) ?? this.#typeOids.get(columnId(relation, name));
      if (before !== typeOid) throw drift(relation, `column ${name} changed its type (OID ${before} to ${typeOid})`, at);
    }
  }
}

/** For each column of the table its place in the relation. */
function columnIndexes(relation: RelationMessage, table: Table, at: DriftPlace): number[] {
  const places = new Map(relation.columns.map(({ name }, place) => [name, place]));
  const missing = table.columns.filter(({ name }) => !places.has(name)).map(({ name }) => name);
  if (missing.length > 0) throw drift(relation, `the stream does not carry ${missing.join(", ")}`, at);
  const known = new Set(table.columns.map(({ name }) => name));
  const extra = relation.columns.filter(({ name }) => !known.has(name)).map(({ name }) => name);
  if (extra.length > 0) throw drift(relation, `the stream carries ${extra.join(", ")}, which the migration does not know`, at);
  return table.columns.map(({ name }) => places.get(name) as number);
}

function hasKey(relation: RelationMessage, table: Table): boolean {
  if (table.key === null) return relation.identity === "full";
  const flagged = new Set(relation.columns.filter(({ isKey }) => isKey).map(({ name }) => name));
  return table.key.every((index) => flagged.has(table.columns[index]?.name ?? ""));
}

function decodeRelation(message: Buffer): RelationMessage {
  let relation = decoded.get(message);
  if (relation === undefined) {
    const any = decodeMessage(message, 0, message.length, 0n);
    if (any.kind !== "relation") throw new Error(`relation map: a ${any.kind} message`);
    relation = any;
    decoded.set(message, relation);
  }
  return relation;
}

function columnId({ oid }: RelationMessage, column: string): string {
  return JSON.stringify([oid, column]);
}

interface DriftPlace {
  /** Its id, whatever name the stream has it under. */
  readonly table: string;
  /** The side that the stream reads. */
  readonly side: SideName;
  readonly lsn: Lsn;
}

/** `columns`, as JSON, is how the stream has the table from here on. */
function drift(relation: RelationMessage, what: string, { table, side, lsn }: DriftPlace): PghaulError {
  const columns = JSON.stringify(relation.columns.map(({ name }) => name));
  return new PghaulError("SCHEMA_DRIFT", `${table}: ${what}`, {
    context: { table, lsn: formatLsn(lsn), columns },
    side,
  });
}
