import type { Gate } from "../gate.ts";

/** The new primary is a primary, and its applications' sessions may write. */
export const writableGate: Gate = {
  id: "writable",
  title: "the new primary takes writes but for our guard",
  async ask({ to }) {
    const [found] = await to.query<{ recovery: string; read_only: string; connections: string }>(
      `select pg_is_in_recovery()::text as recovery, (select reset_val from pg_catalog.pg_settings where name = 'default_transaction_read_only') as read_only,
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
      ...(open ? {} : { fix: "alter database ... reset default_transaction_read_only;   -- or connect to the primary" }),
    };
  },
};
