/**
 * What the source's catalog says now of the tables that are moved: cheap enough to be asked every few seconds. Every value is text. Catalogs
 * alone are read and no lock on a table is asked for: whoever holds one (TRUNCATE, ALTER TABLE) must not keep us waiting.
 */

import type { Queryable } from "../../postgres/queryable.ts";
import { qualifiedName, quoteLiteral } from "../../postgres/quote.ts";
import { PARTITION_TREE } from "../../side/postgres/catalog/partition-tree.ts";

export interface WatchedPublicationRow {
  readonly oid: string;
  /** Changes with each ALTER PUBLICATION of options. */
  readonly xmin: string;
  /** Publishes INSERT, UPDATE, DELETE and TRUNCATE, partitions as their root. */
  readonly complete: string;
}

export async function selectWatchedPublication(db: Queryable, name: string): Promise<WatchedPublicationRow | null> {
  const { rows } = await db.query<WatchedPublicationRow>(
    `select p.oid::text, p.xmin::text, (p.pubinsert and p.pubupdate and p.pubdelete and p.pubtruncate and p.pubviaroot)::text as complete
       from pg_catalog.pg_publication p where p.pubname = $1`,
    [name],
  );
  return rows[0] ?? null;
}

export interface WatchedTableRow {
  readonly oid: string;
  readonly schema: string;
  readonly name: string;
  /** Of its row in pg_publication_rel, which is made anew when the table is dropped from the publication and added again. Null when it is not whole in it. */
  readonly published: string | null;
  /** A digest of the columns' numbers, names, types and collations, those that stream: another column of the same name has another number. */
  readonly columns: string;
  /** A digest of the expressions of generated columns: a new one of a virtual column (18) writes nothing anew. */
  readonly generated: string;
  /** A digest of what the columns' types are made of: labels of enums, attributes of composite types. */
  readonly types: string;
  /** A digest of who wrote the columns' catalog rows: another after every ALTER TABLE that touches one. */
  readonly touched: string;
}

export async function selectWatchedTables(
  db: Queryable,
  publication: string,
  oids: readonly number[],
): Promise<readonly WatchedTableRow[]> {
  // Row filter and column list are read through jsonb, for 13 and 14 have neither.
  const { rows } = await db.query<WatchedTableRow>(
    `${TYPES}
    select c.oid::text, n.nspname::text as schema, c.relname::text as name, r.oid::text as published, a.columns, a.touched, a.generated,
           coalesce(md5((select string_agg(t.made, ' ' order by t.typid) from types t where t.relid = c.oid)), '') as types
      from pg_catalog.pg_class c
      join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      left join pg_catalog.pg_publication p on p.pubname = $1
      left join pg_catalog.pg_publication_rel r
        on r.prpubid = p.oid and r.prrelid = c.oid and to_jsonb(r) ->> 'prqual' is null and to_jsonb(r) ->> 'prattrs' is null
     cross join lateral (
           select coalesce(md5(string_agg(format('%s %s %s %s', t.attnum, t.attname, format_type(t.atttypid, t.atttypmod), t.attcollation), ',' order by t.attnum)
                               filter (where t.attgenerated = '' and not t.attisdropped)), '') as columns,
                  coalesce(md5(string_agg(t.xmin::text, ',' order by t.attnum)), '') as touched,
                  coalesce(md5(string_agg(format('%s %s %s', t.attnum, t.attgenerated, pg_get_expr(d.adbin, d.adrelid)), ',' order by t.attnum)
                               filter (where t.attgenerated <> '')), '') as generated
             from pg_catalog.pg_attribute t left join pg_catalog.pg_attrdef d on d.adrelid = t.attrelid and d.adnum = t.attnum where t.attrelid = c.oid and t.attnum > 0) as a
     where c.oid = any($2::oid[])`,
    [publication, oids],
  );
  return rows;
}

/**
 * `with recursive types as (relid, typid, made)`: the types that columns of these relations ($2) use, directly or inside of others, and what
 * ALTER TYPE can change in them. Types below 16384 are PostgreSQL's own. The columns of pg_range differ between versions, hence jsonb.
 */
