import type pg from "pg";

export interface ComparedTable {
  readonly schema: string;
  readonly name: string;
  readonly partitioned: boolean;
  /** Sorted by name: the order of columns is no difference of content. */
  readonly columns: readonly ComparedColumn[];
}

export interface ComparedColumn {
  readonly name: string;
  readonly type: string;
}

interface CatalogRow {
  readonly schema: string;
  readonly name: string;
  readonly partitioned: boolean;
  readonly columns: ComparedColumn[];
}

// Partitions are read through their root. The comparison must say the same of both sides, so names are in byte order.
const TABLES = `
  select n.nspname::text as schema, c.relname::text as name, c.relkind = 'p' as partitioned,
         coalesce((select json_agg(json_build_object('name', a.attname, 'type', format_type(a.atttypid, a.atttypmod))
                                   order by a.attname::text collate "C")
                     from pg_catalog.pg_attribute a
                    where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped), '[]') as columns
    from pg_catalog.pg_class c
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
   where c.relkind in ('r', 'p') and not c.relispartition and c.relpersistence <> 't'
     and n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast', 'pghaul')`;

/** Every table of a database that has rows to compare, by `schema.name`. */
export async function listTables(client: pg.Client): Promise<Map<string, ComparedTable>> {
  const { rows } = await client.query<CatalogRow>(TABLES);
  return new Map(rows.map((row) => [`${row.schema}.${row.name}`, row]));
}

/**
 * A subquery that yields the table's rows in a form whose text is the same in every version. PostgreSQL 16 changed what it
 * prints for "char" above 127 (release notes 16, E.1.2), so such columns are compared as numbers.
 */
export function rowsOf(client: pg.Client, table: ComparedTable): string {
  const columns = table.columns.map(({ name, type }) => {
    const quoted = client.escapeIdentifier(name);
    if (type === '"char"') return `${quoted}::int4 as ${quoted}`;
    return type === '"char"[]' ? `${quoted}::int4[] as ${quoted}` : quoted;
  });
  const relation = `${client.escapeIdentifier(table.schema)}.${client.escapeIdentifier(table.name)}`;
  return `(select ${columns.join(", ")} from ${table.partitioned ? "" : "only "}${relation})`;
}
