import type { EventTriggerFact } from "../../conditions/activity-facts.ts";
import { type Answer, fail, pass, warn } from "../../conditions/condition.ts";
import { named, statements } from "../../conditions/listing.ts";
import { type Check, type CheckContext, check, type Side } from "./check.ts";

/** What stands around the tables and acts by itself: others' event triggers and subscriptions, and what an earlier migration of ours left. */
export const SURROUNDINGS_CHECKS: readonly Check[] = [
  check("source-event-triggers", "source", "no event trigger of the source fires for what pghaul does", ({ source }) =>
    eventTriggers(source),
  ),
  check("target-event-triggers", "target", "no event trigger of the target fires for what pghaul does", ({ target }) =>
    eventTriggers(target),
  ),
  check("source-subscriptions", "source", "the source subscribes to nothing", (context) => subscriptions(context, "source")),
  check("target-subscriptions", "target", "no subscription of the target writes to a moved table", (context) =>
    subscriptions(context, "target"),
  ),
  check("source-secrets", "source", "no foreign server or user mapping of the source holds a secret", ({ source }) => secrets(source)),
  check("source-fences-left", "source", "no pghaul fence is left at the source", (context) => fencesLeft(context, "source")),
  check("target-fences-left", "target", "no pghaul fence is left at the target", (context) => fencesLeft(context, "target")),
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
async function eventTriggers(side: Side): Promise<Answer> {
  const { name } = side;
  const found = await side.eventTriggers(name === "target" ? null : OUR_COMMANDS);
  const moved = name === "source" ? "; they are moved with the schema" : "";
  if (found.length === 0) return pass("none");
  const quiet = (await side.grantToBeReplica()) === null;
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

function described({ name, event, tags, function: calls }: EventTriggerFact): string {
  return `${name} (${event})${tags === null ? "" : ` of ${tags}`} calling ${calls}`;
}

/**
 * At the target they make drift from the first row on; at the source they pass the fence of a switch, and a gate waits for them then. Those of the
 * source do not move, whatever they write into.
 */
async function subscriptions(context: CheckContext, name: Side["name"]): Promise<Answer> {
  const found = await context[name].subscriptions(context.catalog.tables);
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

/** Options of foreign objects that hold secrets are written nowhere, so they do not move. */
async function secrets(source: Side): Promise<Answer> {
  const found = await source.leftSecrets();
  if (found.length === 0) return pass("no foreign server or user mapping holds one");
  return warn(
    `passwords and other secrets are not moved: ${named(found.map(({ title }) => title))}`,
    statements(
      found.map(({ statement }) => statement),
      "at the target, once the first run has created the schema; put the secret in place of ...",
    ),
  );
}

async function fencesLeft(context: CheckContext, name: Side["name"]): Promise<Answer> {
  const found = await context[name].fencesLeft(context.catalog.tables);
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
