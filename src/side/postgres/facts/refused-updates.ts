import type { RefusedUpdate } from "../../../conditions/table-facts.ts";
import type { Table } from "../../../model/table.ts";
import { qualifiedName, quoteLiteral } from "../../../postgres/quote.ts";
import { sqlState } from "../../../postgres/wrap-error.ts";
import type { Ask } from "../catalog/ask.ts";
import { namesOf } from "./names-of.ts";
import { WITH_PARTITIONS } from "./with-partitions.ts";

interface TableRow {
  readonly schema: string;
  readonly name: string;
  readonly column: string | null;
}

/** Statement and reason by table. EXPLAIN opens the table for an UPDATE as the UPDATE would, writes nothing and fires no trigger. */
export async function readRefusedUpdates(ask: Ask, tables: readonly Table[]): Promise<ReadonlyMap<string, RefusedUpdate>> {
  const rows = await ask<TableRow>(COLUMNS, namesOf(tables));
  const found = new Map<string, RefusedUpdate>();
  for (const { schema, name, column } of rows) {
    const table = qualifiedName(schema, name);
    const statements = [
      ...(column === null ? [] : [`explain update only ${table} set ${column} = ${column} where false`]),
      `explain delete from only ${table} where false`,
    ];
    for (const statement of statements) {
      const refusal = await ask(`begin; set local lock_timeout = '500ms'; ${statement}`).then(
        () => null,
        (error: unknown) => error,
      );
      await ask("rollback");
      if (refusal === null) continue;
      const state = sqlState(refusal);
      // 42P10: a column list or row filter without the identity; 55000: no identity at all. Rights are asked for elsewhere.
      if (state === "42P10" || state === "55000")
        found.set(table, { reason: (refusal as Error).message, publications: publicationsSql(table) });
      // A table that could not be asked, because somebody has it locked, is not one that takes the UPDATE.
      else if (state !== "42501") throw refusal;
    }
  }
  return found;
}

function publicationsSql(table: string): string {
  return `select pubname, tablename from pg_publication_tables where format('%I.%I', schemaname, tablename)::regclass = ${quoteLiteral(table)}::regclass`;
}

/** The moved tables with all their partitions, and a column of each that UPDATE may name; none where nobody but us publishes anything. */
const COLUMNS = `
  select distinct n.nspname::text as schema, c.relname::text as name,
         (select quote_ident(a.attname) from pg_catalog.pg_attribute a
           where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = '' and a.attidentity <> 'a' order by a.attnum limit 1) as column
    from unnest($1::text[], $2::text[]) as r(schema, name) ${WITH_PARTITIONS}
   where exists (select from pg_catalog.pg_publication p where not starts_with(p.pubname::text, 'pghaul_'))
   order by 1, 2`;
