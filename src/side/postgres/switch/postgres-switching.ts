import type { Switching, TargetContext } from "../../../target/kind.ts";
import { postgresBetween } from "../facts/postgres-between.ts";
import { postgresFacts } from "../facts/postgres-facts.ts";
import type { PostgresServer } from "../server.ts";
import { DriverSession } from "./driver-session.ts";
import { PostgresSide } from "./postgres-side.ts";

/** A PostgreSQL database, at either side, as a switch of the traffic asks and drives it. Talks to nobody yet. */
export function postgresSwitching(
  server: PostgresServer,
  { migration, applierToken, markers }: Pick<TargetContext, "migration" | "applierToken" | "markers">,
): Switching {
  const { side, spec } = server;
  return {
    openSide: ({ tables, now, crashPoint }) => {
      const session = new DriverSession({ side, migration, open: (signal) => server.connect("cutover", { signal }), now });
      return new PostgresSide({ name: side, session, tables, applierToken, markers, now, crashPoint });
    },
    facts: (ask) => postgresFacts({ name: side, role: spec.user }, ask),
    between: postgresBetween,
  };
}
