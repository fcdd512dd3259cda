import { sqlState } from "../../postgres/wrap-error.ts";
import { askOf } from "../../side/postgres/catalog/ask.ts";
import { readSubscriptions } from "../../side/postgres/catalog/subscriptions.ts";
import { trySetReplicaRole } from "../queries/check-server-queries.ts";
import { type EventTriggerRow, selectEventTriggers, selectLeftFences } from "../queries/surroundings-queries.ts";
import { type Check, type CheckContext, fail, named, pass, type Side, statements, type Verdict, warn } from "./check.ts";

/** What stands around the tables and acts by itself: others' event triggers and subscriptions, and what an earlier migration of ours left. */
export const SURROUNDINGS_CHECKS: readonly Check[] = [
  { id: "source-event-triggers", run: ({ source }) => eventTriggers(source) },
  { id: "target-event-triggers", run: ({ target }) => eventTriggers(target) },
  { id: "source-subscriptions", run: (context) => subscriptions(context, "source") },
  { id: "target-subscriptions", run: (context) => subscriptions(context, "target") },
  { id: "source-fences-left", run: ({ source }) => fencesLeft(source) },
  { id: "target-fences-left", run: ({ target }) => fencesLeft(target) },
];

/** Of the DDL that we run at either side: our schema, the publication, the fence. The schema's move adds every other at the target. */
const OUR_COMMANDS: readonly string[] = [
  ...["CREATE SCHEMA", "CREATE TABLE", "CREATE FUNCTION", "CREATE TRIGGER", "ALTER TABLE", "DROP TRIGGER", "DROP TABLE"],
  ...["CREATE PUBLICATION", "ALTER PUBLICATION", "DROP PUBLICATION"],
];

/**
 * Our DDL runs in replica role where the role may set it, and then only ENABLE ALWAYS and ENABLE REPLICA fire. One that does may write into a
 * table that we guard, or forbid what we do.
 */
async function eventTriggers({ client, name }: Side): Promise<Verdict> {
  const found = await selectEventTriggers(client, name === "target" ? null : OUR_COMMANDS);
  const moved = name === "source" ? "; they are moved with the schema" : "";
  if (found.length === 0) return pass("none");
  const quiet = await mayBeReplica(client);
  const firing = found.filter(({ enabled }) => (quiet ? enabled !== "O" : enabled !== "R"));
  if (firing.length === 0) return pass(`${named(found.map(described))} will not fire for what pghaul does (replica role)${moved}`);
  const what = name === "target" ? "creates the schema and guards the tables" : "publishes and fences the tables";
  return warn(
    `fires when pghaul ${what}: ${named(firing.map(described))}: if it forbids DDL or writes to a moved table, that step fails${moved}`,
    statements(
      firing.map((one) => `alter event trigger ${one.name} ${quiet ? "enable" : "disable"}`),
      quiet ? "not ALWAYS or REPLICA, until the migration is over" : `at the ${name}, until the migration is over; as a superuser`,
    ),
  );
}

function described({ name, event, tags, function: calls }: EventTriggerRow): string {
  return `${name} (${event})${tags === null ? "" : ` of ${tags}`} calling ${calls}`;
}

async function mayBeReplica(client: Side["client"]): Promise<boolean> {
  try {
    await trySetReplicaRole(client);
    return true;
  } catch (error) {
    if (sqlState(error) === "42501") return false;
    throw error;
  }
}

/**
 * At the target they make drift from the first row on; at the source they pass the fence of a switch, and a gate waits for them then. Those of the
 * source do not move, whatever they write into.
 */
async function subscriptions(context: CheckContext, name: Side["name"]): Promise<Verdict> {
  const tables = context.catalog.tables.flatMap((table) => [table, ...table.leaves]);
  const found = await readSubscriptions(askOf(context[name].client), tables);
  const writing = found.filter((one) => one.tables !== null);
  const what = named(writing.map((one) => `${one.name} writes to ${one.tables}`));
  const disable = writing.map((one) => one.disable);
  if (name === "target")
    return writing.length === 0
      ? pass("none writes to a selected table")
      : fail(`${what}: pghaul does not know about these rows`, statements(disable, "at the target"));
  if (found.length === 0) return pass("none");
  const fixes = [
    statements(disable, "at the source, before the switch"),
    statements(
      found.map(({ create }) => create),
      "at the target, after the load and before the cutover; set its connection before you enable it",
    ),
  ];
  return warn(
    [
      ...(writing.length === 0 ? [] : [`${what}: the fence does not stop its worker, so the switch waits until it is disabled`]),
      `not moved; the cutover waits until the target has them, disabled: ${named(found.map((one) => one.name))}`,
    ].join("; "),
    fixes.filter((fix) => fix !== null).join("\n"),
  );
}

async function fencesLeft({ client, oids, name }: Side): Promise<Verdict> {
  const found = await selectLeftFences(client, oids);
  if (found.length === 0) return pass("none");
  const drops = statements(found.map(({ table, trigger }) => `drop trigger ${trigger} on ${table}`));
  const closed = found.filter((one) => one.closed);
  if (closed.length === 0)
    return warn(`open fences left by an earlier migration: ${named(found.map(({ table, trigger }) => `${trigger} on ${table}`))}`, drops);
  const tables = named([...new Set(closed.map(({ table }) => table))]);
  const whose = `a pghaul fence refuses writes to ${tables}`;
  return name === "source"
    ? warn(`${whose}: writes have moved away from this database; is it the right source?`, drops)
    : warn(`${whose}: this migration's own guard, or an earlier one's`, null);
}
