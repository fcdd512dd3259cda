import type { Queryable } from "../../../postgres/queryable.ts";

export interface IndexRow {
  /** Of the table, or of the root of its partition tree. */
  readonly root: string;
  /** `catalog/oid` of what pg_dump creates it by: the constraint where there is one. */
  readonly object: string;
  /** `key`: primary key or replica identity; `constraint`: UNIQUE or EXCLUDE; else `index`. */
  readonly kind: "key" | "constraint" | "index";
}

/** Indexes of ordinary and partitioned tables; those of materialized views come with the rest. */
export async function selectIndexes(source: Queryable): Promise<readonly IndexRow[]> {
  const { rows } = await source.query<IndexRow>(`
    select coalesce(pg_catalog.pg_partition_root(i.indrelid)::oid, i.indrelid)::text as root,
           case when c.oid is null then '1259/' || i.indexrelid else '2606/' || c.oid end as object,
           case when i.indisprimary or i.indisreplident then 'key' when c.oid is not null then 'constraint' else 'index' end as kind
      from pg_catalog.pg_index i
      join pg_catalog.pg_class x on x.oid = i.indexrelid
      join pg_catalog.pg_namespace n on n.oid = x.relnamespace
      join pg_catalog.pg_class t on t.oid = i.indrelid and t.relkind in ('r', 'p')
      left join pg_catalog.pg_constraint c on c.conindid = i.indexrelid and c.conrelid = i.indrelid and c.contype in ('p', 'u', 'x')
     where n.nspname not like 'pg\\_%' and n.nspname <> 'information_schema'`);
  return rows;
}

export interface ForeignKeyRow {
  readonly object: string;
  /** Quoted statement that checks the rows that are there. */
  readonly validate: string;
}

/** Valid foreign keys of plain tables. A partitioned table takes NOT VALID only from 18 on, so its keys are created as they are. */
export async function selectForeignKeys(source: Queryable): Promise<readonly ForeignKeyRow[]> {
  const { rows } = await source.query<ForeignKeyRow>(`
    select '2606/' || c.oid as object,
           pg_catalog.format('alter table only %I.%I validate constraint %I', n.nspname, t.relname, c.conname) as validate
      from pg_catalog.pg_constraint c
      join pg_catalog.pg_class t on t.oid = c.conrelid and t.relkind = 'r' and not t.relispartition
      join pg_catalog.pg_class f on f.oid = c.confrelid and f.relkind = 'r'
      join pg_catalog.pg_namespace n on n.oid = t.relnamespace
     where c.contype = 'f' and c.convalidated`);
  return rows;
}

export async function selectTablespaces(source: Queryable): Promise<readonly string[]> {
  const { rows } = await source.query<{ name: string }>(`
    select distinct s.spcname::text as name from pg_catalog.pg_class c join pg_catalog.pg_tablespace s on s.oid = c.reltablespace
     where s.spcname <> 'pg_global' order by 1`);
  return rows.map(({ name }) => name);
}

/** Materialized views that hold data, as quoted names by their oid. */
export async function selectPopulatedViews(source: Queryable): Promise<ReadonlyMap<string, string>> {
  const { rows } = await source.query<{ object: string; name: string }>(`
    select '1259/' || c.oid as object, pg_catalog.format('%I.%I', n.nspname, c.relname) as name
      from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
     where c.relkind = 'm' and c.relispopulated`);
  return new Map(rows.map(({ object, name }) => [object, name]));
}

/**
 * Options for pg_dump, where the database or our role sets what it does not reset and what changes its output: quoted names, and constants
 * of money by another locale than the one that we restore with. Else none, for a pooler refuses them.
 */
export async function selectDumpOptions(source: Queryable): Promise<readonly string[]> {
  const { rows } = await source.query<{ option: string }>(`
    select '-c ' || s.name || '=' || wanted.value as option
      from (values ('quote_all_identifiers', 'off'), ('standard_conforming_strings', 'on'), ('transform_null_equals', 'off'), ('lc_monetary', 'C')) as wanted(name, value)
      join pg_catalog.pg_settings s on s.name = wanted.name and s.reset_val <> wanted.value
     where s.source <> 'default' and exists (select from pg_catalog.pg_db_role_setting d cross join lateral unnest(d.setconfig) as c(text)
                                              where starts_with(c.text, s.name || '='))`);
  return rows.map(({ option }) => option);
}

/**
 * Tables that are not selected and that our role may not read. pg_dump locks every table that it dumps (ACCESS SHARE, which needs SELECT), so
 * one of these would end it: they are not dumped.
 */
export async function selectUnreadable(
  source: Queryable,
  selected: readonly number[],
): Promise<readonly { readonly schema: string; readonly name: string }[]> {
  const { rows } = await source.query<{ schema: string; name: string }>(
    `
    select n.nspname::text as schema, c.relname::text as name
      from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
     where c.relkind in ('r', 'p') and c.relpersistence <> 't' and n.nspname not in ('pg_catalog', 'information_schema', 'pghaul')
       and coalesce(pg_catalog.pg_partition_root(c.oid)::oid, c.oid) <> all ($1::oid[])
       and not (has_table_privilege(c.oid, 'select') and has_schema_privilege(n.oid, 'usage'))
       and not exists (select from pg_catalog.pg_depend d where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
     order by 1, 2`,
    [selected],
  );
  return rows;
}
