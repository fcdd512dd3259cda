/**
 * Native subscriptions that write into given tables. Their apply worker is no client, so no pause of the route stops it, and it fires no
 * statement trigger, so no fence does (manual: "Logical Replication", Architecture): what arrives there is written behind the fence.
 */

export interface SubscriptionRow {
  readonly name: string;
  /** `schema.name`, comma-separated. */
  readonly tables: string;
  /** The statement that stops it. */
  readonly fix: string;
}

/**
 * Enabled ones over the tables `$1` (schemas), `$2` (names) or a partition of them. A role that is no superuser may not read every column of
 * pg_subscription (on 13 not even its oid), so a subscription is known by the view pg_stat_subscription, which names those of all databases.
 */
export function subscriptionsSql(): string {
  return `
    select p.subname::text as name, string_agg(distinct r.schema || '.' || r.name, ', ') as tables,
           format('alter subscription %I disable;', p.subname) as fix
      from unnest($1::text[], $2::text[]) as r(schema, name)
      join pg_catalog.pg_namespace n on n.nspname = r.schema
      join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = r.name
      join pg_catalog.pg_subscription_rel sr on coalesce(pg_catalog.pg_partition_root(sr.srrelid), sr.srrelid) = c.oid
      join pg_catalog.pg_stat_subscription s on s.subid = sr.srsubid
      join pg_catalog.pg_subscription p on p.subname = s.subname
           and p.subdbid = (select oid from pg_catalog.pg_database where datname = current_database())
     where p.subenabled
     group by p.subname order by 1`;
}
