import { fail, pass } from "../../conditions/condition.ts";
import type { Gate } from "../gate.ts";

/** Nobody writes into the moved tables of the old primary whom neither pause nor fence stops. */
export const subscriptionsGate: Gate = {
  id: "subscriptions",
  title: "no native subscription writes to the tables of the old primary",
  when: ["switch", "rollback"],
  side: "old",
  async ask({ from, tables }) {
    const found = (await from.subscriptions(tables)).filter((one) => one.tables !== null);
    const evidence = { side: from.name, subscriptions: found.map(({ name, tables: into }) => `${name} writes to ${into}`).slice(0, 5) };
    if (found.length === 0) return pass(evidence);
    return fail(
      evidence,
      `${found.map(({ disable }) => `${disable};`).join(" ")}   -- at the ${from.name}; the fence would not stop its rows`,
    );
  },
};
