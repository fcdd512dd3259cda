import type { Gate } from "../gate.ts";

/** The new primary is a primary, and its applications' sessions may write. */
export const writableGate: Gate = {
  id: "writable",
  title: "the new primary takes writes but for our guard",
  async ask({ to }) {
    const { inRecovery, defaultReadOnly, database, connectionsLeft } = await to.writability();
    const open = !inRecovery && defaultReadOnly === "off";
    return {
      open,
      evidence: { side: to.name, inRecovery, defaultReadOnly, connectionsLeft },
      ...(open ? {} : { fix: fixOf(inRecovery, database) }),
    };
  },
};

/** The first statement lets the second one write: the session that runs them is read-only itself. */
function fixOf(inRecovery: boolean, database: string): string {
  if (inRecovery) return "This server is a standby: name the primary in the connection string.";
  return `set default_transaction_read_only = off; alter database ${database} reset default_transaction_read_only;`;
}
