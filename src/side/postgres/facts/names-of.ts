import type { Table } from "../../../model/table.ts";

/** Parameters of queries over tables: schemas and names, side by side. */
export function namesOf(tables: readonly Pick<Table, "schema" | "name">[]): readonly [readonly string[], readonly string[]] {
  return [tables.map(({ schema }) => schema), tables.map(({ name }) => name)];
}
