import { type Answer, fail, pass, warn } from "../../conditions/condition.ts";
import { named, statements } from "../../conditions/listing.ts";
import { readOnlyAdvice, readOnlyInTheWay } from "../../conditions/read-only.ts";
import type { ExtensionFact } from "../../conditions/schema-facts.ts";
import { quoteIdent } from "../../postgres/quote.ts";
import { type Check, type CheckContext, check, type Side } from "./check.ts";

/** What the schema asks of the target's version, build and settings. */
export const CONSTRUCT_CHECKS: readonly Check[] = [
  check("extension-schemas", "both", "the target's extensions are in the same schemas as at the source", extensionSchemas),
  check("extension-privileges", "both", "our role may create the extensions that the target lacks", extensionPrivileges),
  check("function-libraries", "both", "the target has the libraries of the C functions", functionLibraries),
  check("compression", "both", "the target supports every compression method in use", compression),
  check("generated-children", "both", "the target accepts generated columns as they are inherited", generatedChildren),
  check("target-read-only", "both", "applications may write at the target", readOnly),
];

/** Types and functions are named with their schema: `public.citext` is not `extensions.citext`. */
async function extensionSchemas({ source, target }: CheckContext): Promise<Answer> {
  const there = new Map((await moved(target)).map((one) => [one.name, one]));
  const other = (await moved(source)).filter(({ name, schema }) => there.has(name) && there.get(name)?.schema !== schema);
  if (other.length === 0) return pass("each is in the same schema at the target, or does not exist there yet");
  const places = other.map(({ name, schema }) => `${name} is in ${schema}, at the target in ${there.get(name)?.schema}`);
  return fail(
    `in another schema at the target: ${named(places)}`,
    statements(
      other.flatMap(({ name, schema }) => moveExtension(name, schema, there.get(name)?.relocatable === true)),
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
async function extensionPrivileges({ source, target }: CheckContext): Promise<Answer> {
  const there = new Set((await moved(target)).map(({ name }) => name));
  const wanted = (await moved(source)).filter(({ name }) => !there.has(name));
  const refused = await target.superuserExtensions(wanted.map(({ name }) => name));
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

async function functionLibraries({ source, target }: CheckContext): Promise<Answer> {
  const libraries = await source.libraries();
  if (libraries.length === 0) return pass("no function needs a C library of its own");
  const role = await target.ownRole();
  if (!role.superuser) return fail(`at the target, only a superuser may create functions from ${named(libraries)}`);
  const missing: string[] = [];
  for (const library of libraries) if (!(await target.hasLibrary(library))) missing.push(library);
  if (missing.length === 0) return pass(`the target has ${named(libraries)}`);
  return fail(`the target's server lacks libraries of C functions: ${named(missing)}`, "install them on the target's machine");
}

async function compression({ source, target }: CheckContext): Promise<Answer> {
  const used = await source.columnCompressions();
  const known = await target.compressionMethods();
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
async function generatedChildren({ source, target }: CheckContext): Promise<Answer> {
  const found = (await target.server()).version < 160_000 ? [] : await source.ordinaryChildren();
  if (found.length === 0) return pass("none that the target refuses");
  return fail(
    `from version 16 on, the target requires these columns to be generated like their parents': ${named(found.map(({ name }) => name))}`,
    statements([...new Set(found.map(({ statement }) => statement))], "at the source; the child is then a separate table"),
  );
}

/** Our own sessions write all the same; the application's would not. */
async function readOnly({ source, target }: CheckContext): Promise<Answer> {
  const found = await readOnlyInTheWay(source, target);
  if (found.length === 0) return pass("sessions may write by default");
  return warn(
    `default_transaction_read_only is on for ${named(found.map(({ what }) => what))}: applications could not write after the switch`,
    readOnlyAdvice(found)
      .map((line) => `${line}   -- at the target, before the cutover`)
      .join("\n"),
  );
}

/** plpgsql is everywhere, and no schema's move makes it. */
async function moved({ extensions }: Side): Promise<readonly ExtensionFact[]> {
  return (await extensions()).filter(({ name }) => name !== "plpgsql");
}
