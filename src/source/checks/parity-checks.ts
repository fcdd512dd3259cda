/** What must be alike on both sides, or be known to differ. */
import { type Answer, fail, pass, warn } from "../../conditions/condition.ts";
import { named, statements } from "../../conditions/listing.ts";
import type { Locale } from "../../conditions/server-facts.ts";
import { quoteIdent, quoteLiteral } from "../../postgres/quote.ts";
import { type Check, type CheckContext, check, type Side } from "./check.ts";

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
  check("encoding", "both", "every text at the source is valid at the target", encoding),
  check("collation", "both", "both sides sort texts in the same way", collation),
  check("collation-versions", "source", "the source's indexes were built with its current collation libraries", collationVersions),
  check("extensions", "both", "the target has the source's extensions, in the same versions", extensions),
  check("parameters", "both", "settings that change what a statement means are the same on both sides", parameters),
  check("database-settings", "both", "the settings of the source's database exist at the target", databaseSettings),
  check("clock-difference", "both", "the clocks of both servers agree", clockDifference),
];

async function encoding({ source, target, catalog }: CheckContext): Promise<Answer> {
  const here = (await source.locale()).encoding;
  const there = (await target.locale()).encoding;
  if (here === there) return pass(here);
  if (here === "SQL_ASCII") return anyBytes(source, catalog, there);
  if (there === "UTF8") return warn(`the source is ${here}, the target UTF8: texts are converted`);
  return fail(
    `the source is ${here}, the target ${there}, which cannot represent every character`,
    "create the target database with encoding 'UTF8' (template template0)",
  );
}

async function anyBytes({ misencoded }: Side, { tables }: CheckContext["catalog"], there: string): Promise<Answer> {
  const refused = await misencoded(tables, there, MISENCODED_MS);
  const fix = "create the target database with encoding SQL_ASCII, lc_collate C and lc_ctype C (template template0)";
  if (refused.length > 0) return fail(`the source is SQL_ASCII; the target is ${there} and refuses bytes in ${named(refused)}`, fix);
  return warn(
    `the source is SQL_ASCII, which takes any bytes, the target ${there}: a value that is not valid ${there === "UTF8" ? "UTF-8" : there} stops the load`,
    fix,
  );
}

/** Order and upper case follow the collation, so queries can answer differently; equality, and so the copy, does not depend on it. */
async function collation({ source, target }: CheckContext): Promise<Answer> {
  const here = await source.locale();
  const there = await target.locale();
  if (describe(here) === describe(there)) return pass(describe(here));
  return warn(
    `the source sorts by ${describe(here)}, the target by ${describe(there)}: ORDER BY, ranges and lower() may give different results`,
    "create the target database with the same provider and locale (template template0)",
  );
}

async function collationVersions({ source, catalog }: CheckContext): Promise<Answer> {
  const own = await source.locale();
  const changed = own.recordedVersion !== null && own.actualVersion !== null && own.recordedVersion !== own.actualVersion;
  const stale = [
    ...(changed ? [`the database's own (${own.recordedVersion}, now ${own.actualVersion})`] : []),
    ...(await source.staleCollations(catalog.tables)),
  ];
  if (stale.length === 0) return pass("the source's indexes were built with its current collation libraries");
  return warn(
    `the collation library has changed under ${named(stale)}: indexes at the source may be out of order, and chunks are read by index`,
    "reindex the affected tables, then refresh the collation's version (ALTER COLLATION ... REFRESH VERSION)",
  );
}

async function extensions({ source, target }: CheckContext): Promise<Answer> {
  // plpgsql is everywhere.
  const used = (await source.extensions()).filter(({ name }) => name !== "plpgsql");
  const available = await target.availableExtensions();
  const missing = used.filter(({ name }) => !available.has(name));
  if (missing.length > 0)
    return fail(
      `not available at the target: ${named(missing.map(({ name, version }) => `${name} ${version}`))}`,
      "install their packages on the target's machine",
    );
  const other = used.filter(({ name, version }) => (available.get(name)?.installed ?? available.get(name)?.defaultVersion) !== version);
  if (other.length === 0) return pass(used.length === 0 ? "none" : `${used.length}, of the same versions`);
  const difference = other.map(
    ({ name, version }) => `${name} ${version}, at the target ${available.get(name)?.installed ?? available.get(name)?.defaultVersion}`,
  );
  return warn(
    `other versions at the target: ${named(difference)}`,
    statements(
      other.map(({ name }) => `alter extension ${quoteIdent(name)} update`),
      "at the source",
    ),
  );
}

async function parameters({ source, target }: CheckContext): Promise<Answer> {
  const here = await source.settings(MATTERING);
  const there = await target.settings(MATTERING);
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

async function databaseSettings({ source, target }: CheckContext): Promise<Answer> {
  const there = new Set(await target.databaseSettings());
  const missing = (await source.databaseSettings()).filter((one) => !there.has(one));
  if (missing.length === 0) return pass("none is missing at the target");
  return warn(
    `set for the database at the source, but not at the target: ${named(missing)}`,
    "set them for the target database, or for its roles (ALTER DATABASE ... SET, ALTER ROLE ... IN DATABASE ... SET)",
  );
}

/** Half the round trip is the error of such a comparison, and is granted. */
async function clockDifference({ source, target }: CheckContext): Promise<Answer> {
  const started = performance.now();
  const [here, there] = await Promise.all([source.clock(), target.clock()]);
  const difference = Math.max(0, Math.abs(here - there) - (performance.now() - started));
  if (difference <= CLOCK_LIMIT_MS) return pass(`${Math.round(difference)} ms at most`);
  return warn(
    `the clocks differ by ${(difference / 1000).toFixed(1)} s: now() will jump at the cutover, and the lag in seconds will be wrong`,
    "synchronise both clocks (NTP)",
  );
}

const PROVIDERS: Readonly<Record<string, string>> = { c: "libc", i: "ICU", b: "the built-in provider" };

function describe({ collate, ctype, provider, locale }: Locale): string {
  return `${locale ?? collate}${ctype === collate ? "" : ` (ctype ${ctype})`} of ${PROVIDERS[provider] ?? provider}`;
}

function shown(value: string): string {
  return value === "" ? "empty" : value;
}
