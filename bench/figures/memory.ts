/**
 * Resident memory of `pghaul run`: while it moves one large table, while it streams with the target away for half of the time, and while one
 * transaction changes a million rows of a table that loads. A curve that grows with what has passed would end a move of days.
 */
import { openExistingState } from "../../src/state/open-state.ts";
import { type TableRecord, TableStore } from "../../src/state/table-store.ts";
import { systemClock } from "../../src/workflow/system-clock.ts";
import { query } from "../../test/support/database.ts";
import { type Place, requireEqual } from "../harness/equal-tables.ts";
import type { Figure } from "../harness/figure.ts";
import { type CurvePoint, MemoryCurve } from "../harness/memory-curve.ts";
import { type RunningPghaul, runPghaul, watchPghaul } from "../harness/pghaul.ts";
import { cpuSeconds, peakBytes, type Use } from "../harness/process-use.ts";
import { dropDatabase, execute, makeDatabase, type Stage, settle } from "../harness/stage.ts";
import { until } from "../harness/until.ts";
import { bulkOf, LEDGER, oneByOne } from "../workload/long-stream.ts";
import { LARGE } from "../workload/tables.ts";

const LIMIT_MB = 400;
const ROW_BYTES = 1_000;
const STATE_POLL_MILLIS = 200;

/** One large table. */
export async function overLoad(stage: Stage): Promise<Figure> {
  const { memoryBytes } = stage.sizes;
  return between(stage, { name: "load", create: [LARGE.create], fill: [LARGE.fill(memoryBytes / ROW_BYTES)] }, async (source, target) => {
    stage.tell("memory, load: pghaul run");
    const { use } = await runPghaul({ args: ["run", "--until", "caught-up"], source, target, tables: [LARGE.name], dir: stage.dir });
    await requireEqual(source, target, [LARGE.name]);
    return figureOf({ name: "memory, load", measures: `run over a table of ${memoryBytes / 1e6} MB`, use, note: "4 workers." });
  });
}

/** Half of the changes come while the target is away: they gather in the log, and are applied when it is back. */
export async function overStream(stage: Stage): Promise<Figure> {
  const { streamChanges } = stage.sizes;
  const half = streamChanges / 2;
  return between(stage, { name: "stream", create: LEDGER.create, fill: LEDGER.fill }, async (source, target) => {
    const seen = await watchPghaul({ args: ["run"], source, target, tables: LEDGER.tables, dir: stage.dir }, async (running) => {
      using curve = new MemoryCurve(running.pid, "load");
      await arrives(source, target);
      for (const [name, part] of [
        ["streaming", 0],
        ["target away", 1],
      ] as const) {
        stage.tell(`memory, stream: ${half} changes, ${name}`);
        curve.enter(name);
        if (part === 1) await target.server.stop();
        await execute(source.server, source.database, "set synchronous_commit = off", oneByOne(part, half), bulkOf(part, half));
        if (part === 0) await arrives(source, target);
      }
      await hasAll(source);
      stage.tell("memory, stream: target back");
      curve.enter("target back");
      await target.server.start();
      await arrives(source, target);
      return { points: curve.points, use: useOf(running) };
    });
    await requireEqual(source, target, LEDGER.tables);
    const measures = `run over ${streamChanges} changes, the target away for half of them`;
    return figureOf({ name: "memory, stream", measures, ...seen, note: "A fifth one by one, the others 10,000 a transaction." });
  });
}

