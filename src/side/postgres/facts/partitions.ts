import type { PartitionFact } from "../../../conditions/table-facts.ts";
import type { Table } from "../../../model/table.ts";
import { qualifiedName } from "../../../postgres/quote.ts";
import type { Ask } from "../catalog/ask.ts";

/** Every partition of those tables that are there, parents first, as CREATE TABLE would have it. */
export function readPartitions(ask: Ask, tables: readonly Pick<Table, "schema" | "name">[]): Promise<readonly PartitionFact[]> {
  return ask<PartitionFact>(
    `
    with recursive tree as (
      select r.name as root, to_regclass(r.name)::oid as oid, null::oid as parent, 0 as level
        from unnest($1::text[]) as r(name) where to_regclass(r.name) is not null
       union all
      select tree.root, i.inhrelid, i.inhparent, tree.level + 1
        from tree
        join pg_catalog.pg_inherits i on i.inhparent = tree.oid
        join pg_catalog.pg_class c on c.oid = i.inhrelid and c.relispartition
       where to_jsonb(i) ->> 'inhdetachpending' is distinct from 'true')
    select t.root, n.nspname::text as schema, c.relname::text as name, pn.nspname::text as parent_schema, pc.relname::text as parent,
           pg_catalog.pg_get_partkeydef(pc.oid) as parent_key, pg_catalog.pg_get_expr(c.relpartbound, c.oid) as bound,
           c.relkind::text as kind, c.relpersistence::text as persistence,
           case when c.relkind = 'p' then pg_catalog.pg_get_partkeydef(c.oid) end as key
      from tree t
      join pg_catalog.pg_class c on c.oid = t.oid
      join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      join pg_catalog.pg_class pc on pc.oid = t.parent
      join pg_catalog.pg_namespace pn on pn.oid = pc.relnamespace
     order by t.root, t.level, c.oid`,
    [tables.map(({ schema, name }) => qualifiedName(schema, name))],
  );
}
