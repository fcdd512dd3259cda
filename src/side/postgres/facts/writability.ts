import type { ReadOnlyDefault } from "../../../conditions/server-facts.ts";
import type { Ask } from "../catalog/ask.ts";

/** Of all roles and databases together. */
export async function readConnectionsLeft(ask: Ask): Promise<number> {
  const [found] = await ask<{ connections: string }>(
    "select (current_setting('max_connections')::int - (select count(*) from pg_catalog.pg_stat_activity))::text as connections",
  );
  if (found === undefined) throw new Error("the server did not answer");
  return Number(found.connections);
}

/**
 * Where default_transaction_read_only is on: for this server, this database, a role. What postgresql.conf says is not reset by ALTER SYSTEM RESET,
 * which only takes lines out of postgresql.auto.conf; that file is read last, so a line there wins. Nothing wins over the command line.
 */
export async function readReadOnlyDefaults(ask: Ask): Promise<readonly ReadOnlyDefault[]> {
  const rows = await ask<{ what: string; scope: string; statement: string | null }>(
    `select case when s.setrole = 0 then 'the database' else format('role %I', pg_get_userbyid(s.setrole)) end as what,
            case when s.setrole = 0 then 'everybody' else 'role' end as scope,
            case when s.setrole = 0 then format('alter database %I reset default_transaction_read_only', current_database())
                 when s.setdatabase = 0 then format('alter role %I reset default_transaction_read_only', pg_get_userbyid(s.setrole))
                 else format('alter role %I in database %I reset default_transaction_read_only', pg_get_userbyid(s.setrole), current_database()) end as statement
       from pg_catalog.pg_db_role_setting s left join pg_catalog.pg_database d on d.oid = s.setdatabase
      where (s.setdatabase = 0 or d.datname = current_database())
        and exists (select from unnest(s.setconfig) as c(line) where c.line ~* '^default_transaction_read_only=(on|true|yes|1)$')
      union all
     select case source when 'command line' then 'the server, by its command line' else 'the server' end, 'everybody',
            case source when 'command line' then null else 'alter system set default_transaction_read_only = off' end
       from pg_catalog.pg_settings where name = 'default_transaction_read_only' and source in ('configuration file', 'command line') and reset_val = 'on' order by 1`,
  );
  return rows.map(({ what, scope, statement }) => ({
    what,
    everybody: scope === "everybody",
    statements: statement === null ? [] : what === "the server" ? [statement, "select pg_reload_conf()"] : [statement],
  }));
}
