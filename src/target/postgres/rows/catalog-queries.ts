import type { Queryable } from "../../../postgres/queryable.ts";

export interface RelationRow {
  readonly oid: string;
  /** 'r' ordinary, 'p' partitioned; anything else cannot be written to by us. */
  readonly relkind: string;
}

export async function selectRelation(db: Queryable, schema: string, name: string): Promise<RelationRow | null> {
  const { rows } = await db.query<RelationRow>(
    `select c.oid::text, c.relkind::text from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where n.nspname = $1 and c.relname = $2`,
    [schema, name],
  );
  return rows[0] ?? null;
}

/** A leaf of a moved table's root that is not moved. */
export interface StrayLeaf {
  /** Quoted where it has to be, with its schema; and its parent. */
  readonly leaf: string;
  readonly parent: string;
  /** What is true of the rows that belong to it, over the columns of its root. */
  readonly takes: string;
}

/** What PostgreSQL itself goes by when it leads a row to a partition, that of its parents included (pg_get_partition_constraintdef). */
export async function selectStrays(db: Queryable, leaves: readonly string[]): Promise<readonly StrayLeaf[]> {
  if (leaves.length === 0) return [];
  const { rows } = await db.query<StrayLeaf>(
    `select pg_catalog.format('%I.%I', n.nspname, c.relname) as leaf, pg_catalog.format('%I.%I', pn.nspname, p.relname) as parent,
            pg_catalog.pg_get_partition_constraintdef(c.oid) as takes
       from unnest($1::text[]) as l(name) join pg_catalog.pg_class c on c.oid = pg_catalog.to_regclass(l.name)
       join pg_catalog.pg_namespace n on n.oid = c.relnamespace
       join pg_catalog.pg_inherits i on i.inhrelid = c.oid join pg_catalog.pg_class p on p.oid = i.inhparent
       join pg_catalog.pg_namespace pn on pn.oid = p.relnamespace
      where pg_catalog.pg_get_partition_constraintdef(c.oid) is not null order by c.oid`,
    [leaves],
  );
  return rows;
}

export interface ColumnRow {
  readonly attnum: string;
  readonly name: string;
  /** As it was declared. */
  readonly type: string;
  /** Domains resolved to what they are made of, with its modifier. */
  readonly base_type: string;
  /** The same without a modifier: a cast to it cuts and rounds nothing. */
  readonly bare_type: string;
  /** 'a' always, 'd' by default, '' none. */
  readonly identity: string;
  /** 's' stored, 'v' virtual, '' none. */
  readonly generated: string;
  /** 'true' when INSERT may leave it out. */
  readonly fills_itself: string;
  /** 'false' for a collation under which different texts are equal; 'true' where there is none. */
  readonly deterministic: string;
}

export async function selectColumns(db: Queryable, oid: string): Promise<readonly ColumnRow[]> {
  const { rows } = await db.query<ColumnRow>(
    `
    with recursive base as (
      select a.attnum, a.attname, a.attidentity, a.attgenerated, a.atttypid as typid, a.atttypmod as typmod,
             pg_catalog.format_type(a.atttypid, a.atttypmod) as type, not a.attnotnull or a.atthasdef or a.attidentity <> '' as fills_itself,
             coalesce(l.collisdeterministic, true) as deterministic, t.typtype, t.typbasetype, t.typtypmod
        from pg_catalog.pg_attribute a join pg_catalog.pg_type t on t.oid = a.atttypid
        left join pg_catalog.pg_collation l on l.oid = a.attcollation
       where a.attrelid = $1 and a.attnum > 0 and not a.attisdropped
      union all
      select b.attnum, b.attname, b.attidentity, b.attgenerated, b.typbasetype,
             case when b.typmod = -1 then b.typtypmod else b.typmod end, b.type, b.fills_itself, b.deterministic,
             t.typtype, t.typbasetype, t.typtypmod
        from base b join pg_catalog.pg_type t on t.oid = b.typbasetype
       where b.typtype = 'd')
    select attnum::text, attname::text as name, pg_catalog.format_type(typid, typmod) as base_type,
           pg_catalog.format_type(typid, -1) as bare_type,
           attidentity::text as identity, attgenerated::text as generated, type, fills_itself::text, deterministic::text
      from base where typtype <> 'd' order by base.attnum`,
    [oid],
  );
  return rows;
}

export interface IndexColumnRow {
  readonly attnum: string;
  /** The index's oid. */
  readonly index: string;
  readonly is_unique: string;
  /** How many key columns the index has. */
  readonly columns: string;
  /** From 1: its place in the index. */
  readonly place: string;
  /** The operator that the index itself finds equal values with, as `schema`, `name`. */
  readonly operator_schema: string;
  readonly operator_name: string;
  /** 'always': what the operator finds equal has equal bytes; 'deterministic': under a deterministic collation; null: not known to. */
  readonly equal_image: "always" | "deterministic" | null;
}

/** Plain columns of the valid, whole-table btree indexes. */
export async function selectIndexColumns(db: Queryable, oid: string): Promise<readonly IndexColumnRow[]> {
  const { rows } = await db.query<IndexColumnRow>(
    `
    select i.indexrelid::text as index, i.indisunique::text as is_unique, i.indnkeyatts::text as columns, k.attnum::text, k.place::text, n.nspname::text as operator_schema, o.oprname::text as operator_name,
           case p.amproc when 'pg_catalog.btequalimage'::pg_catalog.regproc then 'always'
                         when 'pg_catalog.btvarstrequalimage'::pg_catalog.regproc then 'deterministic' end as equal_image
      from pg_catalog.pg_index i
      join pg_catalog.pg_class c on c.oid = i.indexrelid
      join pg_catalog.pg_am am on am.oid = c.relam and am.amname = 'btree'
     cross join lateral unnest(i.indkey::int2[]) with ordinality as k(attnum, place)
      join pg_catalog.pg_opclass oc on oc.oid = i.indclass[k.place - 1]
      join pg_catalog.pg_amop ao on ao.amopfamily = oc.opcfamily and ao.amopstrategy = 3
       and ao.amoplefttype = oc.opcintype and ao.amoprighttype = oc.opcintype
      left join pg_catalog.pg_amproc p on p.amprocfamily = oc.opcfamily and p.amprocnum = 4
       and p.amproclefttype = oc.opcintype and p.amprocrighttype = oc.opcintype
      join pg_catalog.pg_operator o on o.oid = ao.amopopr
      join pg_catalog.pg_namespace n on n.oid = o.oprnamespace
     where i.indrelid = $1 and i.indisvalid and i.indpred is null and k.place <= i.indnkeyatts and k.attnum > 0
     order by i.indisprimary desc, i.indisunique desc, i.indexrelid, k.place`,
    [oid],
  );
  return rows;
}
