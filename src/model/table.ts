/** A column that is copied and streamed. Generated columns are not in the list: neither COPY nor pgoutput carries them. */
export interface Column {
  readonly name: string;
  /** `format_type(atttypid, atttypmod)`, schema-qualified where the search path needs it, e.g. `numeric(12,2)`. */
  readonly type: string;
  /** GENERATED ALWAYS AS IDENTITY: INSERT needs OVERRIDING SYSTEM VALUE, UPDATE may set it to DEFAULT alone. */
  readonly identityAlways: boolean;
  readonly notNull: boolean;
  /** `atttypid`, by which the stream tells the type; absent where it is not known, and where the columns are read from the other side. */
  readonly typeOid?: number;
}

/**
 * How rows of a table are told apart.
 * - `columns`: indexes into `Table.columns`, in the index's order: the primary key, or the REPLICA IDENTITY USING INDEX index.
 * - `null`: no key; REPLICA IDENTITY FULL and the whole row, as a multiset.
 */
export type Key = readonly number[] | null;

/** A table that takes part in a migration, as the source's catalog describes it. */
export interface Table {
  /** Stable name in state, plans and messages: `tableId`. */
  readonly id: string;
  readonly schema: string;
  readonly name: string;
  readonly oid: number;
  readonly columns: readonly Column[];
  readonly key: Key;
  /** Stored generated columns, for a comparison only: whoever writes a row computes them. */
  readonly computed?: readonly Pick<Column, "name" | "type">[];
  /** The root of a partitioned table: its leaves come and go. */
  readonly partitioned: boolean;
  /**
   * Leaf partitions to read chunks from (`ONLY`), as they were when the catalog was read; for an ordinary table the table itself. Changes
   * carry the root's name.
   */
  readonly leaves: readonly TableLeaf[];
  /** Partitions that are not moved (foreign, unlogged), by name; absent where there are none. Nothing of ours may reach them, at either side. */
  readonly leftOut?: readonly { readonly schema: string; readonly name: string }[];
}

export interface TableLeaf {
  /**
   * Which relation it is, and since when it belongs to the table: chunks are tied to it, for a name may go over to another relation, and a
   * relation may leave the table and come back with other rows. The relation stands before an `@`; only the source's adapter knows the rest.
   */
  readonly id: string;
  readonly schema: string;
  readonly name: string;
  /** Estimates of pg_class; bytes include TOAST. */
  readonly bytes: number;
  readonly rows: number;
}

/** What stays the same of `TableLeaf.id` when the relation leaves the table and comes back. */
export function leafRelation(id: string): string {
  return id.split("@")[0] ?? "";
}

/**
 * `schema.name`, the one text that stands for a table (or a partition) in state, plans, patterns, JSON and messages. A part is put in double
 * quotes where it would read as something else otherwise: a name may hold a dot, and `a.b` in schema `c` is not `b` in schema `c.a`. As a
 * pattern (`table-pattern.ts`) it selects that table and no other.
 */
export function tableId({ schema, name }: { readonly schema: string; readonly name: string }): string {
  return `${idPart(schema)}.${idPart(name)}`;
}

function idPart(part: string): string {
  return /^[^\s."*?](?:[^."*?]*[^\s."*?])?$/u.test(part) ? part : `"${part.replaceAll('"', '""')}"`;
}

/** The columns as they are elsewhere: a type of somebody's own has another OID in every database. */
export function withoutTypeOids(columns: readonly Column[]): readonly Column[] {
  return columns.map(({ typeOid: _, ...column }) => column);
}

/** The text of a row's key: equality of this string is identity of the row. Lengths are prefixed so that no two keys collide. */
export type KeyText = string;

/** Builds the key text from the key columns' values; NULL cannot occur in a key. */
export function keyText(values: readonly (string | null)[]): KeyText {
  if (values.length === 1) return values[0] ?? "";
  let text = "";
  for (const value of values) text += `${(value ?? "").length}:${value ?? ""}`;
  return text;
}

/** The key text of a row. `key` must not be null. */
export function rowKey(key: readonly number[], row: readonly (string | null | symbol)[]): KeyText {
  if (key.length === 1) return row[key[0] as number] as string;
  return keyText(key.map((index) => row[index] as string | null));
}
