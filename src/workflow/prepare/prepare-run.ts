/**
 * Everything before the first byte moves: who the two clusters are, which tables take part, the schema at the target, publication and slot, and
 * the barrier. Each step looks first and is done once.
 */
import type pg from "pg";
import { stateOf } from "../../cutover/machine.ts";
import { PghaulError } from "../../errors/pghaul-error.ts";
import type { SideName } from "../../model/side.ts";
import type { Table } from "../../model/table.ts";
import type { ProgressBus } from "../../observe/events.ts";
import { type Claim, claimTables, releaseTables } from "../../side/postgres/bookkeeping/claim-tables.ts";
import { markerTable } from "../../side/postgres/bookkeeping/marker-table.ts";
import { createProgressSchema } from "../../side/postgres/bookkeeping/progress-schema.ts";
import { systemIdentifier } from "../../side/postgres/wal.ts";
import { refusePatterns } from "../../source/catalog/pattern-faults.ts";
import { refuseOverrides } from "../../source/catalog/table-overrides.ts";
import { completeTables, fingerprintTables, readCatalog, readTables } from "../../source/catalog.ts";
import { openSourceReader } from "../../source/source-reader.ts";
import { CutoverStore } from "../../state/cutover-store.ts";
import { claimIdentity } from "../../state/identity.ts";
import { MilestoneStore } from "../../state/milestone-store.ts";
import { TableStore } from "../../state/table-store.ts";
import type { TailRecord } from "../../state/tail-store.ts";
import type { SchemaMemory, SchemaWork } from "../../target/kind.ts";
import { lookForChanges } from "../changes/look-for-changes.ts";
import { markersName } from "../names.ts";
import type { Migration } from "../open-migration.ts";
import { adoptDrift } from "../stream/adopt-drift.ts";
import { leftOutStore } from "./left-out-store.ts";
import { provedSlot } from "./prove-slot.ts";

export interface PreparedRun {
  /** With the marker table, which streams like any other. */
  readonly tables: readonly Table[];
  readonly tail: TailRecord;
  /** The clusters that the streams read; empty where there is no way back. */
  readonly identifiers: Readonly<Record<SideName, string>>;
  readonly schema: SchemaWork;
}

export async function prepareRun(migration: Migration, bus: ProgressBus, signal: AbortSignal): Promise<PreparedRun> {
  if (new MilestoneStore(migration.state).has("torn-down")) throw tornDown(migration);
  bus.emit({ kind: "phase", phase: "checking" });
  const source = await migration.connect("source", "prepare", { signal });
  try {
    const identifiers = await claimSides(migration, source, signal);
    await createProgressSchema(source, "source");
    await migration.target.prepare(signal);
    const moved = await planTables(migration, source, bus);
    const tables = [...moved, await markerTable(source, markersName(migration.name))];
    bus.emit({ kind: "phase", phase: "schema" });
    const schema = await migration.target.openSchema({ tables: moved, memory: schemaMemory(migration), bus, signal });
    await schema.prepare();
    bus.emit({ kind: "phase", phase: "slot" });
    const isNew = !new MilestoneStore(migration.state).has("barrier-passed");
    const barrier = (): Promise<void> => passBarrier(migration, tables, bus, signal);
    // Before the publication is made as it should be: what somebody took out of it has not streamed, and that must not be passed over.
    const look = (): Promise<void> => lookForChanges({ migration, side: "source", tables, bus }, source);
    if (!isNew) await look();
    const tail = await provedSlot(migration, { stream: "forward", proved: !isNew, tables, bus, barrier, signal });
    if (isNew) {
      await look();
      await refuseChange(migration, source, moved);
    }
    new MilestoneStore(migration.state).reach("barrier-passed");
    bus.emit({ kind: "phase", phase: "loading" });
    return { tables, tail, identifiers, schema };
  } finally {
    await source.end().catch(() => undefined);
  }
}

async function claimSides(migration: Migration, source: pg.Client, signal: AbortSignal): Promise<PreparedRun["identifiers"]> {
  const cluster = await systemIdentifier(source);
  const target = await migration.target.identity(cluster, signal);
  claimIdentity(migration.state, {
    migration: migration.name,
    "source cluster": cluster,
    "source database": migration.source.spec.database,
    ...target.facts,
  });
  return { source: cluster, target: target.cluster };
}

