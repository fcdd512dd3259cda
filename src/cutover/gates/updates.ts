import { fail, pass } from "../../conditions/condition.ts";
import type { Gate } from "../gate.ts";

/**
 * A publication of somebody's may make a side refuse UPDATE and DELETE of a table (its column list or row filter lacks the replica identity,
 * or the table has none). Then the application fails at the new primary, or our applier on the way back. What one side refuses and the other
 * takes closes the gate; what both refuse nobody does.
 */
export const updatesGate: Gate = {
  id: "updates",
  title: "no publication makes one side refuse an UPDATE that the other accepts",
  when: ["switch", "rollback"],
  side: "both",
  async ask({ from, to, tables }) {
    const [here, there] = [await from.refusedUpdates(tables), await to.refusedUpdates(tables)];
    const faults = [
      ...[...here].filter(([table]) => !there.has(table)).map(([table, refused]) => ({ side: from.name, table, ...refused })),
      ...[...there].filter(([table]) => !here.has(table)).map(([table, refused]) => ({ side: to.name, table, ...refused })),
    ];
    const [first] = faults;
    const evidence = { refused: faults.map(({ side, table, reason }) => `${side}: ${table}: ${reason}`).slice(0, 5) };
    if (first === undefined) return pass(evidence);
    const then = `at the ${first.side}; then alter or drop the publication that has the column list or row filter`;
    return fail(evidence, `${first.publications};   -- ${then}`);
  },
};
