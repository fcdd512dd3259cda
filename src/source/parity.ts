/** What must be alike on both sides, or be known to differ. */
import { quoteIdent, quoteLiteral } from "../postgres/quote.ts";
import type { Catalog } from "./catalog.ts";
import { type Check, type CheckContext, fail, named, pass, type Side, statements, type Verdict, warn } from "./checks/check.ts";
import { findsRow, misencodedRowSql } from "./queries/check-schema-queries.ts";
import { selectClock, selectSettings } from "./queries/check-server-queries.ts";
import {
  type DatabaseRow,
  selectAvailableExtensions,
  selectDatabase,
  selectExtensions,
  selectOwnSettings,
  selectStaleCollations,
} from "./queries/parity-queries.ts";

/** Settings that change what a statement means, returns or is allowed; sizing and hardware are each server's own affair. */
const MATTERING = [
  "DateStyle",
  "IntervalStyle",
  "TimeZone",
  "bytea_output",
  "default_text_search_config",
  "default_transaction_deferrable",
  "default_transaction_isolation",
  "escape_string_warning",
  "extra_float_digits",
  "idle_in_transaction_session_timeout",
  "lc_messages",
  "lc_monetary",
  "lc_numeric",
  "lc_time",
  "lock_timeout",
  "max_connections",
  "max_prepared_transactions",
  "password_encryption",
  "row_security",
  "search_path",
  "shared_preload_libraries",
  "standard_conforming_strings",
  "statement_timeout",
  "synchronous_commit",
  "transaction_timeout",
  "transform_null_equals",
  "xmlbinary",
  "xmloption",
];

/** Of these the target may have more than the source: only less is a difference. */
const LIMITS: ReadonlySet<string> = new Set(["max_connections", "max_prepared_transactions"]);

/** Lists of names, each quoted by itself in ALTER SYSTEM (guc_tables.c, GUC_LIST_QUOTE): in one literal they would be one name. */
const LISTS: ReadonlySet<string> = new Set(["search_path", "shared_preload_libraries"]);

/** For all tables together. */
const MISENCODED_MS = 5_000;

const CLOCK_LIMIT_MS = 2_000;

export const PARITY_CHECKS: readonly Check[] = [
  { id: "encoding", run: encoding },
  { id: "collation", run: collation },
  { id: "collation-versions", run: collationVersions },
  { id: "extensions", run: extensions },
  { id: "parameters", run: parameters },
  { id: "database-settings", run: databaseSettings },
  { id: "clock-difference", run: clockDifference },
];

async function encoding({ source, target, catalog }: CheckContext): Promise<Verdict> {
  const here = (await database(source)).encoding;
  const there = (await database(target)).encoding;
  if (here === there) return pass(here);
  if (here === "SQL_ASCII") return anyBytes(source, catalog, there);
  if (there === "UTF8") return warn(`the source is ${here}, the target UTF8: texts are converted`);
  return fail(
    `the source is ${here}, the target ${there}, which cannot represent every character`,
    "create the target database with encoding 'UTF8' (template template0)",
  );
}

/** No catalog knows which bytes a SQL_ASCII database holds, so rows are read, for a while. */
async function anyBytes({ client }: Side, { tables }: Catalog, there: string): Promise<Verdict> {
  const until = performance.now() + MISENCODED_MS;
  const refused: string[] = [];
  for (const leaf of tables.flatMap(({ leaves }) => leaves)) {
    const left = until - performance.now();
    if (left <= 0) break;
    try {
      await findsRow(client, misencodedRowSql(leaf, there), left);
    } catch (error) {
      if ((error as { code?: string }).code !== "22021") throw error;
      refused.push(`${leaf.schema}.${leaf.name} (${(error as Error).message})`);
    }
  }
  const fix = "create the target database with encoding SQL_ASCII, lc_collate C and lc_ctype C (template template0)";
  if (refused.length > 0) return fail(`the source is SQL_ASCII; the target is ${there} and refuses bytes in ${named(refused)}`, fix);
  return warn(
    `the source is SQL_ASCII, which takes any bytes, the target ${there}: a value that is not valid ${there === "UTF8" ? "UTF-8" : there} stops the load`,
    fix,
  );
}

/** Order and upper case follow the collation, so queries can answer differently; equality, and so the copy, does not depend on it. */
async function collation({ source, target }: CheckContext): Promise<Verdict> {
  const here = await database(source);
  const there = await database(target);
  if (describe(here) === describe(there)) return pass(describe(here));
  return warn(
    `the source sorts by ${describe(here)}, the target by ${describe(there)}: ORDER BY, ranges and lower() may give different results`,
    "create the target database with the same provider and locale (template template0)",
  );
}

