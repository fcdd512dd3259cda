import { type Answer, fail, pass, warn } from "../../conditions/condition.ts";
import { named, statements } from "../../conditions/listing.ts";
import { qualifiedName } from "../../postgres/quote.ts";
import type { OutsideTable } from "../catalog/outside-tables.ts";
import { overrideFaults } from "../catalog/table-overrides.ts";
import type { LeftOut } from "../catalog.ts";
import { type Check, type CheckContext, check, type Side } from "./check.ts";

/** A table without a key is read in one snapshot; beyond this it holds back the source's vacuum for long. */
const LARGE_WITHOUT_KEY_BYTES = 10e9;

/** What is special about the tables, and about what belongs to them. */
export const TABLE_CHECKS: readonly Check[] = [
  check("tables-selected", "source", "tables are selected, and every pattern finds one", selected),
  check("tables-outside", "source", "no table stays behind by mistake", outside),
  check("table-overrides", "neither", "every setting for a single table names a table that is moved", overrides),
  check("replica-identity", "source", "every table can identify the row that has changed", ({ catalog }) =>
    leftOut(catalog.leftOut, "no-identity", fail),
  ),
  check("unlogged-tables", "source", "no unlogged table is left out", ({ catalog }) => leftOut(catalog.leftOut, "unlogged", warn)),
  check("foreign-tables", "source", "no foreign table is left out", ({ catalog }) => leftOut(catalog.leftOut, "foreign-table", warn)),
  check("tables-without-key", "source", "every table has a key", withoutKey),
  check("deferrable-keys", "source", "no key is deferrable", async ({ source, catalog }) =>
    none(await source.deferrableKeys(catalog.tables), "deferrable, so they cannot identify rows:", null),
  ),
  check("key-order", "source", "no key mixes ascending and descending columns", async ({ source, catalog }) =>
    none(await source.mixedOrderKeys(catalog.tables), "mixes ascending and descending columns, so every chunk is sorted:", null),
  ),
  check("nulls-not-distinct", "both", "the target supports NULLS NOT DISTINCT where it is used", nullsNotDistinct),
  check("generated-columns", "both", "no column is computed by the database", generatedColumns),
  check("inheritance", "source", "whatever inherits from a selected table is selected too", async ({ source, catalog }) =>
    none(
      await source.unselectedChildren(catalog.tables),
      "inherits from a selected table and is not selected:",
      "add it to tables.include",
    ),
  ),
  check("partitions", "source", "no table is partitioned", partitions),
  check("triggers", "both", "no trigger and no rule acts on what pghaul writes", triggers),
  check("sequences", "source", "every sequence belongs to one table", sequences),
  check("large-objects", "source", "the database has no large objects", largeObjects),
  check("target-empty", "target", "nothing is in the way at the target", targetEmpty),
];

function none(found: readonly string[], sentence: string, fix: string | null): Answer {
  return found.length === 0 ? pass("none") : warn(`${sentence} ${named(found)}`, fix);
}

function selected({ catalog }: CheckContext): Answer {
  const { tables, patternFaults } = catalog;
  if (patternFaults.length > 0) return fail(patternFaults.join("; "), "correct tables.include and tables.exclude in the configuration");
  if (tables.length === 0) return fail("no selected table can be moved", "correct tables.include in the configuration");
  return pass(`${tables.length} tables`);
}

