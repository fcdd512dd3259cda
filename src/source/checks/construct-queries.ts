import type { Queryable } from "../../postgres/queryable.ts";

/** What a schema asks of the server that it is moved to. Every value is text. */

export interface ExtensionPlaceRow {
  readonly name: string;
  readonly schema: string;
  readonly relocatable: string;
}

export async function selectExtensionPlaces(db: Queryable): Promise<readonly ExtensionPlaceRow[]> {
  const { rows } = await db.query<ExtensionPlaceRow>(
    `select e.extname::text as name, n.nspname::text as schema, e.extrelocatable::text as relocatable
       from pg_catalog.pg_extension e join pg_catalog.pg_namespace n on n.oid = e.extnamespace where e.extname <> 'plpgsql' order by 1`,
  );
  return rows;
}

/** Of these extensions, those whose default version only a superuser may create; none for a superuser or a managed service's administrator. */
export async function selectSuperuserExtensions(db: Queryable, names: readonly string[]): Promise<readonly string[]> {
  const { rows } = await db.query<{ name: string }>(
    `select e.name::text as name from pg_catalog.pg_available_extensions e
       join pg_catalog.pg_available_extension_versions v on v.name = e.name and v.version = e.default_version
      where e.name = any($1::text[]) and v.superuser and not v.trusted
        and not exists (select from pg_catalog.pg_roles r where pg_catalog.pg_has_role(current_user, r.oid, 'usage')
                          and (r.rolname in ('rds_superuser', 'cloudsqlsuperuser', 'azure_pg_admin') or (r.rolname = current_user and r.rolsuper)))
      order by 1`,
    [names],
  );
  return rows.map(({ name }) => name);
}

/** Libraries of C functions that are no extension's. */
export async function selectClientLibraries(db: Queryable): Promise<readonly string[]> {
  const { rows } = await db.query<{ library: string }>(
    `select distinct p.probin as library from pg_catalog.pg_proc p join pg_catalog.pg_language l on l.oid = p.prolang
      where l.lanname = 'c' and p.oid >= 16384 and p.probin is not null
        and not exists (select from pg_catalog.pg_depend d where d.classid = 'pg_catalog.pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e') order by 1`,
  );
  return rows.map(({ library }) => library);
}

export interface CompressionRow {
  readonly column: string;
  readonly method: string;
  readonly statement: string;
}

/** Columns with a compression of their own; read through jsonb, for the column of the catalog came with 14. */
export async function selectColumnCompressions(db: Queryable): Promise<readonly CompressionRow[]> {
  const { rows } = await db.query<CompressionRow>(
    `select pg_catalog.format('%s.%I', i.identity, a.attname) as column, case to_jsonb(a) ->> 'attcompression' when 'l' then 'lz4' else 'pglz' end as method,
            pg_catalog.format('alter table %s alter column %I set compression default', i.identity, a.attname) as statement
       from pg_catalog.pg_attribute a join pg_catalog.pg_class c on c.oid = a.attrelid and c.relkind in ('r', 'p', 'm') join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      cross join lateral pg_catalog.pg_identify_object('pg_catalog.pg_class'::regclass, c.oid, 0) as i
      where coalesce(to_jsonb(a) ->> 'attcompression', '') <> '' and not a.attisdropped and c.oid >= 16384 and n.nspname <> 'pghaul' and n.nspname not like 'pg\\_%' order by 1`,
  );
  return rows;
}

/** Methods that a column may choose; none before 14. */
export async function selectCompressionMethods(db: Queryable): Promise<ReadonlySet<string>> {
  const { rows } = await db.query<{ method: string }>(
    "select unnest(enumvals)::text as method from pg_catalog.pg_settings where name = 'default_toast_compression'",
  );
  return new Set(rows.map(({ method }) => method));
}

export interface StatementRow {
  readonly statement: string;
}

/** Ordinary columns of inheriting tables whose parent's column is generated. */
export async function selectOrdinaryChildren(db: Queryable): Promise<readonly (StatementRow & { readonly column: string })[]> {
  const { rows } = await db.query<StatementRow & { column: string }>(
    `select pg_catalog.format('%s.%I', child.identity, a.attname) as column, pg_catalog.format('alter table %s no inherit %s', child.identity, parent.identity) as statement
       from pg_catalog.pg_inherits h join pg_catalog.pg_attribute p on p.attrelid = h.inhparent and p.attgenerated <> '' and not p.attisdropped
       join pg_catalog.pg_attribute a on a.attrelid = h.inhrelid and a.attname = p.attname and a.attgenerated = ''
      cross join lateral pg_catalog.pg_identify_object('pg_catalog.pg_class'::regclass, h.inhrelid, 0) as child
      cross join lateral pg_catalog.pg_identify_object('pg_catalog.pg_class'::regclass, h.inhparent, 0) as parent order by 1`,
  );
  return rows;
}
