/**
 * Reads which tables take part in a migration, and what they look like, from the source's catalog (PostgreSQL 13 to 18).
 *
 * Nothing is left out in silence: what matched a pattern and cannot be moved is in `leftOut`, with the reason and, where there is one,
 * the statement that fixes it.
 */
import { createHash } from "node:crypto";
import type pg from "pg";
import { PghaulError } from "../errors/pghaul-error.ts";
import { type Key, type Table, type TableLeaf, tableId, withoutTypeOids } from "../model/table.ts";
import { explained } from "../postgres/lock-refused.ts";
import { qualifiedName } from "../postgres/quote.ts";
import { type OutsideTable, outsideTable, setApartTable } from "./catalog/outside-tables.ts";
import { patternFault } from "./catalog/pattern-faults.ts";
import { type IdentityFacts, type RowIdentity, rowIdentity } from "./catalog/row-identity.ts";
import { type TablePattern, tablePattern } from "./catalog/table-pattern.ts";
import {
  beginCatalogRead,
  type ColumnRow,
  endCatalogRead,
  type IdentityRow,
  type KeyColumnRow,
  type LeafRow,
  type RelationRow,
  selectColumns,
  selectKeyColumns,
  selectLeaves,
  selectPartitionNames,
  selectRelations,
  selectReplicaIdentities,
  selectSetApart,
} from "./queries/catalog-queries.ts";

/** Patterns `schema.table` with `*` and `?`; see `table-pattern.ts`. */
export interface TableSelection {
  readonly include: readonly string[];
  readonly exclude: readonly string[];
}

/** Something that was selected and cannot be moved as a table. */
export interface LeftOut {
  /** `tableId` of the table or partition. */
  readonly id: string;
  readonly reason: "foreign-table" | "unlogged" | "no-identity";
  /** A sentence for the operator. */
  readonly detail: string;
  /** The statement that fixes it, or null. */
  readonly fix: string | null;
}

export interface Catalog {
  /** In the order of schema and name. */
  readonly tables: readonly Table[];
  readonly leftOut: readonly LeftOut[];
  /** Tables that were not selected, or cannot be. */
  readonly outside: readonly OutsideTable[];
  /** Patterns that matched no table at all: most often a slip of the pen. */
  readonly unmatched: readonly string[];
  /** A sentence about each of them (`refusePatterns`). */
  readonly patternFaults: readonly string[];
}

/** Reads the selected tables in one snapshot of the catalog. The client must not be in a transaction. */
export async function readCatalog(client: pg.Client, selection: TableSelection): Promise<Catalog> {
  const include = selection.include.map(pattern);
  const exclude = selection.exclude.map(pattern);
  await beginCatalogRead(client);
  try {
    const all = await selectRelations(client);
    const selected = all.filter((row) => matchesAny(include, row) && !matchesAny(exclude, row));
    const idle = (one: TablePattern): boolean => !all.some((row) => one.matches(row.schema, row.name));
    const unmatched = { include: include.filter(idle), exclude: exclude.filter(idle) };
    const texts = [...unmatched.include, ...unmatched.exclude].map(({ text }) => text);
    const names = { tables: all, partitions: texts.length === 0 ? [] : await selectPartitionNames(client) };
    const patternFaults = (["include", "exclude"] as const).flatMap((key) => unmatched[key].map((one) => patternFault(key, one, names)));
    const outside = [
      ...all.filter((row) => !selected.includes(row)).map((row) => outsideTable(row, matchesAny(include, row))),
      ...(await selectSetApart(client)).map(setApartTable),
    ];
    return { ...(await describe(client, selected)), outside, unmatched: texts, patternFaults };
  } catch (error) {
    throw await explained(error, "source", client);
  } finally {
    await endCatalogRead(client);
  }
}

/**
 * The selected tables, complete or not at all.
 *
 * Throws SOURCE_NO_IDENTITY, with the statement that fixes it, when a selected table's rows cannot be told apart by the stream. Foreign
 * and unlogged tables are left out (`readCatalog` tells of them).
 */
export async function readTables(client: pg.Client, selection: TableSelection): Promise<Table[]> {
  return completeTables(await readCatalog(client, selection));
}

/** The same of a catalog that was read already. */
export function completeTables({ tables, leftOut }: Catalog): Table[] {
  const missing = leftOut.filter(({ reason }) => reason === "no-identity");
  const first = missing[0];
  if (first === undefined) return [...tables];
  const others = missing.length === 1 ? "" : `, and ${missing.length - 1} more of this kind`;
  throw new PghaulError("SOURCE_NO_IDENTITY", `${first.detail}${others}`, {
    context: { table: first.id, tables: missing.length },
    suggestion: missing.map(({ fix }) => `${fix};`).join("\n"),
  });
}

/** A digest of what a plan depends on: names, columns, types, keys and leaves, sizes left out. Order of the tables does not matter. */
export function fingerprintTables(tables: readonly Table[]): string {
  const shape = tables
    .map(({ id, columns, key, leaves }) => ({
      id,
      columns: withoutTypeOids(columns),
      key,
      leaves: leaves.map(({ schema, name }) => [schema, name]),
    }))
    .sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));
  return createHash("sha256").update(JSON.stringify(shape)).digest("hex");
}

