import { quoteIdent, quoteLiteral } from "../../postgres/quote.ts";
import { sqlState } from "../../postgres/wrap-error.ts";
import { askOf } from "../../side/postgres/catalog/ask.ts";
import { readOwnRole } from "../../side/postgres/facts/own-role.ts";
import { readReadOnlyDefaults } from "../../side/postgres/facts/writability.ts";
import { type Check, type CheckContext, fail, named, pass, type Side, statements, type Verdict, warn } from "./check.ts";
import {
  selectClientLibraries,
  selectColumnCompressions,
  selectCompressionMethods,
  selectExtensionPlaces,
  selectOrdinaryChildren,
  selectSuperuserExtensions,
} from "./construct-queries.ts";

/** What the schema asks of the target's version, build and settings. */
export const CONSTRUCT_CHECKS: readonly Check[] = [
  { id: "extension-schemas", run: extensionSchemas },
  { id: "extension-privileges", run: extensionPrivileges },
  { id: "function-libraries", run: functionLibraries },
  { id: "compression", run: compression },
  { id: "generated-children", run: generatedChildren },
  { id: "target-read-only", run: ({ target }) => readOnly(target) },
];

/** Types and functions are named with their schema: `public.citext` is not `extensions.citext`. */
async function extensionSchemas({ source, target }: CheckContext): Promise<Verdict> {
  const there = new Map((await selectExtensionPlaces(target.client)).map((row) => [row.name, row]));
  const other = (await selectExtensionPlaces(source.client)).filter(
    ({ name, schema }) => there.has(name) && there.get(name)?.schema !== schema,
  );
  if (other.length === 0) return pass("each is in the same schema at the target, or does not exist there yet");
  const places = other.map(({ name, schema }) => `${name} is in ${schema}, at the target in ${there.get(name)?.schema}`);
  return fail(
    `in another schema at the target: ${named(places)}`,
    statements(
      other.flatMap(({ name, schema }) => moveExtension(name, schema, there.get(name)?.relocatable === "true")),
      "at the target",
    ),
  );
}

function moveExtension(name: string, schema: string, relocatable: boolean): readonly string[] {
  const make = schema === "public" ? [] : [`create schema if not exists ${quoteIdent(schema)}`];
  if (relocatable) return [...make, `alter extension ${quoteIdent(name)} set schema ${quoteIdent(schema)}`];
  return [...make, `drop extension ${quoteIdent(name)}`, `create extension ${quoteIdent(name)} schema ${quoteIdent(schema)}`];
}

/** Managed services let their own kind of administrator make what the control file asks a superuser for. */
async function extensionPrivileges({ source, target }: CheckContext): Promise<Verdict> {
  const there = new Set((await selectExtensionPlaces(target.client)).map(({ name }) => name));
  const wanted = (await selectExtensionPlaces(source.client)).filter(({ name }) => !there.has(name));
  const refused = await selectSuperuserExtensions(
    target.client,
    wanted.map(({ name }) => name),
  );
  if (refused.length === 0) return pass("our role may create those that the target lacks");
  const places = new Map(wanted.map(({ name, schema }) => [name, schema]));
  return fail(
    `at the target, only a superuser may create ${named(refused)}`,
    statements(
      refused.flatMap((name) => {
        const schema = places.get(name) ?? "public";
        const make = schema === "public" || schema === "pg_catalog" ? [] : [`create schema if not exists ${quoteIdent(schema)}`];
        return [...make, `create extension ${quoteIdent(name)}${schema === "pg_catalog" ? "" : ` schema ${quoteIdent(schema)}`}`];
      }),
      "at the target, as a superuser",
    ),
  );
}

/** CREATE FUNCTION loads the library (manual: "C-Language Functions"), so loading it tells. */
async function functionLibraries({ source, target }: CheckContext): Promise<Verdict> {
  const libraries = await selectClientLibraries(source.client);
  if (libraries.length === 0) return pass("no function needs a C library of its own");
  const role = await readOwnRole(askOf(target.client));
  if (!role.superuser) return fail(`at the target, only a superuser may create functions from ${named(libraries)}`);
  const missing: string[] = [];
  for (const library of libraries) if (!(await loads(target, library))) missing.push(library);
  if (missing.length === 0) return pass(`the target has ${named(libraries)}`);
  return fail(`the target's server lacks libraries of C functions: ${named(missing)}`, "install them on the target's machine");
}

async function loads({ client }: Side, library: string): Promise<boolean> {
  try {
    await client.query(`load ${quoteLiteral(library)}`);
    return true;
  } catch (error) {
    // undefined_file; a library of another version is an internal error or a bad file.
    if (["58P01", "XX000", "58030"].includes(sqlState(error) ?? "")) return false;
    throw error;
  }
}

async function compression({ source, target }: CheckContext): Promise<Verdict> {
  const used = await selectColumnCompressions(source.client);
  const known = await selectCompressionMethods(target.client);
  const unknown = used.filter(({ method }) => !known.has(method));
  if (unknown.length === 0) return pass("the target knows every compression method in use");
  const why = known.size === 0 ? "before version 14, a column cannot have its own compression" : "the target was built without it";
  return fail(
    `${why}: ${named(unknown.map(({ column, method }) => `${column} (${method})`))}`,
    statements(
      unknown.map(({ statement }) => statement),
      "at the source; stored values stay as they are",
    ),
  );
}

/** 16 refuses it; older versions let it be (release notes of 16, "inherited generated columns"). */
async function generatedChildren({ source, target }: CheckContext): Promise<Verdict> {
  const found = target.version < 160_000 ? [] : await selectOrdinaryChildren(source.client);
  if (found.length === 0) return pass("none that the target refuses");
  return fail(
    `from version 16 on, the target requires these columns to be generated like their parents': ${named(found.map(({ column }) => column))}`,
    statements([...new Set(found.map(({ statement }) => statement))], "at the source; the child is then a separate table"),
  );
}

/** Our own sessions write all the same; the application's would not. */
async function readOnly({ client }: Side): Promise<Verdict> {
  const found = await readReadOnlyDefaults(askOf(client));
  if (found.length === 0) return pass("sessions may write by default");
  return warn(
    `default_transaction_read_only is on for ${named(found.map(({ what }) => what))}: applications could not write after the switch`,
    statements(["set default_transaction_read_only = off", ...found.flatMap((one) => one.statements)], "at the target, before the cutover"),
  );
}