/** What extensions keep for a user is easily forgotten; the rest was chosen. */
function outside({ catalog }: CheckContext): Answer {
  const reasons = Map.groupBy(catalog.outside, ({ reason }) => reason);
  const ids = (reason: OutsideTable["reason"]): string[] => (reasons.get(reason) ?? []).map(({ id }) => id);
  const kept = catalog.outside.filter(({ fix }) => fix !== null);
  const parts = [
    [ids("excluded"), "excluded"],
    [ids("not-selected"), "matches no pattern"],
    [ids("system-schema"), "in a system schema"],
    [(reasons.get("extension") ?? []).filter(({ fix }) => fix === null).map(({ id }) => id), "created by extensions"],
    [kept.map(({ id }) => id), "belong to extensions, with rows of your own"],
  ] as const;
  const evidence = parts.filter(([names]) => names.length > 0).map(([names, what]) => `${what}: ${named(names)}`);
  if (evidence.length === 0) return pass("every table of the database is selected");
  const sentence = `some tables are not moved; pghaul plan lists them all. ${evidence.join("; ")}`;
  if (kept.length === 0 && !reasons.has("system-schema")) return pass(sentence);
  return warn(sentence, kept.length === 0 ? null : kept.map(({ fix }) => fix).join("\n"));
}

function overrides({ overrides: given, catalog }: CheckContext): Answer {
  const faults = overrideFaults(given, catalog);
  if (faults.length > 0) return fail(faults.join("; "), "correct tables.overrides in the configuration");
  return pass(`${Object.keys(given).length} tables have settings of their own`);
}

function leftOut(all: readonly LeftOut[], reason: LeftOut["reason"], otherwise: typeof fail): Answer {
  const found = all.filter((one) => one.reason === reason);
  if (found.length === 0) return pass("none");
  return otherwise(
    found
      .map(({ detail }) => detail)
      .slice(0, 5)
      .join("; ") + (found.length > 5 ? ` and ${found.length - 5} more` : ""),
    statements(found.flatMap(({ fix }) => (fix === null ? [] : [fix]))),
  );
}

function withoutKey({ catalog }: CheckContext): Answer {
  const found = catalog.tables.filter(({ key }) => key === null);
  if (found.length === 0) return pass("every table has a key");
  const bytes = found.reduce((sum, { leaves }) => sum + leaves.reduce((own, leaf) => own + leaf.bytes, 0), 0);
  const size = bytes > LARGE_WITHOUT_KEY_BYTES ? ` (${Math.round(bytes / 1e9)} GB: the source's vacuum is held back that long)` : "";
  return warn(
    `read in one snapshot, and from the start again after a crash: ${named(found.map(({ id }) => id))}${size}`,
    "add a primary key where you can",
  );
}

async function nullsNotDistinct({ source, target, catalog }: CheckContext): Promise<Answer> {
  const found = await source.nullsNotDistinct(catalog.tables);
  if (found.length === 0 || (await target.server()).version >= 150_000)
    return pass(found.length === 0 ? "none" : `${found.length}, and the target supports them`);
  return fail(`before version 15, the target has no NULLS NOT DISTINCT: ${named(found)}`);
}

async function generatedColumns({ source, target, catalog }: CheckContext): Promise<Answer> {
  const found = await source.generatedColumns(catalog.tables);
  const virtual = found.filter((one) => one.virtual);
  if (virtual.length > 0 && (await target.server()).version < 180_000)
    return fail(`before version 18, the target has no virtual columns: ${named(virtual.map(({ name }) => name))}`);
  if (found.length === 0) return pass("none");
  return warn(`not copied, but computed by the target: ${named(found.map(({ name }) => name))}`);
}

async function partitions({ source, catalog }: CheckContext): Promise<Answer> {
  const detaching = await source.pendingDetaches(catalog.tables);
  if (detaching.length > 0)
    return fail(
      `DETACH CONCURRENTLY was not finished: ${named(detaching.map(({ name }) => name))}`,
      statements(detaching.map(({ statement }) => statement)),
    );
  const empty = catalog.tables.filter(({ leaves }) => leaves.length === 0);
  if (empty.length > 0) return warn(`partitioned, but without any partition: ${named(empty.map(({ id }) => id))}`);
  const roots = catalog.tables.filter(({ partitioned }) => partitioned);
  const leaves = roots.reduce((sum, table) => sum + table.leaves.length, 0);
  if (roots.length === 0) return pass("none");
  // Manual: "CREATE PUBLICATION", publish_via_partition_root.
  return warn(
    `${roots.length} partitioned tables with ${leaves} leaves, moved as their roots: TRUNCATE of one partition, ATTACH of a filled table and DETACH or DROP do not stream (run warns about each, and the cutover then needs a new verification)`,
    "let the job that creates partitions create them at the target too, and pause the one that drops them until the cutover",
  );
}

