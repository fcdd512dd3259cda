/** What checks ask about the tables of a migration. `oids` are of tables and of their leaf partitions. Every value is text. */
import type { Queryable } from "../../postgres/queryable.ts";
import { qualifiedName, quoteLiteral } from "../../postgres/quote.ts";

async function names(db: Queryable, sql: string, values: readonly unknown[]): Promise<readonly string[]> {
  const { rows } = await db.query<{ name: string }>(sql, [...values]);
  return rows.map(({ name }) => name);
}

interface NamedStatement {
  readonly name: string;
  /** The statement that fixes it. */
  readonly statement: string;
}

async function statements(db: Queryable, sql: string, values: readonly unknown[]): Promise<readonly NamedStatement[]> {
  return (await db.query<NamedStatement>(sql, [...values])).rows;
}

/** Selected tables whose policies hide rows from our role: reading them fails under row_security = off. */
export function selectHiddenByPolicies(db: Queryable, oids: readonly number[]): Promise<readonly string[]> {
  return names(
    db,
    `
    select c.oid::regclass::text as name from pg_catalog.pg_class c
     where c.oid = any($1::oid[]) and c.relrowsecurity and (c.relforcerowsecurity or not pg_has_role(c.relowner, 'usage')) order by 1`,
    [oids],
  );
}

export interface GeneratedRow {
  readonly name: string;
  /** 's' stored, 'v' virtual. */
  readonly kind: string;
}

export async function selectGeneratedColumns(db: Queryable, oids: readonly number[]): Promise<readonly GeneratedRow[]> {
  const { rows } = await db.query<GeneratedRow>(
    `select format('%s.%I', a.attrelid::regclass, a.attname) as name, a.attgenerated::text as kind from pg_catalog.pg_attribute a
      where a.attrelid = any($1::oid[]) and a.attgenerated <> '' and not a.attisdropped order by 1`,
    [oids],
  );
  return rows;
}

/** Deferrable unique constraints; whatever checks late cannot tell rows apart meanwhile. */
export function selectDeferrableKeys(db: Queryable, oids: readonly number[]): Promise<readonly string[]> {
  return names(
    db,
    `
    select format('%I on %s', conname, conrelid::regclass) as name from pg_catalog.pg_constraint
     where conrelid = any($1::oid[]) and contype in ('p', 'u') and condeferrable order by 1`,
    [oids],
  );
}

/** UNIQUE NULLS NOT DISTINCT (15 and later), read through jsonb for the versions that do not have the column. */
export function selectNullsNotDistinct(db: Queryable, oids: readonly number[]): Promise<readonly string[]> {
  return names(
    db,
    `
    select format('%s on %s', i.indexrelid::regclass, i.indrelid::regclass) as name from pg_catalog.pg_index i
     where i.indrelid = any($1::oid[]) and to_jsonb(i) ->> 'indnullsnotdistinct' = 'true' order by 1`,
    [oids],
  );
}

/** Keys whose index mixes ascending and descending columns: no walk over it gives the order that chunks are read in. */
export function selectMixedOrderKeys(db: Queryable, oids: readonly number[]): Promise<readonly string[]> {
  return names(
    db,
    `
    select i.indexrelid::regclass::text as name from pg_catalog.pg_index i join pg_catalog.pg_class c on c.oid = i.indrelid
     where i.indrelid = any($1::oid[]) and case when c.relreplident = 'i' then i.indisreplident else i.indisprimary end
       and (select count(distinct o & 1) from unnest(i.indoption::int2[]) as o) > 1 order by 1`,
    [oids],
  );
}

/** Tables that inherit, not as partitions, from a selected one and are not selected themselves. */
export function selectUnselectedChildren(db: Queryable, oids: readonly number[]): Promise<readonly string[]> {
  return names(
    db,
    `
    select distinct format('%s (inherits from %s)', i.inhrelid::regclass, i.inhparent::regclass) as name
      from pg_catalog.pg_inherits i join pg_catalog.pg_class c on c.oid = i.inhrelid
     where i.inhparent = any($1::oid[]) and not c.relispartition and not i.inhrelid = any($1::oid[]) order by 1`,
    [oids],
  );
}

/** Partitions whose DETACH CONCURRENTLY never ended (14 and later): rows in them are read by nobody. */
export async function selectPendingDetaches(db: Queryable, oids: readonly number[]): Promise<readonly NamedStatement[]> {
  return statements(
    db,
    `
    select i.inhrelid::regclass::text as name, format('alter table %s detach partition %s finalize', i.inhparent::regclass, i.inhrelid::regclass) as statement
      from pg_catalog.pg_inherits i
     where to_jsonb(i) ->> 'inhdetachpending' = 'true' and i.inhparent = any($1::oid[]) order by 1`,
    [oids],
  );
}

