import { quoteIdent } from "../../postgres/quote.ts";
import type { Gate } from "../gate.ts";

/** The new primary is a primary, and its applications' sessions may write. */
export const writableGate: Gate = {
  id: "writable",
  title: "the new primary takes writes but for our guard",
  async ask({ to }) {
    const [found] = await to.query<{ recovery: string; read_only: string; database: string; connections: string }>(
      `select pg_is_in_recovery()::text as recovery, (select reset_val from pg_catalog.pg_settings where name = 'default_transaction_read_only') as read_only,
              current_database()::text as database,
              (current_setting('max_connections')::int - (select count(*) from pg_catalog.pg_stat_activity))::text as connections`,
    );
    const open = found?.recovery === "false" && found.read_only === "off";
    return {
      open,
      evidence: {
        side: to.name,
        inRecovery: found?.recovery === "true",
        defaultReadOnly: found?.read_only,
        connectionsLeft: Number(found?.connections ?? 0),
      },
      ...(open ? {} : { fix: fixOf(found?.recovery === "true", found?.database ?? "") }),
    };
  },
};

/** The first statement lets the second one write: the session that runs them is read-only itself. */
function fixOf(inRecovery: boolean, database: string): string {
  if (inRecovery) return "This server is a standby: name the primary in the connection string.";
  return `set default_transaction_read_only = off; alter database ${quoteIdent(database)} reset default_transaction_read_only;`;
}