/** Those of the source come to the target with the schema; those at the target may be there already. */
async function triggers({ source, target, catalog }: CheckContext): Promise<Answer> {
  const at = async (side: Side) =>
    (await side.insistent(catalog.tables)).map(({ name, statement }) => ({ what: `${name} at the ${side.name}`, statement }));
  const found = [...(await at(source)), ...(await at(target))];
  if (found.length === 0) return pass("none is ENABLE ALWAYS or REPLICA");
  return warn(
    `fires for rows that pghaul writes, although it already fired for them at the other side: ${named(found.map(({ what }) => what))}`,
    statements([...new Set(found.map(({ statement }) => statement))], "instead of ENABLE ALWAYS or REPLICA"),
  );
}

async function sequences({ source, catalog }: CheckContext): Promise<Answer> {
  const schemas = new Set(catalog.tables.map(({ schema }) => schema));
  const all = (await source.sequences()).filter(({ schema }) => schemas.has(schema));
  const unowned = all.filter(({ owner }) => owner === null).map(({ name }) => `${name} (owned by no column)`);
  const shared = all.filter(({ users }) => users > 1).map(({ name, users }) => `${name} (used by ${users} tables)`);
  if (unowned.length + shared.length === 0) return pass(`${all.length} sequences; set ahead at the cutover`);
  return warn(`set ahead at the cutover like all others; but check which tables use them: ${named([...shared, ...unowned])}`);
}

/** pg_largeobject is a system catalog, which no publication can hold (manual: "Logical Replication", Restrictions). */
async function largeObjects({ source }: CheckContext): Promise<Answer> {
  const count = await source.largeObjects();
  if (count === 0) return pass("none");
  return warn(
    `${count} large objects are not moved: logical decoding does not carry them`,
    "move them to a bytea column, or copy them with pg_dump --large-objects while nobody writes",
  );
}

/** Nothing here drops a table: whose it is and what for, we do not know. */
function inTheWay(tables: readonly string[]): Answer {
  return fail(
    `already at the target, but target.schema: move would create them: ${named(tables)}`,
    "start with an empty target database, or set target.schema: existing in the configuration if these tables are the ones to fill",
  );
}

async function targetEmpty({ target, catalog, migration, schema }: CheckContext): Promise<Answer> {
  const existing = await target.existing(catalog.tables);
  const ours = await target.ownTables(migration);
  // Emptying them would help nobody: pg_restore makes them, and refuses where they are.
  if (schema === "move" && existing.size > 0 && ours.size === 0 && !(await target.hasBegunSchema(migration)))
    return inTheWay([...existing]);
  const notOurs = catalog.tables.filter(({ id, schema, name }) => !ours.has(id) && existing.has(qualifiedName(schema, name)));
  const full = await target.holdingRows(notOurs);
  if (full.length === 0)
    return pass(
      ours.size > 0
        ? `${ours.size} tables belong to this migration`
        : `${existing.size} of ${catalog.tables.length} tables exist, none with rows`,
    );
  // Pasted into the wrong window it would be the end of the source.
  const holders = full.flatMap((one) => one.holders);
  const { statement, others } = await target.emptying(holders, [...existing]);
  const pointing =
    others.length === 0
      ? ""
      : `; tables that are not moved refer to them: ${named(others)}; drop those foreign keys, or empty these tables first`;
  return fail(
    `already hold rows: ${named(full.map(({ table }) => table))}${pointing}`,
    statement === null ? null : statements([statement], "AT THE TARGET ONLY, and only if nobody needs these rows"),
  );
}
