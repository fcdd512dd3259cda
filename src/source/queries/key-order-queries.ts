import type { Queryable } from "../../postgres/queryable.ts";

export interface KeyOrderRow {
  readonly name: string;
  /** Schema and name of the type, domains resolved: a cast to it never truncates, for it has no length. */
  readonly type_schema: string;
  readonly type_name: string;
  /** Null where the index is no btree. */
  readonly operator_schema: string | null;
  readonly lt: string | null;
  readonly le: string | null;
  readonly eq: string | null;
  readonly ge: string | null;
  readonly gt: string | null;
  /** The index's; null where the type has none. */
  readonly collation_schema: string | null;
  readonly collation_name: string | null;
  /** Whether that is another than the column's. */
  readonly own_collation: string;
}

/** The columns of the index that is the table's key, in its order, with the operators and the collation that the index itself uses. */
export async function selectKeyOrder(db: Queryable, oid: number): Promise<readonly KeyOrderRow[]> {
  const { rows } = await db.query<KeyOrderRow>(
    `
    select a.attname::text as name, tn.nspname::text as type_schema, bt.typname::text as type_name,
           op.schema as operator_schema, op.lt, op.le, op.eq, op.ge, op.gt,
           cn.nspname::text as collation_schema, co.collname::text as collation_name, (k.coll <> a.attcollation)::text as own_collation
      from pg_catalog.pg_class c
      join pg_catalog.pg_index i on i.indrelid = c.oid and case when c.relreplident = 'i' then i.indisreplident else i.indisprimary end
     cross join lateral unnest(i.indkey::int2[], i.indclass::oid[], i.indcollation::oid[]) with ordinality as k(attnum, opclass, coll, place)
      join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum = k.attnum
     cross join lateral (
       with recursive base(oid) as (
         select a.atttypid union all select t.typbasetype from base b join pg_catalog.pg_type t on t.oid = b.oid where t.typtype = 'd')
       select b.oid from base b join pg_catalog.pg_type t on t.oid = b.oid where t.typtype <> 'd') as base
      join pg_catalog.pg_type bt on bt.oid = base.oid
      join pg_catalog.pg_namespace tn on tn.oid = bt.typnamespace
      left join lateral (
       select min(n.nspname::text) as schema,
              min(o.oprname::text) filter (where ao.amopstrategy = 1) as lt, min(o.oprname::text) filter (where ao.amopstrategy = 2) as le,
              min(o.oprname::text) filter (where ao.amopstrategy = 3) as eq, min(o.oprname::text) filter (where ao.amopstrategy = 4) as ge,
              min(o.oprname::text) filter (where ao.amopstrategy = 5) as gt
         from pg_catalog.pg_opclass oc
         join pg_catalog.pg_am am on am.oid = oc.opcmethod and am.amname = 'btree'
         join pg_catalog.pg_amop ao on ao.amopfamily = oc.opcfamily and ao.amoplefttype = oc.opcintype and ao.amoprighttype = oc.opcintype
         join pg_catalog.pg_operator o on o.oid = ao.amopopr
         join pg_catalog.pg_namespace n on n.oid = o.oprnamespace
        where oc.oid = k.opclass and ao.amoppurpose = 's') as op on true
      left join pg_catalog.pg_collation co on co.oid = k.coll
      left join pg_catalog.pg_namespace cn on cn.oid = co.collnamespace
     where c.oid = $1 and i.indisvalid and i.indisunique and i.indimmediate and i.indpred is null and k.place <= i.indnkeyatts
     order by k.place`,
    [oid],
  );
  return rows;
}
