import type { Gate } from "../gate.ts";

/** Nobody writes into the moved tables of the old primary whom neither pause nor fence stops. */
export const subscriptionsGate: Gate = {
  id: "subscriptions",
  title: "no native subscription writes to the tables of the old primary",
  async ask({ from, tables }) {
    const found = await from.subscriptionsInto(tables);
    return {
      open: found.length === 0,
      evidence: { side: from.name, subscriptions: found.map(({ name, tables: into }) => `${name} writes to ${into}`).slice(0, 5) },
      ...(found.length === 0
        ? {}
        : { fix: `${found.map(({ fix }) => fix).join(" ")}   -- at the ${from.name}; the fence would not stop its rows` }),
    };
  },
};
