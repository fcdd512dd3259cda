import type { Writability } from "../../../cutover/side-facts.ts";
import type { Ask } from "../catalog/ask.ts";

export async function readWritability(ask: Ask): Promise<Writability> {
  const [found] = await ask<{ recovery: string; read_only: string; database: string; connections: string }>(
    `select pg_is_in_recovery()::text as recovery, (select reset_val from pg_catalog.pg_settings where name = 'default_transaction_read_only') as read_only,
            quote_ident(current_database()) as database,
            (current_setting('max_connections')::int - (select count(*) from pg_catalog.pg_stat_activity))::text as connections`,
  );
  if (found === undefined) throw new Error("the server did not answer");
  return {
    inRecovery: found.recovery === "true",
    defaultReadOnly: found.read_only,
    database: found.database,
    connectionsLeft: Number(found.connections),
  };
}
