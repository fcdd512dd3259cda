import assert from "node:assert/strict";
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { readSlot } from "../../src/source/slot.ts";
import { createDatabase, waitFor } from "../support/database.ts";
import { exit, killRandomly } from "../support/kill-loop.ts";
import { startServer } from "../support/pg-server.ts";
import { createWorkloadSchema, startWriters } from "../support/writers.ts";
import { Replay } from "./replay.ts";
import {
  catchUp,
  checkOrder,
  planTail,
  readLog,
  recordedPoint,
  SLOT,
  selectRows,
  session,
  startTail,
  type TailPlan,
} from "./tail-bench.ts";

const ROWS = 400;
const CHILD = new URL("tail-child.ts", import.meta.url).pathname;
const CRASH_POINTS = [
  "before-segment-sync:20",
  "after-segment-sync:20",
  "before-record:4",
  "before-acknowledge:4",
  "before-seal:1",
  "before-seal:2",
];

for (const version of [13, 18] as const) {
  test(`a tail that is killed again and again loses nothing and doubles nothing (PostgreSQL ${version})`, async () => {
    await using server = await startServer({ version, settings: { max_prepared_transactions: "20" } });
    const database = await createDatabase(server);
    const client = await session(database.url);
    await createWorkloadSchema(client, { rows: ROWS });
    const plan = await planTail(database.url);
    const replay = new Replay(plan.tables);
    for (const table of plan.tables) replay.load(table, await selectRows(client, table));
    const dir = mkdtempSync(join(tmpdir(), "pghaul-crash-"));
    writePlan(dir, plan);
    const writers = startWriters(database.url, { seed: `crash-${version}`, rows: ROWS, writers: 3, rate: 400, prepared: true });

    for (const point of CRASH_POINTS) {
      const child = startChild(database.url, dir, point);
      const { signal } = await exit(child);
      assert.equal(signal, "SIGKILL", `the tail never came to ${point}`);
      await checkAgainstSlot();
    }
    const { child, kills } = await killRandomly(() => startChild(database.url, dir), { times: 6, minMs: 250, maxMs: 1_200, seed: version });
    assert.equal(kills, 6);
    await once(child, "message");
    child.kill("SIGKILL");
    await exit(child);
    await writers.stop();

    await using tail = await startTail(database.url, dir, plan);
    await catchUp(client, tail.log);
    const pieces = await readLog(tail.log, plan);
    checkOrder(pieces);
    replay.apply(pieces);
    for (const table of plan.tables) {
      assert.deepEqual(replay.contents(table), (await selectRows(client, table)).map((row) => JSON.stringify(row)).sort(), table.id);
    }
    await tail.stop();
    await client.end();
    rmSync(dir, { recursive: true });

    /** Whatever was killed and whenever: the slot never heard of more than is on record. */
    async function checkAgainstSlot(): Promise<void> {
      const slot = await waitFor(() => readSlot(client, SLOT), { deadlineMs: 10_000, what: "the slot" });
      assert.ok((slot.confirmedFlushLsn ?? 0n) <= (recordedPoint(dir)?.lsn ?? plan.start.lsn));
    }
  });
}

function startChild(url: string, dir: string, crashAt?: string): ChildProcess {
  const env = { ...process.env, ...(crashAt === undefined ? {} : { PGHAUL_CRASH_AT: crashAt }) };
  return fork(CHILD, [url, dir], { env, stdio: ["ignore", "inherit", "inherit", "ipc"] });
}

function writePlan(dir: string, plan: TailPlan): void {
  writeFileSync(
    join(dir, "plan.json"),
    JSON.stringify(plan, (_key, value: unknown) => (typeof value === "bigint" ? value.toString() : value)),
  );
}