/** Triggers that fire even for our applier, which works in replica role (manual: "ALTER TABLE", ENABLE ALWAYS and REPLICA TRIGGER). */
export function selectInsistentTriggers(db: Queryable, oids: readonly number[]): Promise<readonly NamedStatement[]> {
  return statements(
    db,
    `
    select format('%I on %s', t.tgname, t.tgrelid::regclass) as name, format('alter table %s enable trigger %I', t.tgrelid::regclass, t.tgname) as statement
      from pg_catalog.pg_trigger t
     where t.tgrelid = any($1::oid[]) and not t.tgisinternal and t.tgenabled in ('A', 'R') and t.tgname not like 'pghaul%' order by 1`,
    [oids],
  );
}

/** Rules that act even in replica role. */
export function selectInsistentRules(db: Queryable, oids: readonly number[]): Promise<readonly NamedStatement[]> {
  return statements(
    db,
    `
    select format('%I on %s', r.rulename, r.ev_class::regclass) as name, format('alter table %s enable rule %I', r.ev_class::regclass, r.rulename) as statement
      from pg_catalog.pg_rewrite r
     where r.ev_class = any($1::oid[]) and r.ev_enabled in ('A', 'R') order by 1`,
    [oids],
  );
}

export interface SequenceRow {
  readonly name: string;
  /** Owned by a column of a selected table. */
  readonly owned: string;
  /** Tables whose defaults draw from it. */
  readonly users: string;
}

/** Sequences of the selected tables' schemas, and who draws from them. */
export async function selectSequences(db: Queryable, schemas: readonly string[]): Promise<readonly SequenceRow[]> {
  const { rows } = await db.query<SequenceRow>(
    `
    select c.oid::regclass::text as name,
           exists (select from pg_catalog.pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid
                    and d.refclassid = 'pg_class'::regclass and d.refobjsubid > 0 and d.deptype in ('a', 'i'))::text as owned,
           (select count(distinct ad.adrelid) from pg_catalog.pg_depend d join pg_catalog.pg_attrdef ad on d.classid = 'pg_attrdef'::regclass and d.objid = ad.oid
             where d.refclassid = 'pg_class'::regclass and d.refobjid = c.oid)::text as users
      from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
     where c.relkind = 'S' and n.nspname = any($1::text[]) and c.relpersistence <> 't' order by 1`,
    [schemas],
  );
  return rows;
}

export async function countLargeObjects(db: Queryable): Promise<number> {
  const { rows } = await db.query<{ n: string }>("select count(*)::text as n from pg_catalog.pg_largeobject_metadata");
  return Number(rows[0]?.n ?? 0);
}

/**
 * Which of these relations exist, by their quoted, qualified names, with their oids. Not by to_regclass, which refuses to say so to a role
 * without USAGE on the schema.
 */
export async function selectExisting(
  db: Queryable,
  relations: readonly { readonly schema: string; readonly name: string }[],
): Promise<ReadonlyMap<string, number>> {
  const { rows } = await db.query<{ schema: string; name: string; oid: string }>(
    `select n.nspname::text as schema, c.relname::text as name, c.oid::text as oid
       from (select distinct schema, name from unnest($1::text[], $2::text[]) as u(schema, name)) as w
       join pg_catalog.pg_namespace n on n.nspname = w.schema join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = w.name`,
    [relations.map(({ schema }) => schema), relations.map(({ name }) => name)],
  );
  return new Map(rows.map(({ schema, name, oid }) => [qualifiedName(schema, name), Number(oid)]));
}

/** Which of these existing tables hold a row. */
export function selectNotEmpty(db: Queryable, qualified: readonly string[]): Promise<readonly string[]> {
  if (qualified.length === 0) return Promise.resolve([]);
  return names(
    db,
    qualified.map((name) => `select ${quoteLiteral(name)} as name where exists (select from ${name})`).join(" union all "),
    [],
  );
}

/** Whether this migration has begun to make the schema at the target. */
export async function hasRestored(db: Queryable, migration: string): Promise<boolean> {
  const { rows } = await db.query<{ there: string }>("select (to_regclass('pghaul.restored') is not null)::text as there");
  if (rows[0]?.there !== "true") return false;
  return (await db.query("select from pghaul.restored where migration = $1 limit 1", [migration])).rowCount !== 0;
}

/** Tables that this migration has begun to load at the target; none where pghaul never was. */
export async function selectOwnProgress(db: Queryable, migration: string): Promise<ReadonlySet<string>> {
  const { rows } = await db.query<{ there: string }>("select (to_regclass('pghaul.table_progress') is not null)::text as there");
  if (rows[0]?.there !== "true") return new Set();
  return new Set(await names(db, "select distinct table_id as name from pghaul.table_progress where migration = $1", [migration]));
}
