/** What one database has and another lacks, by kind and name, or has otherwise. Pure. */
import { type CatalogObject, HIDDEN_OPTIONS, objectKey } from "./object-queries.ts";
import { isSameQuery } from "./same-query.ts";

export interface ObjectScope {
  /** Tables that take part; what hangs on others stays behind with them. */
  readonly tables: readonly { readonly schema: string; readonly name: string }[];
  /** `KIND NAME`, where * stands for any text: what is not wanted there, or not alike. */
  readonly notNeeded: readonly string[];
}

/** Objects of `source` that `target` lacks, oldest first: what was made later can lean on what was made before. */
export function missingObjects(
  source: readonly CatalogObject[],
  target: readonly CatalogObject[],
  scope: ObjectScope,
): readonly CatalogObject[] {
  const there = new Set(target.flatMap((object) => [objectKey(object), ...definitionKey(object)]));
  const missing = source
    .filter(meant(scope))
    .filter((object) => !there.has(objectKey(object)) && !definitionKey(object).some((key) => there.has(key)));
  const left = withoutUnwanted(missing, scope);
  // A type comes with its labels, a table with its row security.
  const parents = new Set(left.map(({ kind, name }) => (kind === "type" || kind === "table" ? name : null)));
  return left.filter(({ parent }) => parent === null || !parents.has(parent)).sort(byAge);
}

/**
 * Objects of `source` that `target` has by name and defines otherwise, oldest first. Each server prints its own: the very same may read differently
 * in two versions, so what is left here is for a human to look at, who can say that it is not needed alike.
 */
export function differingObjects(
  source: readonly CatalogObject[],
  target: readonly CatalogObject[],
  scope: ObjectScope,
): readonly CatalogObject[] {
  const there = new Map(target.map((object) => [objectKey(object), object]));
  const definitions = new Set(target.flatMap(definitionKey));
  const differing = source.filter(meant(scope)).filter((object) => {
    const found = there.get(objectKey(object));
    return found !== undefined && !isAlike(object, found) && !definitionKey(object).some((key) => definitions.has(key));
  });
  return [...withoutUnwanted(differing, scope)].sort(byAge);
}

function isAlike({ kind, definition }: CatalogObject, { definition: found }: CatalogObject): boolean {
  if (definition === null || found === null || definition === found) return true;
  if (kind === "user mapping") return definition === HIDDEN_OPTIONS ? found !== "no options" : found === HIDDEN_OPTIONS;
  if (kind === "type" && definition.startsWith("[") && found.startsWith("[")) return isSameOrder(definition, found);
  if (kind === "view" || kind === "materialized view") return isSameQuery(definition, found);
  // What the source does not know of its rows the target may.
  return definition.endsWith(UNCHECKED) && definition.slice(0, -UNCHECKED.length) === found;
}

/** Of an enum's labels, JSON arrays; a label that is missing is an object of its own. */
function isSameOrder(definition: string, found: string): boolean {
  const [here, there] = [JSON.parse(definition) as string[], JSON.parse(found) as string[]];
  const both = there.filter((label) => here.includes(label));
  return here.filter((label) => there.includes(label)).every((label, place) => label === both[place]);
}

const UNCHECKED = " NOT VALID";

function meant({ tables }: ObjectScope): (object: CatalogObject) => boolean {
  const moved = new Set(tables.map(({ schema, name }) => JSON.stringify([schema, name])));
  return ({ schema, table }) => table === null || moved.has(JSON.stringify([schema, table]));
}

function withoutUnwanted(objects: readonly CatalogObject[], { notNeeded }: ObjectScope): readonly CatalogObject[] {
  const isUnwanted = matcher(notNeeded);
  return objects.filter((object) => !isUnwanted(objectTitle(object)));
}

function byAge(a: CatalogObject, b: CatalogObject): number {
  return Number(a.objid ?? Number.MAX_SAFE_INTEGER) - Number(b.objid ?? Number.MAX_SAFE_INTEGER);
}

/** `view public.totals`: what messages and patterns call it. */
export function objectTitle({ kind, name }: CatalogObject): string {
  return `${kind} ${name}`;
}

/** An index or a constraint may have another name there, for an operator's own schema may call it otherwise. */
function definitionKey({ kind, schema, table, definition }: CatalogObject): readonly string[] {
  const known = kind === "index" || kind === "table constraint" || kind === "domain constraint";
  return known && definition !== null ? [JSON.stringify([kind, schema, table, definition])] : [];
}

/** Whether a title is one of those that `cutover.gates.notNeeded` means. */
export function matcher(patterns: readonly string[]): (title: string) => boolean {
  const expressions = patterns.map(asRegExp);
  return (title) => expressions.some((expression) => expression.test(title));
}

function asRegExp(pattern: string): RegExp {
  return new RegExp(`^${pattern.split("*").map(literally).join(".*")}$`, "s");
}

function literally(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
}
