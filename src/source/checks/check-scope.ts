/** What a target does with the migration, so that no check speaks of what it never will. */
export interface CheckScope {
  /** It can become the primary, with a stream back. */
  readonly switches: boolean;
  /** It has tables, constraints and functions of its own. */
  readonly hasSchema: boolean;
}

/** Of a switch, of the fence before it and of the way back behind it. */
const OF_A_SWITCH: ReadonlySet<string> = new Set([
  "cutover-route",
  "publications",
  "sequences",
  "source-origins-free",
  "source-replica-role",
  "source-replication-origin",
  "source-subscriptions",
]);

/** Of what the target's own schema will refuse, or has to be kept alike with the source's. */
const OF_A_SCHEMA: ReadonlySet<string> = new Set([
  "check-reads-tables",
  "foreign-key-orphans",
  "foreign-keys-out",
  "function-search-path",
  "partitions",
]);

/** Whether the check of this id is asked. */
export function isInScope(id: string, { switches, hasSchema }: CheckScope): boolean {
  return (switches || !OF_A_SWITCH.has(id)) && (hasSchema || !OF_A_SCHEMA.has(id));
}
