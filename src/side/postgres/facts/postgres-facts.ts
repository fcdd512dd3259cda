import type { SideFacts } from "../../../conditions/side-facts.ts";
import type { Ask } from "../catalog/ask.ts";
import { activityFacts } from "./activity-facts.ts";
import { progressFacts } from "./progress-facts.ts";
import { roleFacts } from "./role-facts.ts";
import { schemaFacts } from "./schema-facts.ts";
import { serverFacts } from "./server-facts.ts";
import { tableFacts } from "./table-facts.ts";

/** The facts of a PostgreSQL database, asked through one session that is in no transaction. */
export function postgresFacts({ name, role }: Pick<SideFacts, "name" | "role">, ask: Ask): SideFacts {
  return {
    ...{ name, role },
    ...serverFacts(ask),
    ...activityFacts(ask),
    ...roleFacts(ask),
    ...tableFacts(name, ask),
    ...schemaFacts(ask),
    ...progressFacts(ask),
  };
}
