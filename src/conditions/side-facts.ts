/**
 * What a condition may ask of a side. Each question is typed and answered in one place; a condition knows no server's language. Figures are
 * numbers, 64-bit ones text; names are for a person to read. Where many were found the condition names the first few.
 */
import type { SideName } from "../model/side.ts";
import type { ActivityFacts } from "./activity-facts.ts";
import type { ProgressFacts } from "./progress-facts.ts";
import type { RoleFacts } from "./role-facts.ts";
import type { SchemaFacts } from "./schema-facts.ts";
import type { ServerFacts } from "./server-facts.ts";
import type { TableFacts } from "./table-facts.ts";

export interface SideFacts extends ServerFacts, ActivityFacts, RoleFacts, TableFacts, SchemaFacts, ProgressFacts {
  readonly name: SideName;
  /** Database role of the session, for the GRANTs that are shown. */
  readonly role: string;
}
