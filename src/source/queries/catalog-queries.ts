/**
 * What the catalog says of tables. Every value is cast to text, so that the answer is the same whatever types the client parses.
 * Names of types come qualified because the reader empties its search path first (`beginCatalogRead`).
 */
import type { Queryable } from "../../postgres/queryable.ts";
import { LEAF_ID, PARTITION_TREE } from "../../side/postgres/catalog/partition-tree.ts";

/** One snapshot for all statements; `format_type` then qualifies every type that is not built in. */
export async function beginCatalogRead(db: Queryable): Promise<void> {
  await db.query("begin isolation level repeatable read read only; set local search_path = pg_catalog; set local lock_timeout = '5s'");
}

export async function endCatalogRead(db: Queryable): Promise<void> {
  await db.query("rollback");
}

export interface RelationRow {
  readonly oid: string;
  readonly schema: string;
  readonly name: string;
  /** 'r' ordinary, 'p' partitioned, 'f' foreign. */
  readonly kind: string;
  /** 'p' permanent, 'u' unlogged. */
  readonly persistence: string;
}

/** Everything an operator may mean by "a table": no partitions, nothing of the system, of extensions, of a session or of pghaul. */
export async function selectRelations(db: Queryable): Promise<readonly RelationRow[]> {
  const { rows } = await db.query<RelationRow>(`
    select c.oid::text, n.nspname::text as schema, c.relname::text as name, c.relkind::text as kind, c.relpersistence::text as persistence
      from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
     where c.relkind in ('r', 'p', 'f') and not c.relispartition and c.relpersistence <> 't'
       and n.nspname not in ('pg_catalog', 'information_schema', 'pghaul') and n.nspname !~ '^pg_(toast|temp_)'
       and not exists (select from pg_catalog.pg_depend d
                        where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
     order by n.nspname, c.relname`);
  return rows;
}

export interface SetApartRow {
  readonly schema: string;
  readonly name: string;
  /** Null: a table that somebody put into a schema of the system. */
  readonly extension: string | null;
  /** Of an extension's configuration table: which rows are the user's, as `where ...` or empty for all; else null. */
  readonly condition: string | null;
  /** That hold values of their own, a JSON array. */
  readonly columns: string;
}

/** Tables that `selectRelations` leaves out and that may hold rows of somebody's: those of extensions, and others in the system's schemas. */
export async function selectSetApart(db: Queryable): Promise<readonly SetApartRow[]> {
  const { rows } = await db.query<SetApartRow>(`
    select n.nspname::text as schema, c.relname::text as name, e.extname::text as extension,
           case when c.oid = any (e.extconfig) then coalesce(e.extcondition[array_position(e.extconfig, c.oid)], '') end as condition,
           to_jsonb(array(select a.attname::text from pg_catalog.pg_attribute a
                  where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = '' order by a.attnum))::text as columns
      from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      left join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_class'::regclass and d.objid = c.oid and d.deptype = 'e'
                                      and d.refclassid = 'pg_catalog.pg_extension'::regclass
      left join pg_catalog.pg_extension e on e.oid = d.refobjid
     where c.relkind in ('r', 'p') and not c.relispartition and c.relpersistence <> 't' and c.oid >= 16384
       and (e.oid is not null or n.nspname in ('pg_catalog', 'information_schema'))
     order by 1, 2`);
  return rows;
}

export interface PartitionNameRow {
  readonly schema: string;
  readonly name: string;
  readonly root_schema: string;
  readonly root: string;
}

/** All partitions of the database, with the tables that they belong to. */
export async function selectPartitionNames(db: Queryable): Promise<readonly PartitionNameRow[]> {
  const { rows } = await db.query<PartitionNameRow>(`
    select n.nspname::text as schema, c.relname::text as name, rn.nspname::text as root_schema, rc.relname::text as root
      from pg_catalog.pg_class c
      join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      join pg_catalog.pg_class rc on rc.oid = pg_catalog.pg_partition_root(c.oid)
      join pg_catalog.pg_namespace rn on rn.oid = rc.relnamespace
     where c.relispartition and c.relkind in ('r', 'p', 'f')`);
  return rows;
}

