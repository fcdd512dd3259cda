import { fail, pass } from "../../conditions/condition.ts";
import type { Gate } from "../gate.ts";

/** At both sides the role may lock the tables and put triggers on them, which needs ownership. A partition has an owner of its own. */
export const fencePrivilegesGate: Gate = {
  id: "fence-privileges",
  title: "the role may fence the tables on both sides",
  when: ["switch", "rollback"],
  side: "both",
  async ask({ from, to, tables }) {
    const evidence: Record<string, unknown> = {};
    const fixes: string[] = [];
    for (const side of [from, to]) {
      const found = await side.notOwned(tables);
      const grants = [...new Set(found.map(({ grant }) => grant))];
      evidence[side.name] = {
        notOwned: found.length,
        tables: found.slice(0, 5).map(({ table }) => table),
        impatient: await side.isImpatient(),
      };
      fixes.push(...grants.map((grant) => `${grant};   -- at the ${side.name}`));
    }
    return fixes.length === 0 ? pass(evidence) : fail(evidence, fixes.join("\n"));
  },
};
