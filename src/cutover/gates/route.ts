import type { Gate } from "../gate.ts";

/** For a question that nobody waits for. */
const ASK_MILLIS = 10_000;

/** The route answers, and leads to the old primary. */
export const routeGate: Gate = {
  id: "route",
  title: "the route answers, and points to the old primary",
  async ask({ route, from }) {
    const current = await route.current(ASK_MILLIS);
    return {
      open: current === null || current === from.name,
      evidence: { route: route.kind, leadsTo: current ?? "it cannot tell" },
      ...(current === null || current === from.name
        ? {}
        : { fix: `the route already points to the ${current}, but the databases have not switched: set it back by hand` }),
    };
  },
};
