import { readOnlyAdvice, readOnlyInTheWay } from "../../conditions/read-only.ts";
import type { Gate } from "../gate.ts";

/** The new primary is a primary, and its applications' sessions may write. */
export const writableGate: Gate = {
  id: "writable",
  title: "nothing but pghaul's guard keeps the new primary from taking writes",
  when: ["switch", "rollback"],
  side: "new",
  async ask({ from, to }) {
    const { inRecovery } = await to.server();
    const inTheWay = await readOnlyInTheWay(from, to);
    const open = !inRecovery && inTheWay.length === 0;
    const readOnlyByDefault = inTheWay.map(({ what }) => what).slice(0, 5);
    return {
      verdict: open ? "pass" : "fail",
      evidence: { side: to.name, inRecovery, readOnlyByDefault, connectionsLeft: await to.connectionsLeft() },
      advice: open ? null : inRecovery ? "This server is a standby: connect to the primary instead." : readOnlyAdvice(inTheWay).join("\n"),
    };
  },
};