const TYPES = `
    with recursive used as (
      select a.attrelid as relid, a.atttypid as typid from pg_catalog.pg_attribute a
       where a.attrelid = any($2::oid[]) and a.attnum > 0 and not a.attisdropped and a.atttypid >= 16384
       union
      select u.relid, x.typid
        from used u
        join pg_catalog.pg_type t on t.oid = u.typid
       cross join lateral (
             select t.typelem as typid
              union all select t.typbasetype
              union all select r.rngsubtype from pg_catalog.pg_range r where t.oid::text in (r.rngtypid::text, to_jsonb(r) ->> 'rngmultitypid')
              union all select a.atttypid from pg_catalog.pg_attribute a
                         where t.typtype = 'c' and a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped) as x
       where x.typid >= 16384),
    types as (
      select u.relid, u.typid, concat_ws(' ', u.typid::text,
               (select string_agg(e.oid::text || ' ' || e.enumlabel::text, ',' order by e.oid) from pg_catalog.pg_enum e where e.enumtypid = t.oid),
               (select string_agg(a.attnum::text || ' ' || a.atttypid::text || ' ' || a.attisdropped::text, ',' order by a.attnum)
                  from pg_catalog.pg_attribute a where t.typtype = 'c' and a.attrelid = t.typrelid and a.attnum > 0)) as made
        from used u join pg_catalog.pg_type t on t.oid = u.typid)`;

export interface WatchedPartRow {
  readonly root: string;
  readonly oid: string;
  readonly schema: string;
  readonly name: string;
  /** 'r' ordinary, 'f' foreign. */
  readonly kind: string;
  /** 'p' permanent, 'u' unlogged. */
  readonly persistence: string;
  /** Another after TRUNCATE, VACUUM FULL, CLUSTER and every ALTER TABLE that writes the table anew. */
  readonly node: string;
  /** The transactions that made the links between it and its root, the topmost first; null for a table that is its own leaf. */
  readonly attached: string | null;
  /** True when the last of them also made the table. */
  readonly born: string;
  /** True when its rows can be told apart in the stream. */
  readonly identified: string;
}

/** The leaves below the tables, an ordinary table being its own. One that is being detached (14 and later) is none any more. */
export async function selectWatchedParts(db: Queryable, roots: readonly number[]): Promise<readonly WatchedPartRow[]> {
  // The row of the column ctid is written with the table and never again.
  const { rows } = await db.query<WatchedPartRow>(
    `${PARTITION_TREE}
    select t.root::text, c.oid::text, n.nspname::text as schema, c.relname::text as name, c.relkind::text as kind,
           c.relpersistence::text as persistence, c.relfilenode::text as node, t.links as attached,
           coalesce(regexp_replace(t.links, '.*[.]', '') = (select a.xmin::text from pg_catalog.pg_attribute a where a.attrelid = c.oid and a.attnum = -1), true)::text as born,
           (c.relreplident = 'f' or c.relreplident in ('d', 'i') and exists (
              select from pg_catalog.pg_index i
               where i.indrelid = c.oid and i.indisvalid and i.indimmediate
                 and case c.relreplident when 'i' then i.indisreplident else i.indisprimary end))::text as identified
      from tree t
      join pg_catalog.pg_class c on c.oid = t.oid
      join pg_catalog.pg_namespace n on n.oid = c.relnamespace
     where c.relkind in ('r', 'f')`,
    [roots],
  );
  return rows;
}

/** Bytes of a relation; null when it is gone. Locks it for a moment, so it waits for whoever changes it: set a lock_timeout. */
export async function selectBytes(db: Queryable, oid: string): Promise<number | null> {
  const { rows } = await db.query<{ bytes: string | null }>("select pg_catalog.pg_relation_size($1::oid)::text as bytes", [oid]);
  const bytes = rows[0]?.bytes;
  return bytes == null ? null : Number(bytes);
}

/** True when the first row of the table was written by this transaction. */
export async function selectFirstRowOf(db: Queryable, schema: string, name: string, xid: string): Promise<boolean> {
  const { rows } = await db.query(
    `select from only ${qualifiedName(schema, name)} where ctid = '(0,1)' and xmin::text = ${quoteLiteral(xid)}`,
  );
  return rows.length > 0;
}

/** Asks in a transaction of its own that waits half a second for a lock and no longer. Throws what the question throws. */
export async function askBriefly<T>(client: Queryable, question: () => Promise<T>): Promise<T> {
  await client.query("begin read only; set local lock_timeout = '500ms'");
  try {
    return await question();
  } finally {
    await client.query("rollback");
  }
}
