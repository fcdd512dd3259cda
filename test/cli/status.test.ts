import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { hostname } from "node:os";
import path from "node:path";
import { type TestContext, test } from "node:test";
import type { StatusView } from "../../src/cli/status-text.ts";
import { statusText } from "../../src/cli/status-text.ts";
import type { Table } from "../../src/model/table.ts";
import { ChunkStore } from "../../src/state/chunk-store.ts";
import { acquireLease } from "../../src/state/lease.ts";
import { openState } from "../../src/state/open-state.ts";
import { ProgressStore } from "../../src/state/progress-store.ts";
import type { StateDatabase } from "../../src/state/state-database.ts";
import { SampleStore } from "../../src/state/storage/sample-store.ts";
import { TableStore } from "../../src/state/table-store.ts";
import { VerifyStore } from "../../src/state/verify-store.ts";
import { temporaryFiles } from "../config/temporary-config.ts";
import { runCli, startCli } from "../support/run-cli.ts";

// No address in it could be reached, and neither variable is set: status must not care.
const CONFIG = `version: 1
migration: orders-move
source: { url: "\${SOURCE_URL}" }
target: { kind: postgres, url: "\${TARGET_URL}" }
`;

function table(name: string, bytes: number): Table {
  return {
    id: `public.${name}`,
    schema: "public",
    name,
    oid: 1,
    columns: [{ name: "id", type: "bigint", identityAlways: false, notNull: true }],
    key: [0],
    partitioned: false,
    leaves: [{ id: "0", schema: "public", name, bytes, rows: bytes / 10 }],
  };
}

async function halfLoaded(t: TestContext): Promise<{ directory: string; state: StateDatabase }> {
  const directory = temporaryFiles(t, { "pghaul.yaml": CONFIG });
  const state = await openState(path.join(directory, ".pghaul"));
  t.after(() => state.close());
  const tables = new TableStore(state);
  tables.plan([table("orders", 4000), table("items", 1000)], ["target"]);
  const chunks = new ChunkStore(state, "target");
  chunks.planChunks(
    "public.orders",
    ["0", "1", "2", "3"].map((leaf) => ({ leaf, from: null, to: null })),
  );
  chunks.planChunks("public.items", [{ leaf: "0", from: null, to: null }]);
  tables.reached("public.orders", "loading", "target");
  chunks.chunkMerged(1, 100, 1000);
  chunks.chunkMerged(5, 120, 1300);
  tables.reached("public.items", "joined", "target");
  new VerifyStore(state).record("r", {
    table: "public.items",
    equal: true,
    rows: 120n,
    targetRows: 120n,
    lsnFrom: 1n,
    lsn: 0x16_b374d848n,
    chunks: 1,
    millis: 5,
    differences: [],
  });
  new ProgressStore(state).update({
    phase: "loading",
    waiting: "a standby is 12 s behind",
    lag: { bytes: 5_000_000, seconds: 0.25 },
    bytesPerSecond: 50,
    changesPerSecond: 1234,
    slot: { appliedLsn: "0/0", name: "pghaul_orders_move_forward", retainedBytes: 7_000_000, walStatus: "reserved", safeWalBytes: null },
    throttle: { held: true, why: "the standby db2 is 14 s behind (limit 10 s)" },
  });
  new SampleStore(state).add({ at: Date.now(), lag: null, bytesPerSecond: 30, changesPerSecond: 0 });
  return { directory, state };
}

test("before anything ran: not started, and nothing is created", async (t) => {
  const directory = temporaryFiles(t, { "pghaul.yaml": CONFIG });
  const { code, stdout, stderr } = await runCli(["status"], { cwd: directory });
  assert.deepEqual([code, stdout, stderr], [0, "orders-move: not started\n", ""]);
  const { result } = (await runCli(["status", "--json"], { cwd: directory })).json();
  assert.deepEqual(
    [result.phase, result.running, result.tables, result.lag, result.slot, result.throttle, result.lastError],
    ["not-started", null, [], null, null, { held: false, why: null }, null],
  );
  assert.equal(existsSync(path.join(directory, ".pghaul")), false);
});

test("while a process streams: who, what it waits for, how far each table is, when it will be done", async (t) => {
  const { directory } = await halfLoaded(t);
  const lease = await acquireLease(path.join(directory, ".pghaul"), "stream", "run");
  t.after(() => lease.release());
  const { result } = (await runCli(["status", "--json"], { cwd: directory })).json();
  assert.deepEqual([result.migration, result.phase, result.waiting], ["orders-move", "loading", "a standby is 12 s behind"]);
  assert.deepEqual([result.running.pid, result.running.command, result.running.host], [process.pid, "run", hostname()]);
  assert.deepEqual(result.lag, { bytes: 5_000_000, seconds: 0.25 });
  assert.deepEqual(result.slot, {
    appliedLsn: "0/0",
    name: "pghaul_orders_move_forward",
    retainedBytes: 7_000_000,
    walStatus: "reserved",
    safeWalBytes: null,
  });
  assert.deepEqual(result.throttle, { held: true, why: "the standby db2 is 14 s behind (limit 10 s)" });
  assert.match(
    (await runCli(["status"], { cwd: directory })).stdout,
    /^waiting: a standby is 12 s behind\n(?:.*\n)*throttle: reads are held back: the standby db2 is 14 s behind \(limit 10 s\)$/m,
  );
  assert.equal(result.etaSeconds, 100, "3000 bytes left at 30 bytes a second");
  const [orders, items] = result.tables;
  assert.deepEqual(orders, {
    table: "public.orders",
    phase: "loading",
    rows: 100,
    bytes: 1000,
    expectedRows: 400,
    expectedBytes: 4000,
    chunks: { done: 1, total: 4 },
    held: null,
    verified: null,
  });
  assert.equal(typeof items.verified.at, "string");
  assert.deepEqual(
    { ...items, verified: { ...items.verified, at: "" } },
    {
      table: "public.items",
      phase: "joined",
      rows: 120,
      bytes: 1300,
      expectedRows: 120,
      expectedBytes: 1300,
      chunks: { done: 1, total: 1 },
      held: null,
      verified: { equal: true, lsn: "16/B374D848", at: "" },
    },
  );
});

