import type { Table } from "../model/table.ts";
import { displayText, type Row } from "../model/value.ts";
import type { RowDifference } from "./ports.ts";

/** How two versions of one row differ; null when they do not. Keys are shown, other values never. */
export function diffRow(table: Table, key: Row, source: Row | undefined, target: Row | undefined): RowDifference | null {
  const shown = key.map((value) => displayText(value ?? ""));
  if (source === undefined && target === undefined) return null;
  if (target === undefined) return { kind: "missing", key: shown, columns: [] };
  if (source === undefined) return { kind: "extra", key: shown, columns: [] };
  const columns = table.columns.flatMap(({ name }, index) => (source[index] === target[index] ? [] : [name]));
  return columns.length === 0 ? null : { kind: "changed", key: shown, columns };
}
