import { configDigest } from "../../config/config-digest.ts";
import type { ChunkRows } from "../../engine/ports.ts";
import type { Table } from "../../model/table.ts";
import { type Forecast, forecast, type MeasuredRead } from "../../plan/forecast.ts";
import { type MigrationPlan, type NotMoved, type PlannedTable, planDigest } from "../../plan/migration-plan.ts";
import { migrationSteps } from "../../plan/migration-steps.ts";
import { describeConnection } from "../../postgres/connect.ts";
import { type Ask, askOf, inOneSnapshot } from "../../side/postgres/catalog/ask.ts";
import { readPublications } from "../../side/postgres/catalog/replication-objects.ts";
import { readSubscriptions } from "../../side/postgres/catalog/subscriptions.ts";
import { refusePatterns } from "../../source/catalog/pattern-faults.ts";
import { refuseOverrides } from "../../source/catalog/table-overrides.ts";
import { type Catalog, fingerprintTables, readCatalog } from "../../source/catalog.ts";
import { sampleRead, sampleWalRate } from "../../source/sample.ts";
import { openSourceReader } from "../../source/source-reader.ts";
import { openExistingState } from "../../state/open-state.ts";
import { plannedSwitch } from "../cutover/switch-settings.ts";
import { type ToldHold, toldHolds } from "../held-tables.ts";
import type { Sides } from "../open-migration.ts";
import { chunkBytesOf, loadRanges } from "../run/plan-ranges.ts";
import { measuredTable } from "./measured-table.ts";

/** The largest tables are measured for the forecast, one after the other; each takes at most a second and a half. */
const MEASURED_TABLES = 2;

/** What `plan` returns and `--json` prints. */
export type PlanResult = MigrationPlan;

/** Reads catalog and statistics of the source, and measures both sides for a few seconds. Changes nothing; a target that is away is no failure. Throws SOURCE_*. */
export async function planMigration(sides: Sides, signal: AbortSignal): Promise<PlanResult> {
  const { config, name } = sides;
  const { catalog, tables, notMoved } = await planTables(sides);
  const steps = migrationSteps({
    target: sides.target.capabilities,
    switch: sides.target.switching === null ? null : plannedSwitch(config.cutover),
  });
  const source = describeConnection(sides.source.spec);
  const target = sides.target.description;
  const subject = {
    migration: name,
    source,
    target,
    tablesFingerprint: fingerprintTables(catalog.tables),
    leftOut: catalog.leftOut.map(({ id }) => id).sort(),
    configDigest: configDigest(config),
  };
  return {
    migration: name,
    digest: planDigest(subject, steps),
    source,
    target,
    tables,
    leftOut: [
      ...catalog.leftOut.map(({ id, detail, fix, reason }) => ({
        table: id,
        why: detail,
        fix: fix === null ? null : `${fix};`,
        stopsRun: reason === "no-identity",
      })),
      ...catalog.outside.map(({ id, detail, fix }) => ({ table: id, why: detail, fix, stopsRun: false })),
    ],
    notMoved,
    held: await heldTables(config.state.dir),
    forecast: await measure(sides, { tables: catalog.tables, planned: tables }, signal),
    steps,
  };
}

/** Of a migration that is under way already; before that nothing is held. */
async function heldTables(stateDirectory: string): Promise<readonly ToldHold[]> {
  const state = await openExistingState(stateDirectory);
  try {
    return state === null ? [] : toldHolds(state);
  } finally {
    state?.close();
  }
}

interface Planned {
  readonly catalog: Catalog;
  readonly tables: readonly PlannedTable[];
  readonly notMoved: readonly NotMoved[];
}

async function planTables(sides: Sides): Promise<Planned> {
  const { config } = sides;
  return sides.session("source", "plan", async (client) => {
    const catalog = await readCatalog(client, config.tables);
    refusePatterns(catalog);
    refuseOverrides(config.tables.overrides, catalog);
    const tables: PlannedTable[] = [];
    for (const table of catalog.tables)
      tables.push({ ...measuredTable(table), chunks: (await loadRanges(client, table, table.leaves, chunkBytesOf(config, table))).length });
    // Only a target that becomes the primary has to have them.
    return { catalog, tables, notMoved: sides.target.switching === null ? [] : await othersStreams(askOf(client)) };
  });
}

/** Publications and subscriptions belong to streams of others, whose slots stay where they are. */
function othersStreams(ask: Ask): Promise<readonly NotMoved[]> {
  return inOneSnapshot(ask, async () => [
    ...(await readPublications(ask)).map(({ name, statement }) => ({ object: `publication ${name}`, fix: statement })),
    ...(await readSubscriptions(ask, [])).map(({ name, create }) => ({ object: `subscription ${name}`, fix: create })),
  ]);
}

interface Measured {
  readonly tables: readonly Table[];
  readonly planned: readonly PlannedTable[];
}

/** Reads and WAL are measured at the same time: reading writes no WAL. */
async function measure(sides: Sides, { tables, planned }: Measured, signal: AbortSignal): Promise<Forecast> {
  const largest = tables.toSorted((a, b) => bytesOf(b) - bytesOf(a)).slice(0, MEASURED_TABLES);
  const [reads, walBytesPerSecond] = await Promise.all([
    measureReads(sides, largest, signal),
    sides.session("source", "plan", (client) => sampleWalRate(client, signal)),
  ]);
  const sizes = planned.map(({ table, bytes, rows }) => ({ id: table, bytes, rows }));
  return forecast({ tables: sizes, reads, sampledBy: sides.target.sampledBy, workers: sides.config.throttle.workers, walBytesPerSecond });
}

async function measureReads(sides: Sides, tables: readonly Table[], signal: AbortSignal): Promise<readonly MeasuredRead[]> {
  const reader = openSourceReader({
    side: "source",
    connect: (purpose) => sides.connect("source", purpose, { signal }),
    tables,
    workers: 1,
    signal,
  });
  const reads: MeasuredRead[] = [];
  try {
    for (const table of tables) {
      const before = process.cpuUsage();
      const read = await sampleRead(reader, table, signal);
      if (read === null) continue;
      const writeMillis = await measureWrite(sides, table, read.sample, signal);
      const cpu = process.cpuUsage(before);
      reads.push({ ...read, writeMillis, cpuMillis: (cpu.user + cpu.system) / 1000 });
    }
  } finally {
    await reader.close();
  }
  return reads;
}

/** Null when the target cannot be asked: a plan can be made before it is there. */
async function measureWrite(sides: Sides, table: Table, rows: ChunkRows, signal: AbortSignal): Promise<number | null> {
  try {
    return await sides.target.sampleWrite(table, rows);
  } catch {
    signal.throwIfAborted();
    return null;
  }
}

function bytesOf(table: Table): number {
  return table.leaves.reduce((sum, { bytes }) => sum + Math.max(0, bytes), 0);
}
