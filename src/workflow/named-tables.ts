import { nearestName } from "../errors/nearest.ts";
import { PghaulError } from "../errors/pghaul-error.ts";
import type { Table } from "../model/table.ts";
import { type TablePattern, tablePattern } from "../source/catalog/table-pattern.ts";

type NamedTable = Pick<Table, "id" | "schema" | "name">;

/**
 * The ids of those tables that `names` ask for, each an id or a pattern as in `tables.include`. Throws USAGE for a name that asks for none.
 * `command` is what the operator typed, for the advice.
 */
export function namedTables(tables: readonly NamedTable[], names: readonly string[], command: string): ReadonlySet<string> {
  return new Set(names.flatMap((name) => matching(tables, name, command)));
}

function matching(tables: readonly NamedTable[], name: string, command: string): readonly string[] {
  // A name that holds a star or a dot of its own is printed as it is, and must be understood as it was printed.
  if (tables.some(({ id }) => id === name)) return [name];
  const pattern = parsed(name);
  const found = tables.filter(({ schema, name: tableName }) => pattern.matches(schema, tableName)).map(({ id }) => id);
  if (found.length === 0) throw unknown(tables, name, command);
  return found;
}

function parsed(name: string): TablePattern {
  try {
    return tablePattern(name);
  } catch (error) {
    throw new PghaulError("USAGE", (error as Error).message);
  }
}

function unknown(tables: readonly NamedTable[], name: string, command: string): PghaulError {
  const ids = tables.map(({ id }) => id);
  const near = nearestName(name, ids);
  if (near === null && /[*?]/.test(name)) {
    return new PghaulError("USAGE", `no table matches ${name} in this migration`, { suggestion: "pghaul status" });
  }
  return new PghaulError("USAGE", `no table ${name} in this migration${near === null ? "" : `; did you mean ${near}?`}`, {
    suggestion: near === null ? "pghaul status" : `pghaul ${command} --table '${near.replaceAll("'", "'\\''")}'`,
  });
}
