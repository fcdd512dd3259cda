/**
 * The native subscriptions of a database that are not pghaul's. None is moved: each belongs to a stream of somebody else. Their apply worker is no
 * client, so no pause of the route stops it, and it fires no statement trigger, so no fence does (manual: "Logical Replication", Architecture): what
 * arrives there is written behind the fence.
 */
import type { SubscriptionFact } from "../../../conditions/activity-facts.ts";
import type { Ask } from "./ask.ts";

/**
 * `tables`: the ones that count, or partitions of them. A role that is no superuser may not read every column of pg_subscription (on 13 not even
 * its oid), so a subscription is known by the view pg_stat_subscription, which names those of all databases.
 */
export function readSubscriptions(
  ask: Ask,
  tables: readonly { readonly schema: string; readonly name: string }[],
): Promise<readonly SubscriptionFact[]> {
  return ask<SubscriptionFact>(
    `
    select pg_catalog.quote_ident(p.subname) as name, case when p.subenabled then w.tables end as tables,
           pg_catalog.format('alter subscription %I disable', p.subname) as disable,
           pg_catalog.format('create subscription %I connection %L publication %s with (connect = false%s)', p.subname, 'host=set-me.invalid',
             (select string_agg(pg_catalog.quote_ident(one), ', ') from unnest(p.subpublications) as one),
             case when p.subslotname is null then ', slot_name = none' else pg_catalog.format(', slot_name = %L', p.subslotname) end) as create
      from pg_catalog.pg_subscription p join pg_catalog.pg_database d on d.oid = p.subdbid
      left join (
        select s.subname, string_agg(distinct r.schema || '.' || r.name, ', ') as tables
          from unnest($1::text[], $2::text[]) as r(schema, name)
          join pg_catalog.pg_namespace n on n.nspname = r.schema
          join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = r.name
          join pg_catalog.pg_subscription_rel sr on coalesce(pg_catalog.pg_partition_root(sr.srrelid), sr.srrelid) = c.oid
          join pg_catalog.pg_stat_subscription s on s.subid = sr.srsubid group by s.subname) as w on w.subname = p.subname
     where d.datname = current_database() and not starts_with(p.subname::text, 'pghaul_') order by 1`,
    [tables.map(({ schema }) => schema), tables.map(({ name }) => name)],
  );
}
