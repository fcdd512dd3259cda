/** A tail of its own on a test database, and the judge: replaying the log over what the tables held must give what they hold. */

import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type pg from "pg";
import type { DurablePoint } from "../../src/log/durable-point.ts";
import { LocalLog, type LocalLogOptions } from "../../src/log/local-log.ts";
import type { TransactionPiece } from "../../src/model/change.ts";
import { formatLsn, type Lsn, parseLsn } from "../../src/model/lsn.ts";
import type { Table } from "../../src/model/table.ts";
import { connect } from "../../src/postgres/connect.ts";
import { quoteIdent } from "../../src/postgres/quote.ts";
import { resolveConnection } from "../../src/postgres/resolve-connection.ts";
import { readTables } from "../../src/source/catalog.ts";
import { ensurePublication } from "../../src/source/publication.ts";
import { openReplicationStream } from "../../src/source/replication-stream.ts";
import { createSlot } from "../../src/source/slot.ts";
import { crashPoints } from "../../src/workflow/crash-point.ts";
import { runTail } from "../../src/workflow/stream/run-tail.ts";
import { systemClock } from "../../src/workflow/system-clock.ts";
import { deadline } from "../support/deadline.ts";

export const SLOT = "pghaul_test_forward";
export const PUBLICATION = "pghaul_test";

export function session(url: string, options: { readonly replication?: boolean; readonly signal?: AbortSignal } = {}): Promise<pg.Client> {
  const spec = resolveConnection({ url }, { env: {}, home: undefined, user: undefined, socketDirs: [] });
  return connect(spec, { side: "source", purpose: "test tail", ...options });
}

/** Where a tail begins and which tables it is for; kept in a file, as a state directory would. */
export interface TailPlan {
  readonly start: DurablePoint;
  readonly tables: readonly Table[];
}

/** Publication over every table, then the slot. */
export async function planTail(url: string): Promise<TailPlan> {
  const client = await session(url);
  const watch = await session(url);
  try {
    const tables = await readTables(client, { include: ["*.*"], exclude: [] });
    await ensurePublication(client, { side: "source", name: PUBLICATION }, tables);
    const lsn = await createSlot(client, watch, {
      side: "source",
      name: SLOT,
      failover: false,
      timeoutMillis: deadline(30_000),
      waiting: () => undefined,
    });
    const { rows } = await client.query<{ xid: string }>("select pg_snapshot_xmax(pg_current_snapshot())::text as xid");
    return { start: { lsn, xidReference: BigInt(rows[0]?.xid ?? 0) }, tables };
  } finally {
    await Promise.all([client.end(), watch.end()]);
  }
}

/** A tail in this process. */
export interface Tailing extends AsyncDisposable {
  readonly log: LocalLog;
  /** What the state was told, in order. */
  readonly recorded: DurablePoint[];
  readonly waits: string[];
  readonly ended: Promise<void>;
  stop(): Promise<void>;
}

export async function startTail(url: string, dir: string, plan: TailPlan, options: Partial<LocalLogOptions> = {}): Promise<Tailing> {
  const stopping = new AbortController();
  const { signal } = stopping;
  const crashPoint = crashPoints(process.env.PGHAUL_CRASH_AT);
  const log = await LocalLog.open({
    dir: join(dir, "log"),
    identity: { systemIdentifier: "1", slot: SLOT, stream: "forward" },
    start: plan.start,
    durable: recordedPoint(dir),
    tables: new Map(plan.tables.map((table) => [table.id, table])),
    skipOriginPrefix: "pghaul_",
    crashPoint,
    ...options,
  });
  const recorded: DurablePoint[] = [];
  const waits: string[] = [];
  const ended = runTail({
    log,
    signal,
    crashPoint,
    clock: systemClock,
    waiting: (why) => waits.push(why),
    openStream: async (from) => {
      const client = await session(url, { replication: true, signal });
      return openReplicationStream(client, { side: "source", slot: SLOT, publications: [PUBLICATION], from, signal });
    },
    recordDurable: (step) => {
      recorded.push(step);
      recordPoint(dir, step);
    },
  });
  ended.catch(() => undefined);
  let isStopped = false;
  const stop = async (): Promise<void> => {
    if (isStopped) return;
    isStopped = true;
    stopping.abort(new Error("stopped by the test"));
    await ended.finally(() => log.close());
  };
  // A test that fails must not leave a tail behind, which would keep the process alive.
  return { log, recorded, waits, ended, stop, [Symbol.asyncDispose]: () => stop().catch(() => undefined) };
}

export function recordedPoint(dir: string): DurablePoint | null {
  try {
    const { lsn, xid } = JSON.parse(readFileSync(join(dir, "durable.json"), "utf8")) as { lsn: string; xid: string };
    return { lsn: parseLsn(lsn), xidReference: BigInt(xid) };
  } catch {
    return null;
  }
}

function recordPoint(dir: string, { lsn, xidReference }: DurablePoint): void {
  writeFileSync(join(dir, "durable.new"), JSON.stringify({ lsn: formatLsn(lsn), xid: xidReference.toString() }));
  renameSync(join(dir, "durable.new"), join(dir, "durable.json"));
}

/** Waits until the log has passed everything committed before the call. */
export async function catchUp(client: pg.Client, log: LocalLog, millis = 60_000): Promise<Lsn> {
  await client.query("select pg_logical_emit_message(true, 'test', '')");
  const { rows } = await client.query<{ lsn: string }>("select pg_current_wal_insert_lsn()::text as lsn");
  const lsn = parseLsn(rows[0]?.lsn ?? "");
  await client.query("select pg_logical_emit_message(true, 'test', '')");
  await log.waitPassed(lsn, AbortSignal.timeout(deadline(millis)));
  return lsn;
}

export async function readLog(log: Pick<LocalLog, "read" | "start" | "passed">, plan: TailPlan): Promise<TransactionPiece[]> {
  const pieces: TransactionPiece[] = [];
  const wanted = new Set(plan.tables.map(({ id }) => id));
  for await (const piece of log.read({ from: log.start(), to: log.passed() }, wanted, new AbortController().signal)) pieces.push(piece);
  return pieces;
}

/** Fails when transactions are not in commit order, come twice, or lack their last piece. */
export function checkOrder(pieces: readonly TransactionPiece[]): void {
  let before: TransactionPiece | undefined;
  for (const piece of pieces) {
    const continues = before !== undefined && !before.last;
    const expected = continues
      ? before?.header.commitLsn === piece.header.commitLsn
      : (before?.header.endLsn ?? 0n) <= piece.header.commitLsn;
    if (!expected) throw new Error(`${formatLsn(piece.header.commitLsn)} follows ${formatLsn(before?.header.commitLsn ?? 0n)}`);
    if (piece.firstOrdinal !== (continues ? (before?.firstOrdinal ?? 0) + (before?.changes.length ?? 0) : 0))
      throw new Error("ordinals do not count on");
    before = piece;
  }
  if (before !== undefined && !before.last) throw new Error("the last transaction has no end");
}

export async function selectRows(client: pg.Client, table: Table): Promise<(string | null)[][]> {
  const columns = table.columns.map(({ name }) => quoteIdent(name)).join(", ");
  const text = `select ${columns} from ${quoteIdent(table.schema)}.${quoteIdent(table.name)}`;
  const { rows } = await client.query<(string | null)[]>({ text, rowMode: "array" });
  return rows.map((row) => row.map((value) => (value === null ? null : Buffer.from(value, "utf8").toString("latin1"))));
}
