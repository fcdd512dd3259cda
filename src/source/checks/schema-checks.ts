import { type Answer, fail, pass, warn } from "../../conditions/condition.ts";
import { named, statements } from "../../conditions/listing.ts";
import type { ForeignKeyFact } from "../../conditions/schema-facts.ts";
import type { Table } from "../../model/table.ts";
import { type Check, type CheckContext, check, type Side } from "./check.ts";
import { partitionBounds } from "./partition-bounds.ts";

/** An anti-join reads two tables whole; the source has better things to do. All keys share this time. */
const ORPHANS_MS = 5_000;
/** Columns of a table (manual: "Limits"). The stage that changes pass through at the target has one more than its table. */
const MOST_COLUMNS = 1_600;

/** What the target's own schema will refuse: found out here, before everything is loaded. */
export const SCHEMA_CHECKS: readonly Check[] = [
  check("column-count", "source", "every table has columns to copy, and not too many", ({ catalog }) => columnCount(catalog.tables)),
  check("foreign-keys-out", "source", "no foreign key refers to a table that is not selected", keysOut),
  check("foreign-key-orphans", "source", "no row lacks the parent that its foreign key refers to", orphans),
  check("function-search-path", "source", "no function that the schema calls needs a search path", searchPaths),
  check("check-reads-tables", "source", "no CHECK reads tables", readingChecks),
  check("partition-bounds", "both", "no row can end up in a partition that is not moved", partitionBounds),
  check("source-other-migrations", "source", "no other migration moves the tables of the source", (context) => others(context, "source")),
  check("target-other-migrations", "target", "no other migration moves the tables of the target", (context) => others(context, "target")),
];

function columnCount(tables: readonly Table[]): Answer {
  const none = tables.filter(({ columns }) => columns.length === 0);
  if (none.length > 0)
    return fail(`no column that could be copied: ${named(none.map(({ id }) => id))}`, "add it to tables.exclude in the configuration");
  const many = tables.filter(({ columns }) => columns.length >= MOST_COLUMNS);
  if (many.length === 0) return pass("every table has columns to copy, and not too many");
  return fail(
    `${MOST_COLUMNS} columns, but changes pass through a table at the target that needs one more: ${named(many.map(({ id }) => id))}`,
    "drop a column of each at the source, or add it to tables.exclude in the configuration",
  );
}

/**
 * The parent's rows do not arrive, so the key cannot be checked at the target. One whose rows all lead nowhere holds there too, as long as they do;
 * and keys that the operator made there himself are checked by nobody.
 */
async function keysOut({ source, schema, catalog }: CheckContext): Promise<Answer> {
  const found = (await source.foreignKeys(catalog.tables)).filter(({ inside }) => !inside);
  if (found.length === 0) return pass("no foreign key refers to a table that is not selected");
  const until = performance.now() + ORPHANS_MS;
  const used: ForeignKeyFact[] = [];
  for (const key of found) {
    const left = until - performance.now();
    if (left <= 0 || (await key.isUsed(left)) !== false) used.push(key);
  }
  const keys = used.length > 0 ? used : found;
  const names = named(keys.map(({ name, parent }) => `${name} (to ${parent})`));
  const fix = statements(
    keys.map(({ drop }) => drop),
    "or add the other table to tables.include",
  );
  const what = "refers to a table that is not selected, whose rows the target will not have";
  if (used.length === 0) return warn(`${what}; no row uses it yet, but the first one that does will make the run fail: ${names}`, fix);
  if (schema === "existing") return warn(`${what}; nothing checks it at the target, whose schema already exists: ${names}`, fix);
  return fail(`${what}: ${names}`, fix);
}

/** Rows that came while triggers were off (session_replication_role, DISABLE TRIGGER ALL): no catalog knows of them. */
async function orphans({ source, schema, catalog }: CheckContext): Promise<Answer> {
  const keys = (await source.foreignKeys(catalog.tables)).filter(({ inside }) => inside);
  const until = performance.now() + ORPHANS_MS;
  const found: ForeignKeyFact[] = [];
  let unread = 0;
  for (const key of keys) {
    const left = until - performance.now();
    const held = left > 0 ? await key.hasOrphans(left) : null;
    if (held === null) unread += 1;
    else if (held) found.push(key);
  }
  const rest =
    unread === 0
      ? ""
      : `; ${unread} of ${keys.length} keys were not read to the end in ${ORPHANS_MS / 1000} s: the target checks them after the load`;
  if (found.length === 0) return pass(`no row without a parent was found${rest}`);
  const names = named(found.map(({ name }) => name));
  const existing = schema === "existing";
  return (existing ? warn : fail)(
    existing
      ? `has rows without a parent; so will the target, whose own keys do not check copied rows: ${names}${rest}`
      : `has rows without a parent, so the target will refuse it after the load: ${names}${rest}`,
    statements(
      found.map(({ unvalidated, drop }) => unvalidated ?? drop),
      "keeps the rows; or delete them, or add the missing parents",
    ),
  );
}

/** pg_restore works under an empty search path (CVE-2018-1058), as do REINDEX, REFRESH and the like from 17 on. */
async function searchPaths({ source, catalog }: CheckContext): Promise<Answer> {
  const found = (await source.leaningFunctions(catalog.tables)).filter(({ names }) => names.length > 0);
  if (found.length === 0) return pass("no function used by an index, CHECK, generated column or materialized view needs a search path");
  const fixes = found.map((one) => `alter function ${one.function} set search_path = ${[...one.schemas, "pg_temp"].join(", ")}`);
  return warn(
    `seems to need a search path, but is called without one when the schema is created: ${named(
      found.map((one) => `${one.function}, used by ${one.user} (refers to ${named(one.names)})`),
    )}`,
    statements([...new Set(fixes)]),
  );
}

/** PostgreSQL takes a CHECK to look at its own row (manual: "Constraints"): tables are loaded side by side, in no order. */
async function readingChecks({ source, catalog }: CheckContext): Promise<Answer> {
  const found = (await source.leaningFunctions(catalog.tables)).filter(({ checks, reads }) => checks && reads.length > 0);
  if (found.length === 0) return pass("none");
  return warn(
    `seems to read other tables, which may not be loaded yet when its own rows are: ${named(
      found.map((one) => `${one.user} (${one.function} reads ${named(one.reads)})`),
    )}`,
    statements([...new Set(found.map(({ drop }) => drop))], "and check the same in a trigger, which pghaul's writes do not fire"),
  );
}

/** Each migration fences its tables and leads them back alone: a table belongs to one at a time. `run` refuses the same. */
async function others(context: CheckContext, side: Side["name"]): Promise<Answer> {
  const ids = context.catalog.tables.map(({ id }) => id);
  const found = await context[side].otherClaims(context.migration, ids);
  if (found.length === 0) return pass("no other migration moves a selected table");
  return fail(
    `another migration moves these tables at the ${side}: ${named(found.map((one) => `${one.table} (${one.migration})`))}`,
    "end the other migration first, with its own configuration: pghaul cdc teardown",
  );
}
