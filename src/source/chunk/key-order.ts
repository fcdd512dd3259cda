import { PghaulError } from "../../errors/pghaul-error.ts";
import type { Table } from "../../model/table.ts";
import type { Queryable } from "../../postgres/queryable.ts";
import { qualifiedName, quoteIdent } from "../../postgres/quote.ts";
import { type KeyOrderRow, selectKeyOrder } from "../queries/key-order-queries.ts";

export type Comparison = "lt" | "le" | "eq" | "ge" | "gt";

/** A column of the key as its index orders it; every part is SQL text, quoted already. */
export interface KeyColumn {
  /** The column of `t`, as the index sees it. */
  readonly expression: string;
  /** ` collate ...` for an expression that is no column: a cast brings the type's collation, which need not be the index's. */
  readonly collate: string;
  readonly name: string;
  /** To cast a literal to. */
  readonly type: string;
  readonly operators: Readonly<Record<Comparison, string>>;
}

export type KeyOrder = readonly KeyColumn[];

/** What the parser takes for granted; for the one index that is no btree, a WITHOUT OVERLAPS key of 18. */
const PLAIN = { lt: "<", le: "<=", eq: "=", ge: ">=", gt: ">" } as const;

/**
 * The order of a table's key, spelled with the operators of the index itself.
 *
 * A bare `>` would be looked up in the search path: where citext lives in a schema that is not on it, PostgreSQL falls back to text's
 * own `>`, whose order is not the index's. Throws SCHEMA_DRIFT when the key is no longer what `table` says.
 */
export async function readKeyOrder(db: Queryable, table: Table): Promise<KeyOrder> {
  const rows = await selectKeyOrder(db, table.oid);
  const wanted = (table.key ?? []).map((index) => table.columns[index]?.name);
  if (rows.length !== wanted.length || rows.some(({ name }, place) => name !== wanted[place])) {
    throw new PghaulError("SCHEMA_DRIFT", `the key of ${table.id} is no longer (${wanted.join(", ")})`, { context: { table: table.id } });
  }
  return rows.map(keyColumn);
}

function keyColumn(row: KeyOrderRow): KeyColumn {
  const name = quoteIdent(row.name);
  const collate =
    row.collation_schema === null || row.collation_name === null
      ? ""
      : ` collate ${qualifiedName(row.collation_schema, row.collation_name)}`;
  const schema = quoteIdent(row.operator_schema ?? "pg_catalog");
  const operator = (comparison: Comparison) => `operator(${schema}.${row[comparison] ?? PLAIN[comparison]})`;
  return {
    name,
    collate,
    expression: `t.${name}${row.own_collation === "true" ? collate : ""}`,
    type: qualifiedName(row.type_schema, row.type_name),
    operators: { lt: operator("lt"), le: operator("le"), eq: operator("eq"), ge: operator("ge"), gt: operator("gt") },
  };
}