function schemaMemory({ state }: Migration): SchemaMemory {
  const milestones = new MilestoneStore(state);
  return {
    has: (milestone) => milestones.has(milestone),
    reach: (milestone) => milestones.reach(milestone),
    isUntouched: () => stateOf(new CutoverStore(state).load()) === "source-primary",
  };
}

/** The tables as first planned; later starts keep them, so that what is loaded and what is published cannot drift apart. */
async function planTables(migration: Migration, source: pg.Client, bus: ProgressBus): Promise<readonly Table[]> {
  const store = new TableStore(migration.state);
  const { include, exclude, overrides } = migration.config.tables;
  const claim = (): void =>
    claimIdentity(migration.state, { "tables include": JSON.stringify(include), "tables exclude": JSON.stringify(exclude) });
  if (store.all().length > 0) {
    claim();
    const known = await adoptDrift(migration, bus);
    refuseOverrides(overrides, { tables: known, leftOut: [] });
    await claimBoth(migration, source, known);
    return known;
  }
  const catalog = await readCatalog(source, { include, exclude });
  refusePatterns(catalog);
  const tables = completeTables(catalog);
  if (tables.length === 0) {
    throw new PghaulError("CONFIG_INVALID", `no table at the source matches tables.include (${include.join(", ")})`, {
      suggestion: "pghaul plan",
    });
  }
  refuseOverrides(overrides, catalog);
  await claimBoth(migration, source, tables);
  // Their definitions come with the schema, so an empty table at the target would be all that is seen of it.
  for (const { detail, fix } of catalog.leftOut) {
    bus.emit({
      kind: "warning",
      code: "TABLE_LEFT_OUT",
      message: `not moved: ${detail}${fix === null ? "" : `; before the first run: ${fix}`}`,
    });
  }
  leftOutStore(migration.state).put(
    [...catalog.leftOut, ...catalog.outside].map(({ id, detail }) => ({ table: id, why: detail })),
    leftOutStore(migration.state).get()?.version ?? 0,
  );
  for (const { detail, fix } of catalog.outside.filter((one) => one.fix !== null)) {
    bus.emit({ kind: "warning", code: "TABLE_LEFT_OUT", message: `not moved: ${detail}; to carry them over: ${fix}` });
  }
  // Not before: what was refused above can still be corrected.
  claim();
  store.plan(
    tables,
    migration.target.destinations.map(({ name }) => name),
  );
  return tables;
}

async function claimBoth(migration: Migration, source: pg.Client, moved: readonly Table[]): Promise<void> {
  const tables = moved.map(({ id }) => id);
  const claim: Claim = { side: "source", migration: migration.name, markers: markersName(migration.name), tables };
  await claimTables(source, claim);
  try {
    await migration.target.claim(tables);
  } catch (error) {
    if (new TableStore(migration.state).all().length === 0) await releaseTables(source, claim);
    throw error;
  }
}

async function passBarrier(migration: Migration, tables: readonly Table[], bus: ProgressBus, signal: AbortSignal): Promise<void> {
  bus.emit({ kind: "phase", phase: "barrier" });
  const reader = openSourceReader({
    side: "source",
    connect: (purpose) => migration.connect("source", purpose, { signal }),
    tables,
    workers: 1,
    signal,
  });
  try {
    await reader.barrier((who) => bus.emit({ kind: "waiting", why: `the load waits for older transactions to end: ${who}` }), signal);
  } finally {
    await reader.close();
  }
}

/**
 * A table or a column that was changed between reading the catalog and the barrier is not in the stream's beginning: the load would miss it.
 * Partitions are looked up again when their table is loaded.
 */
async function refuseChange(migration: Migration, source: pg.Client, planned: readonly Table[]): Promise<void> {
  const now = await readTables(source, migration.config.tables);
  const shape = (tables: readonly Table[]): string => fingerprintTables(tables.map((table) => ({ ...table, leaves: [] })));
  if (shape(now) === shape(planned)) return;
  throw new PghaulError(
    "SCHEMA_DRIFT",
    "tables at the source were changed while the migration was being prepared; nothing has been loaded yet",
    {
      suggestion: `run pghaul cdc teardown; then empty the target and set state.dir to another directory than ${migration.config.state.dir}; then pghaul run`,
    },
  );
}

function tornDown({ config }: Migration): PghaulError {
  return new PghaulError("SLOT_LOST", "the migration was torn down: nothing has kept the changes since then, so it cannot continue", {
    suggestion: `empty the target's tables and use another state directory than ${config.state.dir}; then pghaul run`,
  });
}