export interface LeafRow extends RelationRow {
  readonly root: string;
  /** `TableLeaf.id`. */
  readonly id: string;
  readonly bytes: string;
  readonly rows: string;
}

/**
 * The tables that really hold rows, in the order of their oids. Sizes are the planner's; `measured`: one that was never vacuumed nor
 * analysed is measured, which takes a lock on it for a moment.
 */
export async function selectLeaves(db: Queryable, roots: readonly string[], measured: boolean): Promise<readonly LeafRow[]> {
  const { rows } = await db.query<LeafRow>(
    `${PARTITION_TREE}
    select tree.root::text, ${LEAF_ID} as id, c.oid::text, n.nspname::text as schema, c.relname::text as name, c.relkind::text as kind,
           c.relpersistence::text as persistence, greatest(c.reltuples, 0)::numeric::text as rows,
           (case when c.relpages > 0 then (c.relpages + coalesce(t.relpages, 0))::bigint * current_setting('block_size')::bigint
                 when c.relkind = 'r' and $2 then pg_catalog.pg_table_size(c.oid) else 0 end)::text as bytes
      from tree
      join pg_catalog.pg_class c on c.oid = tree.oid and c.relkind in ('r', 'f')
      join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      left join pg_catalog.pg_class t on t.oid = c.reltoastrelid
     order by tree.root, c.oid`,
    [roots, measured],
  );
  return rows;
}

export interface ColumnRow {
  readonly oid: string;
  readonly name: string;
  readonly type: string;
  readonly type_oid: string;
  /** 'a' always, 'd' by default, '' none. */
  readonly identity: string;
  /** 's' stored, 'v' virtual (18), '' none. */
  readonly generated: string;
  readonly not_null: string;
}

export async function selectColumns(db: Queryable, oids: readonly string[]): Promise<readonly ColumnRow[]> {
  const { rows } = await db.query<ColumnRow>(
    `
    select a.attrelid::text as oid, a.attname::text as name, pg_catalog.format_type(a.atttypid, a.atttypmod) as type,
           a.atttypid::text as type_oid, a.attidentity::text as identity, a.attgenerated::text as generated, a.attnotnull::text as not_null
      from pg_catalog.pg_attribute a
     where a.attrelid = any($1::oid[]) and a.attnum > 0 and not a.attisdropped
     order by a.attrelid, a.attnum`,
    [oids],
  );
  return rows;
}

export interface IdentityRow {
  readonly oid: string;
  /** 'd' default, 'i' index, 'f' full, 'n' nothing (pg_class.relreplident). */
  readonly mode: string;
}

export async function selectReplicaIdentities(db: Queryable, oids: readonly string[]): Promise<readonly IdentityRow[]> {
  const { rows } = await db.query<IdentityRow>(
    "select c.oid::text, c.relreplident::text as mode from pg_catalog.pg_class c where c.oid = any($1::oid[])",
    [oids],
  );
  return rows;
}

export interface KeyColumnRow {
  readonly oid: string;
  readonly is_primary: string;
  readonly is_identity: string;
  readonly column: string;
}

/**
 * Columns of primary keys and of REPLICA IDENTITY USING INDEX indexes, in index order. As for PostgreSQL itself, an index that is
 * invalid, partial or deferrable identifies no row (relcache.c, RelationGetIndexList).
 */
export async function selectKeyColumns(db: Queryable, oids: readonly string[]): Promise<readonly KeyColumnRow[]> {
  const { rows } = await db.query<KeyColumnRow>(
    `
    select i.indrelid::text as oid, i.indisprimary::text as is_primary, i.indisreplident::text as is_identity, a.attname::text as column
      from pg_catalog.pg_index i
     cross join lateral unnest(i.indkey::int2[]) with ordinality as k(attnum, place)
      join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
     where i.indrelid = any($1::oid[]) and (i.indisprimary or i.indisreplident)
       and i.indisvalid and i.indisunique and i.indimmediate and i.indpred is null and k.place <= i.indnkeyatts
     order by i.indrelid, i.indexrelid, k.place`,
    [oids],
  );
  return rows;
}
