/** Changes that lie in the WAL behind a slot, to be read from copies of that slot as often as needed. */
import { join } from "node:path";
import type pg from "pg";
import { type DurableStep, LocalLog } from "../../src/log/local-log.ts";
import { type Lsn, parseLsn } from "../../src/model/lsn.ts";
import type { Table } from "../../src/model/table.ts";
import { connect } from "../../src/postgres/connect.ts";
import { type ConnectionSpec, resolveConnection } from "../../src/postgres/resolve-connection.ts";
import { readTables } from "../../src/source/catalog.ts";
import { openReplicationStream } from "../../src/source/replication-stream.ts";
import { openState } from "../../src/state/open-state.ts";
import { TailStore } from "../../src/state/tail-store.ts";
import { runTail } from "../../src/workflow/stream/run-tail.ts";
import { systemClock } from "../../src/workflow/system-clock.ts";
import type { Place } from "../harness/equal-tables.ts";
import { copyDatabase, dropDatabase, execute, makeDatabase, type Stage, settle } from "../harness/stage.ts";
import type { ChangeStream } from "./changes.ts";

export const PUBLICATION = "bench";
const BASE_SLOT = "bench_base";

export interface RecordedChanges {
  readonly stream: ChangeStream;
  readonly stage: Stage;
  readonly source: Place;
  /** A database at the target with the tables as they were before the changes. */
  readonly before: string;
  readonly tables: readonly Table[];
  readonly start: { readonly lsn: Lsn; readonly xidReference: bigint };
  /** Behind the last change; a transaction follows it, so that every reader learns that it has come so far. */
  readonly goal: Lsn;
  readonly names: readonly string[];
}

/** What `runTail` made durable, by its own count. */
export interface TailCounts {
  readonly seconds: number;
  readonly changes: number;
  readonly bytes: number;
}

/** Makes the tables at both sides, then the slot, then the changes. */
export async function recordChanges(stage: Stage, stream: ChangeStream): Promise<RecordedChanges> {
  stage.tell(`${stream.title}: writing ${stream.changes(stage.sizes)}`);
  const source: Place = { server: stage.source, database: `changes_${stream.name}` };
  const before = `before_${stream.name}`;
  await makeDatabase(stage.source, source.database, ...stream.create(stage.sizes), `create publication ${PUBLICATION} for all tables`);
  await makeDatabase(stage.target, before, ...stream.create(stage.sizes));
  await Promise.all([settle(stage.source, source.database), settle(stage.target, before)]);
  const client = await openSession(source);
  try {
    const tables = await readTables(client, { include: ["public.*"], exclude: [] });
    const { rows } = await client.query<{ lsn: string; xid: string }>(
      `select s.lsn::text, pg_snapshot_xmax(pg_current_snapshot())::text as xid from pg_create_logical_replication_slot('${BASE_SLOT}', 'pgoutput') s`,
    );
    const start = { lsn: parseLsn(rows[0]?.lsn ?? ""), xidReference: BigInt(rows[0]?.xid ?? 0) };
    await client.query("set synchronous_commit = off");
    await client.query(stream.change(stage.sizes));
    await client.query("update public.marker set step = 1");
    const goal = await insertLsn(client);
    await client.query("set synchronous_commit = on");
    await client.query("update public.marker set step = 2");
    const names = tables.map(({ id }) => id).filter((id) => id !== "public.marker");
    return { stream, stage, source, before, tables, start, goal, names };
  } finally {
    await client.end();
  }
}

export async function forgetChanges({ stage, source, before }: RecordedChanges): Promise<void> {
  await execute(stage.source, source.database, `select pg_drop_replication_slot('${BASE_SLOT}')`);
  await dropDatabase(stage.source, source.database);
  await dropDatabase(stage.target, before);
}

/** Runs `read` with the name of a fresh copy of the slot. */
export async function withSlot<T>({ stage, source }: RecordedChanges, name: string, read: (slot: string) => Promise<T>): Promise<T> {
  await execute(stage.source, source.database, `select pg_copy_logical_replication_slot('${BASE_SLOT}', '${name}')`);
  try {
    return await read(name);
  } finally {
    await execute(stage.source, source.database, `select pg_drop_replication_slot('${name}')`);
  }
}

/** Runs `apply` with a fresh copy of the tables at the target, as they were before the changes. */
export async function withTarget<T>({ stage, before }: RecordedChanges, apply: (target: Place) => Promise<T>): Promise<T> {
  const target: Place = { server: stage.target, database: await copyDatabase(stage.target, "changes_target", before) };
  try {
    return await apply(target);
  } finally {
    await dropDatabase(stage.target, target.database);
  }
}

/** Opens the log in `dir`, or begins one there. */
export function openLog({ start, tables }: RecordedChanges, slot: string, dir: string): Promise<LocalLog> {
  return LocalLog.open({
    dir: join(dir, "log"),
    identity: { systemIdentifier: "1", slot, stream: "forward" },
    start,
    durable: null,
    tables: new Map(tables.map((table) => [table.id, table])),
    skipOriginPrefix: "",
  });
}

export interface TailParts {
  readonly log: LocalLog;
  readonly slot: string;
  readonly tails: TailStore;
}

/** What `run` has open before it starts to tail. */
export async function withTailParts<T>(
  changes: RecordedChanges,
  slot: string,
  dir: string,
  use: (parts: TailParts) => Promise<T>,
): Promise<T> {
  const log = await openLog(changes, slot, dir);
  const state = await openState(join(dir, "state"));
  const tails = new TailStore(state);
  tails.create("forward", { name: slot, startLsn: changes.start.lsn, xidReference: changes.start.xidReference });
  try {
    return await use({ log, slot, tails });
  } finally {
    state.close();
    await log.close();
  }
}

/** Slot to log as `run` does it, record in the state and acknowledgement included, until the changes are durable. */
export async function tailAll(changes: RecordedChanges, parts: TailParts): Promise<TailCounts> {
  const enough = new AbortController();
  const total = { seconds: 0, changes: 0, bytes: 0 };
  const begun = performance.now();
  await tailUntil(changes, parts, enough.signal, (step) => {
    if (enough.signal.aborted) return;
    total.changes += step.changes;
    total.bytes += step.bytes;
    if (step.lsn < changes.goal) return;
    total.seconds = (performance.now() - begun) / 1000;
    enough.abort();
  });
  return total;
}

/** The same until the signal aborts; readers of the log fail then. */
export async function tailUntil(
  changes: RecordedChanges,
  { log, slot, tails }: TailParts,
  signal: AbortSignal,
  recorded: (step: DurableStep) => void = () => undefined,
): Promise<void> {
  await runTail({
    openStream: async (from) => {
      const client = await openSession(changes.source, true);
      return openReplicationStream(client, { side: "source", slot, publications: [PUBLICATION], from, signal });
    },
    log,
    recordDurable: (step) => {
      const { lsn, ...counts } = step;
      tails.advance("forward", { durableLsn: lsn, ...counts });
      recorded(step);
    },
    clock: systemClock,
    signal,
  });
}

/** A session as pghaul opens them. */
export function openSession({ server, database }: Place, replication = false): Promise<pg.Client> {
  const spec: ConnectionSpec = resolveConnection({ url: server.url(database) });
  return connect(spec, { side: "source", purpose: "bench", replication, settings: { search_path: "pg_catalog" } });
}

async function insertLsn(client: pg.Client): Promise<Lsn> {
  const { rows } = await client.query<{ lsn: string }>("select pg_current_wal_insert_lsn()::text as lsn");
  return parseLsn(rows[0]?.lsn ?? "");
}
