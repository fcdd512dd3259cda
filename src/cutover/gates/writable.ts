import type { Gate } from "../gate.ts";
import type { ReadOnlyDefault } from "../side-facts.ts";

/** The new primary is a primary, and its applications' sessions may write. */
export const writableGate: Gate = {
  id: "writable",
  title: "nothing but pghaul's guard keeps the new primary from taking writes",
  async ask({ from, to }) {
    const { inRecovery, readOnlyByDefault, connectionsLeft } = await to.writability();
    const known = new Set((await from.writability()).readOnlyByDefault.map(({ what }) => what));
    // A role that only reads at the old primary may go on so.
    const inTheWay = readOnlyByDefault.filter(({ what, everybody }) => everybody || !known.has(what));
    const open = !inRecovery && inTheWay.length === 0;
    return {
      open,
      evidence: { side: to.name, inRecovery, readOnlyByDefault: inTheWay.map(({ what }) => what).slice(0, 5), connectionsLeft },
      ...(open ? {} : { fix: inRecovery ? "This server is a standby: connect to the primary instead." : fixOf(inTheWay) }),
    };
  },
};

/** The first statement lets the others write: the session that runs them may be read-only itself. */
function fixOf(inTheWay: readonly ReadOnlyDefault[]): string {
  const statements = inTheWay.flatMap((one) => one.statements);
  if (statements.length === 0) return "start the server without default_transaction_read_only=on on its command line";
  return ["set default_transaction_read_only = off", ...statements].map((statement) => `${statement};`).join("\n");
}
