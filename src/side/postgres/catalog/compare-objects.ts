/** What one database has and another lacks, by kind and name. Pure. */
import { type CatalogObject, objectKey } from "./object-queries.ts";

export interface ObjectScope {
  /** Tables that take part; what hangs on others stays behind with them. */
  readonly tables: readonly { readonly schema: string; readonly name: string }[];
  /** `KIND NAME`, where * stands for any text: what is not wanted there. */
  readonly notNeeded: readonly string[];
}

/** Objects of `source` that `target` lacks, oldest first: what was made later can lean on what was made before. */
export function missingObjects(
  source: readonly CatalogObject[],
  target: readonly CatalogObject[],
  { tables, notNeeded }: ObjectScope,
): readonly CatalogObject[] {
  const moved = new Set(tables.map(({ schema, name }) => JSON.stringify([schema, name])));
  const there = new Set(target.flatMap((object) => [objectKey(object), ...definitionKey(object)]));
  const patterns = notNeeded.map(asRegExp);
  const missing = source.filter(
    (object) =>
      (object.table === null || moved.has(JSON.stringify([object.schema, object.table]))) &&
      !there.has(objectKey(object)) &&
      !definitionKey(object).some((key) => there.has(key)) &&
      !patterns.some((pattern) => pattern.test(objectTitle(object))),
  );
  // A type comes with its labels.
  const types = new Set(missing.map(({ kind, name }) => (kind === "type" ? name : null)));
  return missing
    .filter(({ parent }) => parent === null || !types.has(parent))
    .sort((a, b) => Number(a.objid ?? Number.MAX_SAFE_INTEGER) - Number(b.objid ?? Number.MAX_SAFE_INTEGER));
}

/** `view public.totals`: what messages and patterns call it. */
export function objectTitle({ kind, name }: CatalogObject): string {
  return `${kind} ${name}`;
}

function definitionKey({ kind, schema, table, definition }: CatalogObject): readonly string[] {
  return definition === null ? [] : [JSON.stringify([kind, schema, table, definition])];
}

function asRegExp(pattern: string): RegExp {
  return new RegExp(`^${pattern.split("*").map(literally).join(".*")}$`, "s");
}

function literally(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
}
