import type { Table } from "../../model/table.ts";
import type { PlannedTable } from "../../plan/migration-plan.ts";

/** What a plan says of a table before it is cut into ranges. */
export type MeasuredTable = Omit<PlannedTable, "chunks">;

/** Rows and bytes are the catalog's estimates, of all leaves together. */
export function measuredTable(table: Table): MeasuredTable {
  return {
    table: table.id,
    strategy: table.key === null ? "whole" : "key",
    key: (table.key ?? []).map((index) => table.columns[index]?.name ?? ""),
    rows: table.leaves.reduce((sum, { rows }) => sum + Math.max(0, rows), 0),
    bytes: table.leaves.reduce((sum, { bytes }) => sum + Math.max(0, bytes), 0),
  };
}
