import { fail, pass } from "../../conditions/condition.ts";
import type { Gate } from "../gate.ts";

/** For a question that nobody waits for. */
const ASK_MILLIS = 10_000;

/** The route answers, and points to the old primary. */
export const routeGate: Gate = {
  id: "route",
  title: "the route answers, and points to the old primary",
  when: ["switch", "rollback"],
  side: "neither",
  async ask({ route, from }) {
    const current = await route.current(ASK_MILLIS);
    const evidence = { route: route.kind, leadsTo: current ?? "it cannot tell" };
    if (current === null || current === from.name) return pass(evidence);
    return fail(evidence, `the route already points to the ${current}, but the databases have not switched: set it back by hand`);
  },
};
