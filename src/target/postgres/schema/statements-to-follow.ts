import type { SideName } from "../../../model/side.ts";
import type { Table } from "../../../model/table.ts";
import type { Queryable } from "../../../postgres/queryable.ts";
import { qualifiedName, quoteIdent } from "../../../postgres/quote.ts";
import type { StatementsToFollow } from "../../kind.ts";
import { type ColumnRow, selectColumns, selectRelation } from "../rows/catalog-queries.ts";

/**
 * What gives a table at the side `down` the columns that `table` has at the side `up`. A column that came while another of its type went was
 * renamed, most often; nothing in a catalog tells. Keys and indexes are left to the operator.
 */
export async function statementsToFollow(
  db: Queryable,
  table: Table,
  { up, down }: { readonly up: SideName; readonly down: SideName },
): Promise<StatementsToFollow> {
  const relation = await selectRelation(db, table.schema, table.name);
  if (relation === null) return { statements: [], remark: "" };
  const name = qualifiedName(table.schema, table.name);
  const there = await selectColumns(db, relation.oid);
  const known = new Map(there.map((column) => [column.name, column]));
  const wanted = new Set(table.columns.map((column) => column.name));
  const missing = table.columns.filter((column) => !known.has(column.name));
  const extra = there.filter((column) => !wanted.has(column.name) && column.generated === "");
  const [gone] = extra;
  const [came] = missing;
  if (extra.length === 1 && missing.length === 1 && gone !== undefined && came !== undefined && fits(gone, came.type)) {
    return {
      statements: [`alter table ${name} rename column ${quoteIdent(gone.name)} to ${quoteIdent(came.name)};`],
      remark: `at the ${down}, if the same was done at the ${up}`,
    };
  }
  const retyped = table.columns.filter((column) => {
    const found = known.get(column.name);
    return found !== undefined && found.generated === "" && !fits(found, column.type);
  });
  return {
    statements: [
      ...missing.map((column) => `alter table ${name} add column ${quoteIdent(column.name)} ${column.type};`),
      ...retyped.map((column) => {
        const cast = `using ${quoteIdent(column.name)}::${column.type}`;
        return `alter table ${name} alter column ${quoteIdent(column.name)} type ${column.type} ${cast};`;
      }),
      ...extra
        .filter((column) => column.fills_itself !== "true")
        .map((column) => `alter table ${name} drop column ${quoteIdent(column.name)};`),
    ],
    remark: missing.length === 0 ? `at the ${down}` : `at the ${down}, with the ${up}'s default`,
  };
}

function fits({ type, base_type }: ColumnRow, wanted: string): boolean {
  return type === wanted || base_type === wanted;
}
