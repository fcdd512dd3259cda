import type { ChunkRange } from "../../engine/ports.ts";
import { type Table, tableId } from "../../model/table.ts";
import { displayText } from "../../model/value.ts";
import { refusePatterns } from "../../source/catalog/pattern-faults.ts";
import { refuseOverrides } from "../../source/catalog/table-overrides.ts";
import { completeTables, readCatalog } from "../../source/catalog.ts";
import type { Migration } from "../open-migration.ts";
import { chunkBytesOf, loadRanges } from "../run/plan-ranges.ts";
import { type MeasuredTable, measuredTable } from "./measured-table.ts";

export interface SnapshotPlan {
  readonly chunks: { readonly done: number; readonly total: number };
  readonly tables: readonly RangedTable[];
}

export interface RangedTable extends MeasuredTable {
  readonly ranges: readonly PlannedRange[];
}

/** Bounds as text, null for an open end; a range holds its lower bound and not its upper. */
interface PlannedRange {
  readonly leaf: string;
  readonly from: readonly string[] | null;
  readonly to: readonly string[] | null;
}

export async function planSnapshot(migration: Migration): Promise<SnapshotPlan> {
  const { config } = migration;
  const tables = await migration.session("source", "snapshot plan", async (client) => {
    const planned: RangedTable[] = [];
    const catalog = await readCatalog(client, config.tables);
    refusePatterns(catalog);
    const selected = completeTables(catalog);
    refuseOverrides(config.tables.overrides, { tables: selected, leftOut: [] });
    for (const table of selected)
      planned.push(rangedTable(table, await loadRanges(client, table, table.leaves, chunkBytesOf(config, table))));
    return planned;
  });
  return { chunks: { done: 0, total: tables.reduce((sum, { ranges }) => sum + ranges.length, 0) }, tables };
}

function rangedTable(table: Table, ranges: readonly ChunkRange[]): RangedTable {
  return {
    ...measuredTable(table),
    ranges: ranges.map(({ leaf, from, to }) => ({ leaf: leafName(table, leaf), from: boundText(from), to: boundText(to) })),
  };
}

function leafName(table: Table, leaf: string): string {
  const found = table.leaves.find(({ id }) => id === leaf);
  return found === undefined ? table.id : tableId(found);
}

function boundText(bound: ChunkRange["from"]): readonly string[] | null {
  return bound === null ? null : bound.values.map((value) => displayText(value ?? ""));
}
