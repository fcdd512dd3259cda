import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { readSlot } from "../../src/source/slot.ts";
import { createDatabase, waitFor } from "../support/database.ts";
import { deadline } from "../support/deadline.ts";
import { startServer } from "../support/pg-server.ts";
import { catchUp, planTail, SLOT, session, startTail } from "./tail-bench.ts";

const ROWS = 500_000;
/** The transaction is 130 MB in the stream and more as objects. What is alive of it at any moment: a batch, a block, a piece. */
const LIVE_BYTES = 60 * 1024 * 1024;

test(`a transaction of ${ROWS} rows passes in and out without being held in memory`, async (context) => {
  await using server = await startServer({ version: 17 });
  const database = await createDatabase(server);
  const client = await session(database.url);
  await client.query("create table big (id int primary key, note text)");
  const plan = await planTail(database.url);
  const dir = mkdtempSync(join(tmpdir(), "pghaul-memory-"));
  await using tail = await startTail(database.url, dir, plan);
  const memory = watchMemory();
  await client.query("insert into big select i, md5(i::text) || repeat(md5(i::text || 'x'), 6) from generate_series(1, $1::int) i", [ROWS]);
  await catchUp(client, tail.log, 120_000);
  const tailed = memory.peak();
  let rows = 0;
  let sum = 0;
  const range = { from: plan.start.lsn, to: tail.log.passed() };
  for await (const { changes, last } of tail.log.read(range, new Set(["public.big"]), AbortSignal.timeout(deadline(120_000)))) {
    assert.ok(changes.length <= 5_000);
    for (const change of changes) if (change.kind === "insert") sum += Number(change.row[0]);
    rows += changes.length;
    assert.equal(last, rows === ROWS);
    // The reader would otherwise keep the thread, and the watch would see nothing.
    await setImmediate();
  }
  const read = memory.stop();
  assert.equal(rows, ROWS);
  assert.equal(sum, (ROWS * (ROWS + 1)) / 2);
  context.diagnostic(`tailing: ${describePeak(tailed)}; with reading: ${describePeak(read)}`);
  assert.ok(read.live < LIVE_BYTES, describePeak(read));
  await tail.stop();
  await client.end();
  rmSync(dir, { recursive: true });
});

interface Peak {
  /** Bytes alive after a garbage collection, beyond those at the start. */
  readonly live: number;
  /** Resident memory beyond that at the start; mostly what V8 has not cared to collect. */
  readonly resident: number;
  readonly samples: number;
}

function watchMemory(): { peak(): Peak; stop(): Peak } {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const now = (): { live: number; resident: number } => {
    collect();
    const { heapUsed, external, rss } = process.memoryUsage();
    return { live: heapUsed + external, resident: rss };
  };
  const start = now();
  let peak: Peak = { live: 0, resident: 0, samples: 0 };
  const timer = setInterval(() => {
    const { live, resident } = now();
    peak = {
      live: Math.max(peak.live, live - start.live),
      resident: Math.max(peak.resident, resident - start.resident),
      samples: peak.samples + 1,
    };
  }, 50);
  const stop = (): Peak => {
    clearInterval(timer);
    assert.ok(peak.samples > 10, `${peak.samples} samples say nothing`);
    return peak;
  };
  return { peak: () => peak, stop };
}

function describePeak({ live, resident, samples }: Peak): string {
  const megabytes = (bytes: number): string => `+${(bytes / 1024 / 1024).toFixed(0)} MB`;
  return `${megabytes(live)} alive, ${megabytes(resident)} resident (${samples} samples)`;
}

test("a source that shuts down is not held up by the tail, not even an idle one", async () => {
  await using server = await startServer({ version: 18 });
  const database = await createDatabase(server);
  const client = await session(database.url);
  await client.query("create table quiet (id int primary key)");
  const plan = await planTail(database.url);
  const dir = mkdtempSync(join(tmpdir(), "pghaul-shutdown-"));
  await using tail = await startTail(database.url, dir, plan);
  await waitFor(async () => (await readSlot(client, SLOT))?.activePid, { deadlineMs: 10_000, what: "the tail to stream" });
  await client.query("create table noise as select generate_series(1, 20000) as n");
  await client.end();
  const began = performance.now();
  await server.stop("fast");
  const millis = performance.now() - began;
  assert.ok(millis < 8_000, `the shutdown took ${millis.toFixed(0)} ms`);
  await server.start();
  const again = await session(database.url);
  await catchUp(again, tail.log, 30_000);
  await again.end();
  await tail.stop();
  rmSync(dir, { recursive: true });
});
