import type { OpenTransaction } from "../../../conditions/activity-facts.ts";
import type { Ask } from "../catalog/ask.ts";

type TransactionRow = Readonly<Record<"who" | "end" | "seconds" | "prepared" | "wrote" | "here", string>>;

/**
 * Transactions of the whole server, oldest first: of clients, and of whatever else has an id. Never their statements: those hold values. Without
 * pg_monitor (manual: "Predefined Roles") those of other roles are not seen.
 */
export async function readTransactions(ask: Ask, olderThanMillis: number): Promise<readonly OpenTransaction[]> {
  const rows = await ask<TransactionRow>(
    `
    select who, "end", extract(epoch from clock_timestamp() - since)::bigint::text as seconds, prepared::text, wrote::text, (database = current_database())::text as here from (
      select a.xact_start as since, a.datname as database, false as prepared, a.backend_xid is not null as wrote,
             format('pid %s (%s)', a.pid, concat_ws(', ', a.usename || coalesce(' in ' || nullif(a.application_name, ''), ''), a.state)) as who,
             format('select pg_terminate_backend(%s)', a.pid) as "end"
        from pg_catalog.pg_stat_activity a
       where a.pid <> pg_catalog.pg_backend_pid() and (a.backend_type = 'client backend' or a.backend_xid is not null)
         and a.xact_start <= clock_timestamp() - make_interval(secs => $1::float8 / 1000)
       union all
      select p.prepared, p.database, true, true, format('prepared transaction %L of %s in database %s', p.gid, p.owner, p.database), format('rollback prepared %L', p.gid)
        from pg_catalog.pg_prepared_xacts p) as open
     order by since`,
    [olderThanMillis],
  );
  return rows.map(({ who, end, seconds, prepared, wrote, here }) => ({
    who,
    end,
    seconds: Number(seconds),
    prepared: prepared === "true",
    wrote: wrote === "true",
    here: here === "true",
  }));
}