async function describe(client: pg.Client, selected: readonly RelationRow[]): Promise<Pick<Catalog, "tables" | "leftOut">> {
  const leftOut: LeftOut[] = [];
  const candidates = selected.filter((row) => movable(row, leftOut));
  const roots = candidates.map(({ oid }) => oid);
  const leaves = await selectLeaves(client, roots, true);
  const oids = [...new Set([...roots, ...leaves.map(({ oid }) => oid)])];
  const facts = new CatalogFacts(
    await selectColumns(client, oids),
    await selectKeyColumns(client, oids),
    await selectReplicaIdentities(client, oids),
  );
  const tables: Table[] = [];
  for (const row of candidates) {
    const all = leaves.filter(({ root }) => root === row.oid);
    const own = all.filter((leaf) => leaf.oid === row.oid || movable(leaf, leftOut));
    const left = all.filter((leaf) => !own.includes(leaf)).map(({ schema, name }) => ({ schema, name }));
    const identity = rowIdentity(
      facts.identity(row),
      own.filter(({ oid }) => oid !== row.oid).map((leaf) => facts.identity(leaf)),
    );
    if (identity.kind === "none")
      leftOut.push({ id: tableId(row), reason: "no-identity", detail: `${tableId(row)} ${identity.problem}`, fix: identity.fix });
    else tables.push({ ...facts.table(row, own, identity), ...(left.length === 0 ? {} : { leftOut: left }) });
  }
  return { tables, leftOut };
}

/** What the catalog says, by relation. */
class CatalogFacts {
  readonly #columns: Map<string, ColumnRow[]>;
  readonly #keys: Map<string, KeyColumnRow[]>;
  readonly #modes: Map<string, string>;

  constructor(columns: readonly ColumnRow[], keys: readonly KeyColumnRow[], identities: readonly IdentityRow[]) {
    this.#columns = Map.groupBy(columns, ({ oid }) => oid);
    this.#keys = Map.groupBy(keys, ({ oid }) => oid);
    this.#modes = new Map(identities.map(({ oid, mode }) => [oid, mode]));
  }

  identity({ oid, schema, name }: RelationRow): IdentityFacts {
    const keys = this.#keys.get(oid) ?? [];
    const list = (rows: readonly KeyColumnRow[]) => (rows.length === 0 ? null : rows.map(({ column }) => column));
    return {
      schema,
      name,
      mode: this.#modes.get(oid) ?? "d",
      primaryKey: list(keys.filter((row) => row.is_primary === "true")),
      identityIndex: list(keys.filter((row) => row.is_identity === "true")),
      generatedColumns: new Set((this.#columns.get(oid) ?? []).filter(({ generated }) => generated !== "").map(({ name }) => name)),
    };
  }

  table(row: RelationRow, leaves: readonly LeafRow[], identity: Exclude<RowIdentity, { kind: "none" }>): Table {
    const columns = (this.#columns.get(row.oid) ?? []).filter(({ generated }) => generated === "");
    const key: Key = identity.kind === "full" ? null : identity.columns.map((name) => columns.findIndex((column) => column.name === name));
    return {
      id: tableId(row),
      schema: row.schema,
      name: row.name,
      oid: Number(row.oid),
      columns: columns.map(({ name, type, type_oid, identity: kind, not_null }) => ({
        name,
        type,
        identityAlways: kind === "a",
        notNull: not_null === "true",
        typeOid: Number(type_oid),
      })),
      key,
      partitioned: row.kind === "p",
      leaves: leaves.map(toLeaf),
    };
  }
}

/** The leaves of a table as they are now, those that are left out aside. Takes no lock, and may so be asked at any time. */
export async function readLeaves(client: pg.Client, table: Table): Promise<readonly TableLeaf[]> {
  return (await selectLeaves(client, [String(table.oid)], false)).filter(isOurs).map(toLeaf);
}

function toLeaf({ id, schema, name, bytes, rows }: LeafRow): TableLeaf {
  return { id, schema, name, bytes: Number(bytes), rows: Number(rows) };
}

/** Whether its rows are in the stream. */
export function isOurs({ kind, persistence }: RelationRow): boolean {
  return kind !== "f" && persistence !== "u";
}

/** Foreign rows live elsewhere, and unlogged ones are never in WAL (manual: "CREATE TABLE", UNLOGGED). */
function movable(row: RelationRow, leftOut: LeftOut[]): boolean {
  const id = tableId(row);
  if (row.kind === "f")
    leftOut.push({ id, reason: "foreign-table", detail: `${id} is a foreign table: its rows live on another server`, fix: null });
  else if (row.persistence === "u")
    leftOut.push({ id, reason: "unlogged", detail: `${id} is unlogged: its changes are not in WAL`, fix: setLogged(row) });
  else return true;
  return false;
}

function setLogged({ schema, name }: RelationRow): string {
  return `alter table ${qualifiedName(schema, name)} set logged`;
}

function matchesAny(patterns: readonly ReturnType<typeof tablePattern>[], { schema, name }: RelationRow): boolean {
  return patterns.some((one) => one.matches(schema, name));
}

function pattern(text: string): ReturnType<typeof tablePattern> {
  try {
    return tablePattern(text);
  } catch (error) {
    throw new PghaulError("CONFIG_INVALID", error instanceof Error ? error.message : String(error), { context: { key: "tables" } });
  }
}