/** One transaction over half of a table that loads; it commits while the table does. */
export async function overBulk(stage: Stage): Promise<Figure> {
  const { bulkRows } = stage.sizes;
  const content = { name: "bulk", create: [LARGE.create, LEDGER.marker], fill: [LARGE.fill(bulkRows * 2), LEDGER.mark] };
  return between(stage, content, async (source, target) => {
    const tables = [LARGE.name, "public.marker"];
    const seen = await watchPghaul({ args: ["run"], source, target, tables, dir: stage.dir }, async (running) => {
      using curve = new MemoryCurve(running.pid, "load");
      await until(target, `select from ${LARGE.name} limit 1`);
      stage.tell(`memory, bulk: ${bulkRows} rows changed in one transaction`);
      curve.enter("load and update");
      await execute(source.server, source.database, `update ${LARGE.name} set state = state + 1 where id % 2 = 0`);
      const committed = new Date().toISOString();
      curve.enter("after the commit");
      await joinedAfter(running, committed);
      await arrives(source, target);
      return { points: curve.points, use: useOf(running) };
    });
    await requireEqual(source, target, [LARGE.name]);
    const measures = `run while one transaction changes ${bulkRows} of ${bulkRows * 2} rows of 1 kB that load`;
    return figureOf({ name: "memory, bulk", measures, ...seen, note: "4 workers." });
  });
}

interface Content {
  readonly name: string;
  readonly create: readonly string[];
  /** At the source only. */
  readonly fill: readonly string[];
}

/** Runs `use` between two databases with these tables, filled at the source only. */
async function between<T>(stage: Stage, { name, create, fill }: Content, use: (source: Place, target: Place) => Promise<T>): Promise<T> {
  const source: Place = { server: stage.source, database: `${name}_source` };
  const target: Place = { server: stage.target, database: `${name}_target` };
  stage.tell(`memory, ${name}: filling`);
  await makeDatabase(source.server, source.database, ...create, ...fill);
  await makeDatabase(target.server, target.database, ...create);
  await settle(source.server, source.database);
  const result = await use(source, target);
  await dropDatabase(source.server, source.database);
  await dropDatabase(target.server, target.database);
  return result;
}

/** Resolves when a change made now at the source is at the target. */
async function arrives(source: Place, target: Place): Promise<void> {
  const [mark] = await query<{ step: number }>(
    source.server.url(source.database),
    "update public.marker set step = step + 1 returning step",
  );
  await until(target, `select from public.marker where step = ${mark?.step}`);
}

/** Resolves when the slot has been acknowledged up to where the source is now: everything is in our log. */
async function hasAll(source: Place): Promise<void> {
  const url = source.server.url(source.database);
  const [now] = await query<{ lsn: string }>(url, "select pg_current_wal_insert_lsn()::text as lsn");
  await query(url, "update public.marker set step = step");
  await until(source, `select from pg_replication_slots where database = current_database() and confirmed_flush_lsn >= '${now?.lsn}'`);
}

/** Resolves when the large table has joined. Throws when its load was over before `committed`: such a run proves nothing. */
async function joinedAfter({ stateDirectory }: RunningPghaul, committed: string): Promise<void> {
  const state = await openExistingState(stateDirectory);
  if (state === null) throw new Error("pghaul keeps no state");
  try {
    const large = (): TableRecord | undefined => new TableStore(state).all().find(({ table }) => table.id === LARGE.name);
    while ((large()?.joinedAt ?? null) === null) await systemClock.sleep(STATE_POLL_MILLIS, new AbortController().signal);
    const loadedAt = large()?.loadedAt ?? "";
    if (loadedAt < committed) throw new Error(`the table had loaded at ${loadedAt}, the update committed at ${committed}`);
  } finally {
    state.close();
  }
}

function useOf({ pid }: RunningPghaul): Use {
  return { cpuSeconds: cpuSeconds(pid), peakBytes: peakBytes(pid) };
}

interface Seen {
  readonly name: string;
  readonly measures: string;
  readonly use: Use;
  readonly points?: readonly CurvePoint[];
  readonly note: string;
}

function figureOf({ name, measures, use, points, note }: Seen): Figure {
  return {
    name,
    measures: `peak resident memory of ${measures}`,
    against: `the limit of ${LIMIT_MB} MB`,
    unit: "MB",
    pairs: [{ ours: use.peakBytes / 1e6, peer: LIMIT_MB, use: { ours: use, peer: null } }],
    note: `VmHWM of the one process, default settings. ${note}`,
    ...(points === undefined ? {} : { curve: points }),
  };
}
