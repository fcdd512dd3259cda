import type { Queryable } from "../../postgres/queryable.ts";

/** What is asked of both sides alike. Every value is text. */

export interface DatabaseRow {
  readonly encoding: string;
  readonly collate: string;
  readonly ctype: string;
  /** 'c' libc, 'i' ICU, 'b' built in. */
  readonly provider: string;
  readonly locale: string | null;
  /** Version of the library when the database was made (15 and later), and now. */
  readonly recorded_version: string | null;
  readonly actual_version: string | null;
}

/** Columns of pg_database that came with 15 are read through jsonb; the actual version needs a function of 15. */
export async function selectDatabase(db: Queryable, version: number): Promise<DatabaseRow> {
  const actual = version >= 150000 ? "pg_catalog.pg_database_collation_actual_version(d.oid)" : "null::text";
  const { rows } = await db.query<DatabaseRow>(`
    select pg_catalog.pg_encoding_to_char(d.encoding)::text as encoding, d.datcollate::text as collate, d.datctype::text as ctype,
           coalesce(to_jsonb(d) ->> 'datlocprovider', 'c') as provider, coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale') as locale,
           to_jsonb(d) ->> 'datcollversion' as recorded_version, ${actual} as actual_version
      from pg_catalog.pg_database d where d.datname = current_database()`);
  return rows[0] as DatabaseRow;
}

/** Collations in use by columns of these relations whose library has changed since they were made: their indexes may be out of order. */
export async function selectStaleCollations(db: Queryable, oids: readonly number[]): Promise<readonly string[]> {
  const { rows } = await db.query<{ name: string }>(
    `select distinct format('%s (%s, now %s)', c.oid::regcollation, c.collversion, pg_catalog.pg_collation_actual_version(c.oid)) as name
       from pg_catalog.pg_collation c join pg_catalog.pg_attribute a on a.attcollation = c.oid
      where a.attrelid = any($1::oid[]) and c.collversion <> pg_catalog.pg_collation_actual_version(c.oid) order by 1`,
    [oids],
  );
  return rows.map(({ name }) => name);
}

export interface ExtensionRow {
  readonly name: string;
  readonly version: string;
}

export async function selectExtensions(db: Queryable): Promise<readonly ExtensionRow[]> {
  const { rows } = await db.query<ExtensionRow>(
    "select extname::text as name, extversion::text as version from pg_catalog.pg_extension where extname <> 'plpgsql' order by 1",
  );
  return rows;
}

export interface AvailableExtensionRow {
  readonly name: string;
  /** Null when it is only available. */
  readonly installed: string | null;
  readonly default_version: string;
}

export async function selectAvailableExtensions(db: Queryable): Promise<readonly AvailableExtensionRow[]> {
  const { rows } = await db.query<AvailableExtensionRow>(
    "select name::text, installed_version::text as installed, default_version::text from pg_catalog.pg_available_extensions",
  );
  return rows;
}

export interface OwnSettingRow {
  readonly setting: string;
  /** As it may be told: of an application's own setting (its name has a dot) the value may be a key or a password. */
  readonly shown: string;
}

/** Settings that were made for a database or for a role in it; pg_dump of one database does not carry them. */
export async function selectOwnSettings(db: Queryable): Promise<readonly OwnSettingRow[]> {
  const { rows } = await db.query<OwnSettingRow>(`
    select t.role || c.value as setting, t.role || case when n.name like '%.%' then n.name else c.value end as shown
      from pg_catalog.pg_db_role_setting s join pg_catalog.pg_database d on d.oid = s.setdatabase and d.datname = current_database()
     cross join lateral unnest(s.setconfig) as c(value) cross join lateral split_part(c.value, '=', 1) as n(name)
     cross join lateral (select case when s.setrole = 0 then '' else format('role %s: ', s.setrole::regrole) end) as t(role) order by 1`);
  return rows;
}
