/** Patterns of the configuration that select nothing: a slip of the pen moves too little, or too much, and nobody would hear of it. */
import { nearestName } from "../../errors/nearest.ts";
import { PghaulError } from "../../errors/pghaul-error.ts";
import { tableId } from "../../model/table.ts";
import type { TablePattern } from "./table-pattern.ts";

interface Name {
  readonly schema: string;
  readonly name: string;
}

export interface KnownNames {
  readonly tables: readonly Name[];
  /** Of partitions, with the table that each belongs to. */
  readonly partitions: readonly (Name & { readonly root_schema: string; readonly root: string })[];
}

/** A sentence for a pattern that matches no table, with what was probably meant. */
export function patternFault(key: "include" | "exclude", pattern: TablePattern, { tables, partitions }: KnownNames): string {
  const what = `tables.${key}: no table matches ${pattern.text}`;
  const partition = partitions.find(({ schema, name }) => pattern.matches(schema, name));
  if (partition !== undefined) {
    const root = tableId({ schema: partition.root_schema, name: partition.root });
    return `${what}: ${tableId(partition)} is a partition of ${root}, which is selected as a whole`;
  }
  const schemas = [...new Set(tables.map(({ schema }) => tableId({ schema, name: "x" }).slice(0, -1)))];
  const near = nearestName(pattern.text, [...tables.map(tableId), ...schemas.map((schema) => `${schema}*`)]);
  return near === null ? what : `${what}; did you mean ${near}?`;
}

/** Throws CONFIG_INVALID with all of them. */
export function refusePatterns({ patternFaults }: { readonly patternFaults: readonly string[] }): void {
  if (patternFaults.length > 0) throw new PghaulError("CONFIG_INVALID", patternFaults.join("\n"));
}
