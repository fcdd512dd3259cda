import type { ReadOnlyDefault } from "../../conditions/side-facts.ts";
import type { Gate } from "../gate.ts";

/** The new primary is a primary, and its applications' sessions may write. */
export const writableGate: Gate = {
  id: "writable",
  title: "the new primary takes writes but for our guard",
  when: ["switch", "rollback"],
  side: "new",
  async ask({ from, to }) {
    const { inRecovery, readOnlyByDefault, connectionsLeft } = await to.writability();
    const known = new Set((await from.writability()).readOnlyByDefault.map(({ what }) => what));
    // A role that only reads at the old primary may go on so.
    const inTheWay = readOnlyByDefault.filter(({ what, everybody }) => everybody || !known.has(what));
    const open = !inRecovery && inTheWay.length === 0;
    return {
      verdict: open ? "pass" : "fail",
      evidence: { side: to.name, inRecovery, readOnlyByDefault: inTheWay.map(({ what }) => what).slice(0, 5), connectionsLeft },
      advice: open ? null : inRecovery ? "This server is a standby: name the primary in the connection string." : fixOf(inTheWay),
    };
  },
};

/** The first statement lets the others write: the session that runs them may be read-only itself. */
function fixOf(inTheWay: readonly ReadOnlyDefault[]): string {
  const statements = inTheWay.flatMap((one) => one.statements);
  if (statements.length === 0) return "start the server without default_transaction_read_only=on on its command line";
  return ["set default_transaction_read_only = off", ...statements].map((statement) => `${statement};`).join("\n");
}
