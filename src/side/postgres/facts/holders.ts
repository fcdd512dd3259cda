import type { Holder, Holders } from "../../../conditions/activity-facts.ts";
import type { Table } from "../../../model/table.ts";
import type { Ask } from "../catalog/ask.ts";
import { namesOf } from "./names-of.ts";

/** Who holds, beside transactions that write, what a fence over the tables would wait for. Readers do not; a TRUNCATE is over in a moment. */
export async function readHolders(ask: Ask, tables: readonly Table[]): Promise<Holders> {
  return {
    vacuums: await ask<Holder>(WRAPAROUND_VACUUMS),
    maintenance: await ask<Holder>(MAINTENANCE_LOCKS, namesOf(tables)),
  };
}

/** An autovacuum against wraparound does not give way to a lock that is waited for (manual: "Preventing Transaction ID Wraparound Failures"). */
const WRAPAROUND_VACUUMS = `
  select format('pid %s: %s', a.pid, v.relid::regclass) as who, format('select pg_terminate_backend(%s)', a.pid) as "end"
    from pg_catalog.pg_stat_progress_vacuum v join pg_catalog.pg_stat_activity a on a.pid = v.pid
   where v.datname = current_database() and a.query like '%to prevent wraparound%'`;

/** VACUUM by hand, CREATE INDEX, ALTER TABLE: locks on the tables that no ordinary writer keeps. */
const MAINTENANCE_LOCKS = `
  select distinct format('pid %s: %s on %s', l.pid, l.mode, c.oid::regclass) as who, format('select pg_terminate_backend(%s)', l.pid) as "end"
    from unnest($1::text[], $2::text[]) as r(schema, name)
    join pg_catalog.pg_namespace n on n.nspname = r.schema
    join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = r.name
    join pg_catalog.pg_locks l on l.relation = c.oid and l.locktype = 'relation' and l.granted
     and l.mode in ('ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
     and l.database = (select oid from pg_catalog.pg_database where datname = current_database())
    left join pg_catalog.pg_stat_activity a on a.pid = l.pid
   where a.backend_type is distinct from 'autovacuum worker' and l.pid is not null and a.xact_start < now() - interval '1 second' limit 5`;
