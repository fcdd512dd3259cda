import { configDigest } from "../../config/config-digest.ts";
import type { Table } from "../../model/table.ts";
import { type Forecast, forecast, type MeasuredRead } from "../../plan/forecast.ts";
import { type LeftOutTable, type MigrationPlan, migrationSteps, type PlannedTable, planDigest } from "../../plan/migration-plan.ts";
import { describeConnection } from "../../postgres/connect.ts";
import { fingerprintTables, readCatalog } from "../../source/catalog.ts";
import { sampleRead, sampleWalRate } from "../../source/sample.ts";
import { openSourceReader } from "../../source/source-reader.ts";
import type { Migration } from "../open-migration.ts";
import { loadRanges } from "../run/plan-ranges.ts";

/** The largest tables are measured for the forecast; each takes at most a second and a half. */
const MEASURED_TABLES = 2;

/** What `plan` returns and `--json` prints. */
export type PlanResult = MigrationPlan;

/** Reads catalog and statistics, measures for a few seconds, changes nothing. */
export async function planMigration(migration: Migration, signal: AbortSignal): Promise<PlanResult> {
  const { config, specs, name } = migration;
  const { catalog, tables } = await migration.session("source", "plan", async (client) => {
    const found = await readCatalog(client, config.tables);
    const planned: PlannedTable[] = [];
    for (const table of found.tables)
      planned.push(plannedTable(table, (await loadRanges(client, table, config.throttle.chunkBytes)).length));
    return { catalog: found, tables: planned };
  });
  const steps = migrationSteps(config.target.schema);
  const source = describeConnection(specs.source);
  const target = describeConnection(specs.target);
  const settings = { config: configDigest(config) };
  return {
    migration: name,
    digest: planDigest({ migration: name, source, target, tablesFingerprint: fingerprintTables(catalog.tables), settings }, steps),
    source,
    target,
    tables,
    leftOut: catalog.leftOut.map(({ id, detail, fix }): LeftOutTable => ({ table: id, why: detail, fix })),
    forecast: await measure(migration, catalog.tables, tables, signal),
    steps,
  };
}

async function measure(
  migration: Migration,
  tables: readonly Table[],
  planned: readonly PlannedTable[],
  signal: AbortSignal,
): Promise<Forecast> {
  const largest = tables.toSorted((a, b) => bytesOf(b) - bytesOf(a)).slice(0, MEASURED_TABLES);
  const reader = openSourceReader({ connect: (purpose) => migration.connect("source", purpose, { signal }), tables, workers: 1, signal });
  const reads: MeasuredRead[] = [];
  try {
    for (const table of largest) {
      const read = await sampleRead(reader, table, signal);
      if (read !== null) reads.push(read);
    }
  } finally {
    await reader.close();
  }
  const walBytesPerSecond = await migration.session("source", "plan", (client) => sampleWalRate(client, signal));
  const sizes = planned.map(({ table, bytes, rows }) => ({ id: table, bytes, rows }));
  return forecast({ tables: sizes, reads, workers: migration.config.throttle.workers, walBytesPerSecond });
}

function plannedTable(table: Table, chunks: number): PlannedTable {
  return {
    table: table.id,
    strategy: table.key === null ? "whole" : "key",
    key: (table.key ?? []).map((index) => table.columns[index]?.name ?? ""),
    rows: table.leaves.reduce((sum, { rows }) => sum + Math.max(0, rows), 0),
    bytes: bytesOf(table),
    chunks,
  };
}

function bytesOf(table: Table): number {
  return table.leaves.reduce((sum, { bytes }) => sum + Math.max(0, bytes), 0);
}