async function collationVersions({ source }: CheckContext): Promise<Verdict> {
  const own = await database(source);
  const changed = own.recorded_version !== null && own.actual_version !== null && own.recorded_version !== own.actual_version;
  const stale = [
    ...(changed ? [`the database's own (${own.recorded_version}, now ${own.actual_version})`] : []),
    ...(await selectStaleCollations(source.client, source.oids)),
  ];
  if (stale.length === 0) return pass("the source's indexes were built with its current collation libraries");
  return warn(
    `the collation library has changed under ${named(stale)}: indexes at the source may be out of order, and chunks are read by index`,
    "reindex the affected tables, then refresh the collation's version (ALTER COLLATION ... REFRESH VERSION)",
  );
}

async function extensions({ source, target }: CheckContext): Promise<Verdict> {
  const used = await selectExtensions(source.client);
  const available = new Map((await selectAvailableExtensions(target.client)).map((row) => [row.name, row]));
  const missing = used.filter(({ name }) => !available.has(name));
  if (missing.length > 0)
    return fail(
      `not available at the target: ${named(missing.map(({ name, version }) => `${name} ${version}`))}`,
      "install their packages on the target's machine",
    );
  const other = used.filter(({ name, version }) => (available.get(name)?.installed ?? available.get(name)?.default_version) !== version);
  if (other.length === 0) return pass(used.length === 0 ? "none" : `${used.length}, of the same versions`);
  const difference = other.map(
    ({ name, version }) => `${name} ${version}, at the target ${available.get(name)?.installed ?? available.get(name)?.default_version}`,
  );
  return warn(
    `other versions at the target: ${named(difference)}`,
    statements(
      other.map(({ name }) => `alter extension ${quoteIdent(name)} update`),
      "at the source",
    ),
  );
}

async function parameters({ source, target }: CheckContext): Promise<Verdict> {
  const here = await selectSettings(source.client, MATTERING);
  const there = await selectSettings(target.client, MATTERING);
  const different = [...here].flatMap(([name, value]) => {
    const other = there.get(name);
    return other === undefined || enough(name, value, other) ? [] : [{ name, value, other }];
  });
  if (different.length === 0) return pass(`${here.size} relevant settings are equal`);
  return warn(
    `differ (source, target): ${different.map(({ name, value, other }) => `${name} (${shown(value)}, ${shown(other)})`).join(", ")}`,
    statements(
      different.map(({ name, value, other }) => `alter system set ${name} = ${assigned(name, value, other)}`),
      "at the target; some need a restart",
    ),
  );
}

/** Whether the target's value does for whatever the source's does. */
function enough(name: string, value: string, other: string): boolean {
  if (LIMITS.has(name)) return Number(other) >= Number(value);
  if (name === "shared_preload_libraries") return parts(value).every((library) => parts(other).includes(library));
  return other === value;
}

/** What to set at the target. Libraries that only the target loads stay: its own extensions need them. */
function assigned(name: string, value: string, other: string): string {
  if (!LISTS.has(name)) return quoteLiteral(value);
  const all = name === "shared_preload_libraries" ? [...parts(other), ...parts(value)] : parts(value);
  return all.length === 0 ? "''" : [...new Set(all)].map(quoteLiteral).join(", ");
}

function parts(list: string): readonly string[] {
  return list
    .split(",")
    .map((part) => part.trim().replace(/^"(.*)"$/, "$1"))
    .filter((part) => part !== "");
}

async function databaseSettings({ source, target }: CheckContext): Promise<Verdict> {
  const there = new Set(await selectOwnSettings(target.client));
  const missing = (await selectOwnSettings(source.client)).filter((one) => !there.has(one));
  if (missing.length === 0) return pass("none is missing at the target");
  return warn(
    `set for the database at the source, but not at the target: ${named(missing)}`,
    "set them for the target database, or for its roles (ALTER DATABASE ... SET, ALTER ROLE ... IN DATABASE ... SET)",
  );
}

/** Half the round trip is the error of such a comparison, and is granted. */
async function clockDifference({ source, target }: CheckContext): Promise<Verdict> {
  const started = performance.now();
  const [here, there] = await Promise.all([selectClock(source.client), selectClock(target.client)]);
  const difference = Math.max(0, Math.abs(here - there) - (performance.now() - started));
  if (difference <= CLOCK_LIMIT_MS) return pass(`${Math.round(difference)} ms at most`);
  return warn(
    `the clocks differ by ${(difference / 1000).toFixed(1)} s: now() will jump at the cutover, and the lag in seconds will be wrong`,
    "synchronise both clocks (NTP)",
  );
}

function database({ client, version }: Side): Promise<DatabaseRow> {
  return selectDatabase(client, version);
}

const PROVIDERS: Readonly<Record<string, string>> = { c: "libc", i: "ICU", b: "the built-in provider" };

function describe({ collate, ctype, provider, locale }: DatabaseRow): string {
  return `${locale ?? collate}${ctype === collate ? "" : ` (ctype ${ctype})`} of ${PROVIDERS[provider] ?? provider}`;
}

function shown(value: string): string {
  return value === "" ? "empty" : value;
}
