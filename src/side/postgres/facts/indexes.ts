import { type Table, tableId } from "../../../model/table.ts";
import type { Ask } from "../catalog/ask.ts";
import { namesOf } from "./names-of.ts";

/** Valid and ready ones, by table id. */
export async function countIndexes(ask: Ask, tables: readonly Table[]): Promise<ReadonlyMap<string, number>> {
  const rows = await ask<{ schema: string; name: string; indexes: string }>(
    `select r.schema, r.name, count(i.indexrelid) filter (where i.indisvalid and i.indisready)::text as indexes
       from unnest($1::text[], $2::text[]) as r(schema, name)
       left join pg_catalog.pg_namespace n on n.nspname = r.schema
       left join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = r.name
       left join pg_catalog.pg_index i on i.indrelid = c.oid
      group by r.schema, r.name`,
    namesOf(tables),
  );
  return new Map(rows.map((row) => [tableId(row), Number(row.indexes)]));
}