test("after the process is gone: its last word, and why it ended", async (t) => {
  const { directory, state } = await halfLoaded(t);
  new ProgressStore(state).update({
    lastError: { code: "SOURCE_LOST", message: "the connection was reset", at: "2026-11-21T10:00:00.000Z" },
  });
  const { code, stdout } = await runCli(["status"], { cwd: directory });
  assert.equal(code, 0);
  assert.deepEqual(stdout.replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "<time>").split("\n"), [
    "orders-move: not running; was loading at <time>",
    "load: 1 of 2 tables, 2.3 kB of about 5.3 kB",
    "lag: 5.0 MB, 0.3 s (at <time>)",
    "slot: pghaul_orders_move_forward holds 7.0 MB of WAL (reserved)",
    "last error: SOURCE_LOST at <time>: the connection was reset",
    "",
    "TABLE\tPHASE\tROWS\tBYTES\tDONE\tCHUNKS\tVERIFIED",
    "public.orders\tloading\t100\t1.0 kB\t25%\t1/4\t-",
    "public.items\tjoined\t120\t1.3 kB\t100%\t1/1\tequal at 16/B374D848",
    "",
  ]);
});

test("--state-dir looks elsewhere", async (t) => {
  const { directory } = await halfLoaded(t);
  const elsewhere = temporaryFiles(t, { "other.yaml": CONFIG });
  const args = ["status", "--json", "--config", "other.yaml", "--state-dir", path.join(directory, ".pghaul")];
  const { result, error } = (await runCli(args, { cwd: elsewhere })).json();
  assert.equal(error, undefined);
  assert.equal(result.phase, "loading");
});

test("--watch shows it again until it is stopped, which is no failure", async (t) => {
  const { directory, state } = await halfLoaded(t);
  const handle = startCli(["status", "--watch", "--interval", "100ms"], { cwd: directory });
  await handle.waitFor(/was loading/);
  new ProgressStore(state).update({ phase: "caught-up" });
  await handle.waitFor(/was caught-up/);
  const { code, stdout } = await handle.kill("SIGINT");
  assert.equal(code, 0);
  assert.ok(!stdout.includes("\u001b"), "no escape sequences off a terminal");
});

test("wrong intervals, and --watch with --json, are refused", async (t) => {
  const directory = temporaryFiles(t, { "pghaul.yaml": CONFIG });
  for (const args of [
    ["--interval", "2"],
    ["--interval", "50ms"],
    ["--watch", "--json"],
  ]) {
    assert.equal((await runCli(["status", ...args], { cwd: directory })).code, 2, args.join(" "));
  }
});

test("a state that is no database: exit 3, and the code says why", async (t) => {
  const directory = temporaryFiles(t, { "pghaul.yaml": CONFIG, "state.db": "not a database ".repeat(100) });
  const result = await runCli(["status", "--json", "--state-dir", directory], { cwd: directory });
  assert.deepEqual([result.code, result.json().error?.code], [3, "STATE_CORRUPT"]);
});

test("100% is only said of a table whose load is done", () => {
  const view: StatusView = {
    migration: "m",
    primary: "source",
    fenceBreach: null,
    phase: "loading",
    running: { pid: 1, host: "h", command: "run", since: "t" },
    waiting: null,
    lag: null,
    bytesPerSecond: 0,
    changesPerSecond: 0,
    etaSeconds: null,
    slot: null,
    throttle: { held: false, why: null },
    lastError: null,
    changes: [],
    unsettled: null,
    updatedAt: "t",
    tables: [
      { table: "a", phase: "loading", rows: 1, bytes: 999, expectedBytes: 999, chunks: { done: 9, total: 10 }, verified: null, held: null },
      { table: "b", phase: "pending", rows: 0, bytes: 0, expectedBytes: 0, chunks: { done: 0, total: 0 }, verified: null, held: null },
      {
        table: "c",
        phase: "live",
        rows: 0,
        bytes: 0,
        expectedBytes: 0,
        chunks: { done: 1, total: 1 },
        verified: { equal: false, lsn: "0/1" },
        held: null,
      },
    ],
  };
  const lines = statusText(view, false).split("\n");
  assert.equal(lines[0], "m: loading; pid 1 (pghaul run) on h since t");
  assert.equal(lines[1], "load: 1 of 3 tables, 999 B of about 999 B, 0 B/s, time left: not known yet");
  assert.deepEqual(
    lines.slice(4, 7).map((line) => [line.split("\t")[4], line.split("\t")[6]]),
    [
      ["99%", "-"],
      ["0%", "-"],
      ["100%", "different at 0/1"],
    ],
  );
});
