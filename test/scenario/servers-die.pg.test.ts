/**
 * Servers that crash under `run`, writers at work: it goes on by itself, and every table is equal in the end. The sizes of what a crash may
 * take back are stretched: the target forgets up to ten seconds of asynchronous commits.
 */

import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { assertEqualDatabases } from "../support/compare.ts";
import { query, waitFor } from "../support/database.ts";
import { deadline } from "../support/deadline.ts";
import type { PgServer } from "../support/pg-server.ts";
import { type FaultProxy, startProxy } from "../support/proxy.ts";
import type { CliHandle } from "../support/run-cli.ts";
import { createWorkloadSchema, startWriters, type Writers } from "../support/writers.ts";
import { MANY_ORIGINS, type Move, newMove, type Pair, startPair } from "./move-bench.ts";

const ROWS = 8_000;
/** A line this slow makes a load long enough to be in the middle of. */
const BYTES_PER_SECOND = 400_000;
const SOURCE = { max_prepared_transactions: "50", wal_sender_timeout: "2s" };
const FORGETFUL = { ...MANY_ORIGINS, wal_writer_delay: "10s", wal_writer_flush_after: "1GB" };

interface Stage extends AsyncDisposable {
  readonly pair: Pair;
  readonly line: FaultProxy;
  readonly move: Move;
  readonly writers: Writers;
  readonly running: CliHandle;
}

describe("servers that die under run", { timeout: deadline(400_000) }, () => {
  it("the target's server killed in the middle of the load, and twice while it streams", async (test) => {
    await using stage = await openStage(test, 11);
    const { pair, line, move, running } = stage;
    await loading(move);
    await crash(pair.target);
    await assertInTheMiddle(move);
    line.slow(null);
    await running.waitFor(/phase=streaming/, 120_000);
    for (let times = 0; times < 2; times += 1) {
      await streamed(move);
      await crash(pair.target);
    }
    await streamed(move);
    await endsEqual(stage);
  });

  it("the source's server killed in the middle of the load, and stopped at once while it streams", async (test) => {
    await using stage = await openStage(test, 12);
    const { pair, line, move, running } = stage;
    await loading(move);
    await crash(pair.source);
    await assertInTheMiddle(move);
    line.slow(null);
    await running.waitFor(/phase=streaming/, 120_000);
    await pair.source.stop("immediate");
    await running.waitFor(/trying again/);
    await pair.source.start();
    await streamed(move);
    await endsEqual(stage);
  });

  it("a network that falls silent in the middle of the load, longer than the source waits for a reader", async (test) => {
    await using stage = await openStage(test, 13);
    const { pair, line, move, running } = stage;
    await loading(move);
    line.pause();
    await waitFor(async () => (await readers(move)) === 0, { deadlineMs: 60_000, what: "the source to give up its reader" });
    // Silence as such is no error: an answer may take its time, and a server that hangs is not helped by another session.
    assert.equal(running.child.exitCode, null, running.stderr());
    line.resume();
    line.slow(null);
    await running.waitFor(/phase=streaming/, 120_000);
    await streamed(move);
    assert.ok(pair.source.logText().includes("terminating walsender process due to replication timeout"));
    await endsEqual(stage);
  });
});

/** A load that has begun to read over a slow line, with writers at the source. */
async function openStage(test: TestContext, seed: number): Promise<Stage> {
  const pair = await startPair({ version: 14, settings: SOURCE }, { version: 15, settings: FORGETFUL });
  const line = await startProxy({ to: pair.source.port });
  line.slow(BYTES_PER_SECOND);
  const move = await newMove(pair, {
    prepare: (client) => createWorkloadSchema(client, { rows: ROWS }),
    throttle: "{ workers: 3, chunkSeconds: 0.3, chunkBytes: 128KB }",
    timeoutMs: 240_000,
  });
  move.configure({ urls: { source: line.through(move.sourceDb.url) } });
  const writers = startWriters(move.sourceDb.url, { writers: 4, rate: 80, seed, rows: ROWS, asyncCommits: false, prepared: true });
  // A failed test must not wait for them for ever.
  test.after(() => writers.stop());
  const running = move.start(["run"]);
  return {
    pair,
    line,
    move,
    writers,
    running,
    async [Symbol.asyncDispose]() {
      await writers.stop();
      await running.kill();
      await line[Symbol.asyncDispose]();
      await pair[Symbol.asyncDispose]();
    },
  };
}

async function crash(server: PgServer): Promise<void> {
  await server.kill9();
  await server.start();
}

/** A first chunk is merged. Rows alone do not say so: what was written since the load began is applied before it. */
function loading(move: Move): Promise<unknown> {
  const some = "select from pghaul.merged_chunk";
  return waitFor(async () => (await query(move.targetDb, some)).length > 0, { deadlineMs: 90_000, what: "a first chunk" });
}

/** By the target's own record: the process may not have heard yet of what was merged when a connection broke. */
async function assertInTheMiddle(move: Move): Promise<void> {
  const merged = await query(move.targetDb, "select from pghaul.merged_chunk");
  const { done, total } = (await move.run(["snapshot", "status", "--json"])).json().result.chunks;
  assert.ok(merged.length > 0 && done < total, `${merged.length} of ${total} chunks: the crash was to be in the middle of the load`);
}

/** The target has what the source holds now, by the product's own record; `run` may be in the middle of a new beginning. */
async function streamed(move: Move): Promise<void> {
  const now = { deadlineMs: 60_000, what: "the source to answer" };
  const rows = await waitFor(() => query<{ lsn: string }>(move.sourceDb, "select pg_current_wal_lsn()::text as lsn"), now);
  const reached = "select from pghaul.progress where stream = 'forward' and position >= $1";
  await waitFor(async () => (await query(move.targetDb, reached, [rows[0]?.lsn])).length > 0, {
    deadlineMs: 120_000,
    what: `the target to reach ${rows[0]?.lsn}`,
  });
}

async function readers(move: Move): Promise<number> {
  const [row] = await query<{ readers: number }>(
    move.sourceDb,
    "select count(active_pid)::int as readers from pg_replication_slots where database = current_database()",
  );
  return row?.readers ?? -1;
}

/** Nobody did anything to `run` until here. */
async function endsEqual({ move, writers, running }: Stage): Promise<void> {
  await writers.stop();
  await streamed(move);
  const asked = await move.run(["cdc", "stop"]);
  const ended = await running.done;
  assert.equal(asked.code, 0, asked.stderr);
  assert.equal(ended.code, 0, ended.stderr);
  assert.deepEqual(writers.errors, []);
  await assertEqualDatabases(move.sourceDb.url, move.targetDb.url);
  assert.deepEqual(await writers.ledgerProblems(move.targetDb.url), []);
}
