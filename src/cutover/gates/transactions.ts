import { type Gate, type GateContext, tableNames } from "../gate.ts";

/** Nothing at the old primary holds what the fence will wait for. */
export const transactionsGate: Gate = {
  id: "transactions",
  title: "no long transaction, prepared transaction or maintenance holds the tables",
  async ask(context) {
    const old = await oldTransactions(context);
    const prepared = await preparedTransactions(context);
    const vacuums = await wraparoundVacuums(context);
    const maintenance = await maintenanceLocks(context);
    const holders = [...prepared, ...vacuums, ...maintenance, ...old];
    return {
      open: holders.length === 0,
      evidence: { olderThanSeconds: context.limits.maxTransactionAge / 1000, old, prepared, vacuums, maintenance },
      ...(holders.length === 0
        ? {}
        : {
            fix: prepared.length > 0 ? "rollback prepared 'GID';   -- or commit it" : "wait for them, or select pg_terminate_backend(PID);",
          }),
      ttlMillis: 10_000,
    };
  },
};

/** Readers do not hold the fence up, so only those that have written, or hold a lock that conflicts, count. */
async function oldTransactions({ from, limits }: GateContext): Promise<readonly string[]> {
  const rows = await from.query<{ who: string }>(
    `select format('pid %s (%s, %s) for %s s', pid, usename, application_name, extract(epoch from now() - xact_start)::int) as who
       from pg_catalog.pg_stat_activity
      where datname = current_database() and pid <> pg_backend_pid() and backend_xid is not null
        and xact_start < now() - ($1::text || ' milliseconds')::interval
      order by xact_start limit 5`,
    [String(limits.maxTransactionAge)],
  );
  return rows.map(({ who }) => who);
}

async function preparedTransactions({ from }: GateContext): Promise<readonly string[]> {
  const rows = await from.query<{ who: string }>(
    `select format('%L of %s since %s', gid, owner, prepared) as who from pg_catalog.pg_prepared_xacts where database = current_database() order by prepared limit 5`,
  );
  return rows.map(({ who }) => who);
}

/** An autovacuum against wraparound does not give way to a lock that is waited for (manual: "Preventing Transaction ID Wraparound Failures"). */
async function wraparoundVacuums({ from }: GateContext): Promise<readonly string[]> {
  const rows = await from.query<{ who: string }>(
    `select format('pid %s: %s', a.pid, v.relid::regclass) as who
       from pg_catalog.pg_stat_progress_vacuum v join pg_catalog.pg_stat_activity a on a.pid = v.pid
      where v.datname = current_database() and a.query like '%to prevent wraparound%'`,
  );
  return rows.map(({ who }) => who);
}

/** VACUUM by hand, CREATE INDEX, ALTER TABLE: locks on the tables that no ordinary writer keeps. A TRUNCATE is over in a moment. */
async function maintenanceLocks({ from, tables }: GateContext): Promise<readonly string[]> {
  const rows = await from.query<{ who: string }>(
    `select distinct format('pid %s: %s on %s', l.pid, l.mode, c.oid::regclass) as who
       from unnest($1::text[], $2::text[]) as r(schema, name)
       join pg_catalog.pg_namespace n on n.nspname = r.schema
       join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = r.name
       join pg_catalog.pg_locks l on l.relation = c.oid and l.locktype = 'relation' and l.granted
        and l.mode in ('ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
        and l.database = (select oid from pg_catalog.pg_database where datname = current_database())
       left join pg_catalog.pg_stat_activity a on a.pid = l.pid
      where a.backend_type is distinct from 'autovacuum worker' and l.pid is not null and a.xact_start < now() - interval '1 second' limit 5`,
    tableNames(tables),
  );
  return rows.map(({ who }) => who);
}
