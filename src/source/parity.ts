/** What must be alike on both sides, or be known to differ. */
import { quoteIdent, quoteLiteral } from "../postgres/quote.ts";
import { type Check, type CheckContext, fail, named, pass, type Side, statements, type Verdict, warn } from "./checks/check.ts";
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
  "default_transaction_read_only",
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

async function encoding({ source, target }: CheckContext): Promise<Verdict> {
  const here = (await database(source)).encoding;
  const there = (await database(target)).encoding;
  if (here === there && here !== "SQL_ASCII") return pass(here);
  if (here === "SQL_ASCII")
    return warn(`the source is SQL_ASCII, which takes any bytes, the target ${there}: a text that is no UTF-8 stops the load`);
  if (there === "UTF8") return warn(`the source is ${here}, the target UTF8: texts are converted`);
  return fail(
    `the source is ${here}, the target ${there}: not every character has a place there`,
    "create the target database with encoding 'UTF8' (template template0)",
  );
}

/** Order and upper case follow the collation, so queries can answer differently; equality, and so the copy, does not depend on it. */
async function collation({ source, target }: CheckContext): Promise<Verdict> {
  const here = await database(source);
  const there = await database(target);
  if (describe(here) === describe(there)) return pass(describe(here));
  return warn(
    `the source sorts by ${describe(here)}, the target by ${describe(there)}: ORDER BY, ranges and lower() may answer differently`,
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
  if (stale.length === 0) return pass("the source's indexes were built by the libraries it has now");
  return warn(
    `the library has changed under ${named(stale)}: indexes at the source may be out of order, and chunks are read by index`,
    "reindex the tables concerned, then: alter collation NAME refresh version;",
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
    ({ name, version }) => `${name} ${version}, there ${available.get(name)?.installed ?? available.get(name)?.default_version}`,
  );
  return warn(
    `of another version at the target: ${named(difference)}`,
    statements(
      other.map(({ name }) => `alter extension ${quoteIdent(name)} update`),
      "at the source",
    ),
  );
}

async function parameters({ source, target }: CheckContext): Promise<Verdict> {
  const here = await selectSettings(source.client, MATTERING);
  const there = await selectSettings(target.client, MATTERING);
  const different = [...here].filter(([name, value]) => there.has(name) && there.get(name) !== value);
  if (different.length === 0) return pass(`${here.size} settings that matter are equal`);
  return warn(
    `differ (source, target): ${different.map(([name, value]) => `${name} (${shown(value)}, ${shown(there.get(name) ?? "")})`).join(", ")}`,
    statements(
      different.map(([name, value]) => `alter system set ${name} = ${quoteLiteral(value)}`),
      "at the target; some only with a restart",
    ),
  );
}

async function databaseSettings({ source, target }: CheckContext): Promise<Verdict> {
  const there = new Set(await selectOwnSettings(target.client));
  const missing = (await selectOwnSettings(source.client)).filter((one) => !there.has(one));
  if (missing.length === 0) return pass("none is missing at the target");
  return warn(
    `made for the database at the source and not at the target: ${named(missing)}`,
    "alter database NAME set PARAMETER = VALUE;   -- or alter role ... in database",
  );
}

/** Half the round trip is the error of such a comparison, and is granted. */
async function clockDifference({ source, target }: CheckContext): Promise<Verdict> {
  const started = performance.now();
  const [here, there] = await Promise.all([selectClock(source.client), selectClock(target.client)]);
  const difference = Math.max(0, Math.abs(here - there) - (performance.now() - started));
  if (difference <= CLOCK_LIMIT_MS) return pass(`${Math.round(difference)} ms at most`);
  return warn(
    `the clocks differ by ${(difference / 1000).toFixed(1)} s: now() will jump at the cutover, and lag in seconds is shown wrongly`,
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
