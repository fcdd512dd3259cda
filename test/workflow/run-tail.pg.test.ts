import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type pg from "pg";
import { PghaulError } from "../../src/errors/pghaul-error.ts";
import type { Table } from "../../src/model/table.ts";
import { readSlot } from "../../src/source/slot.ts";
import { createDatabase, type TestDatabase, waitFor } from "../support/database.ts";
import { deadline } from "../support/deadline.ts";
import { type PgServer, startServer, TRIED_VERSIONS } from "../support/pg-server.ts";
import { startProxy } from "../support/proxy.ts";
import { createWorkloadSchema, startWriters } from "../support/writers.ts";
import { Replay } from "./replay.ts";
import { catchUp, checkOrder, planTail, readLog, SLOT, selectRows, session, startTail, type Tailing, type TailPlan } from "./tail-bench.ts";

const ROWS = 400;

// Each version has a server of its own, and its writers a rate: most of the time is waiting.
describe("the tail", { concurrency: 2 }, () => {
  for (const version of TRIED_VERSIONS) {
    describe(`the tail on PostgreSQL ${version}`, { concurrency: 1 }, () => {
      let server: PgServer;
      let database: TestDatabase;
      let client: pg.Client;
      let dir: string;
      let plan: TailPlan;

      before(async () => {
        server = await startServer({ version, settings: { max_prepared_transactions: "20", wal_sender_timeout: "3s" } });
      });
      after(async () => {
        await server[Symbol.asyncDispose]();
      });

      async function setUp(schema: (client: pg.Client) => Promise<void>): Promise<void> {
        database = await createDatabase(server);
        client = await session(database.url);
        await schema(client);
        plan = await planTail(database.url);
        dir = mkdtempSync(join(tmpdir(), "pghaul-tail-"));
      }

      async function tearDown(): Promise<void> {
        const slot = await readSlot(client, SLOT);
        if (slot !== null) await client.query("select pg_drop_replication_slot($1)", [SLOT]);
        await client.end();
        rmSync(dir, { recursive: true, force: true });
      }

      test("everything that a workload writes is in the log, once, through lost connections and a restart of the server", async () => {
        await setUp((fresh) => createWorkloadSchema(fresh, { rows: ROWS }));
        const replay = await replayOf(client, plan.tables);
        await using proxy = await startProxy({ to: server.port, seed: version });
        const url = proxy.through(database.url);
        await using first = await startTail(url, dir, plan, { segmentBytes: 256 * 1024 });
        const writers = startWriters(database.url, { seed: `tail-${version}`, rows: ROWS, writers: 4, rate: 300, prepared: true });
        const progress = async (count: number): Promise<void> => {
          const goal = writers.stats.committed + count;
          await waitFor(() => writers.stats.committed >= goal, { deadlineMs: 60_000, what: `${count} more commits` });
        };
        await progress(150);
        proxy.cutRandomly({ minBytes: 2_000, maxBytes: 400_000 });
        await progress(300);
        proxy.cutRandomly(null);
        await server.restart("fast");
        await progress(100);
        await first.stop();
        await progress(100);
        await using tail = await startTail(url, dir, plan, { segmentBytes: 256 * 1024 });
        await progress(100);
        await server.kill9();
        await server.start();
        await progress(100);
        await writers.stop();
        assert.deepEqual(writers.errors, []);
        assert.ok(first.waits.length > 0 && tail.waits.length > 0, "the tail was never disturbed");
        client = await session(database.url);
        await catchUp(client, tail.log);
        const pieces = await readLog(tail.log, plan);
        checkOrder(pieces);
        replay.apply(pieces);
        await assertSame(replay, client, plan.tables);
        assertRecordedInOrder(tail);
        await tail.stop();
        await tearDown();
      });

      test("every kind of message: truncate, origins, types, unchanged TOAST, key changes, savepoints", async () => {
        await setUp(createSpecialSchema);
        await using tail = await startTail(database.url, dir, plan);
        await writeSpecialChanges(client, version);
        await catchUp(client, tail.log);
        const pieces = await readLog(tail.log, plan);
        const replay = new Replay(plan.tables);
        replay.apply(pieces);
        await assertSame(replay, client, plan.tables);
        const origins = pieces.map(({ header }) => header.origin);
        assert.ok(origins.includes("somebody_else") && !origins.includes("pghaul_test_reverse"), JSON.stringify(origins));
        const changes = pieces.flatMap((piece) => piece.changes);
        const truncates = changes.filter((change) => change.kind === "truncate").map(({ tables }) => [...tables].sort());
        assert.deepEqual(truncates, [["public.one", "public.two"], ["public.parts"]]);
        const unchanged = changes.filter((change) => change.kind === "update" && change.row.some((value) => typeof value === "symbol"));
        assert.equal(unchanged.length, 2);
        const { rows } = await client.query<{ xid: string }>("select pg_current_xact_id()::text as xid");
        const newest = pieces.at(-1)?.header.xid ?? 0n;
        assert.ok(newest < BigInt(rows[0]?.xid ?? 0) && newest > BigInt(rows[0]?.xid ?? 0) - 200n);
        await tail.stop();
        await tearDown();
      });

      test("on a database where nothing happens, keepalives move passed(), the record and the slot", async () => {
        await setUp(async (fresh) => void (await fresh.query("create table quiet (id int primary key)")));
        await using tail = await startTail(database.url, dir, plan);
        const other = await createDatabase(server);
        const elsewhere = await other.connect();
        await elsewhere.query("create table noise as select generate_series(1, 20000) as n");
        const lsn = await catchUp(client, tail.log, 10_000);
        await elsewhere.end();
        await waitFor(async () => ((await readSlot(client, SLOT))?.confirmedFlushLsn ?? 0n) >= lsn, {
          deadlineMs: 15_000,
          what: "the slot to go on",
        });
        assert.ok((tail.recorded.at(-1)?.lsn ?? 0n) >= lsn);
        assert.deepEqual(await readLog(tail.log, plan), []);
        await tail.stop();
        await using again = await startTail(database.url, dir, plan);
        assert.ok(again.log.passed() >= lsn);
        await again.stop();
        await tearDown();
      });

      test("a slot that is dropped ends the tail, and those who wait for the log hear why", async () => {
        await setUp(async (fresh) => void (await fresh.query("create table quiet (id int primary key)")));
        await using tail = await startTail(database.url, dir, plan);
        await waitFor(async () => (await readSlot(client, SLOT))?.activePid, { deadlineMs: 10_000, what: "the tail to stream" });
        const waiter = assert.rejects(tail.log.waitPassed(1n << 60n, AbortSignal.timeout(deadline(30_000))), hasCode("SLOT_LOST"));
        // The tail may be between two attempts, or the walsender not gone yet.
        await waitFor(() => dropUnderTheTail(client), { deadlineMs: 20_000, what: "the slot to be dropped", everyMs: 5 });
        await assert.rejects(tail.ended, hasCode("SLOT_LOST"));
        await waiter;
        await tearDown();
      });
    });
  }
});

async function replayOf(client: pg.Client, tables: readonly Table[]): Promise<Replay> {
  const replay = new Replay(tables);
  for (const table of tables) replay.load(table, await selectRows(client, table));
  return replay;
}

async function assertSame(replay: Replay, client: pg.Client, tables: readonly Table[]): Promise<void> {
  for (const table of tables) {
    const there = (await selectRows(client, table)).map((row) => JSON.stringify(row)).sort();
    assert.deepEqual(replay.contents(table), there, table.id);
  }
}

function assertRecordedInOrder({ recorded }: Tailing): void {
  for (const [index, { lsn }] of recorded.entries()) assert.ok(index === 0 || lsn >= (recorded[index - 1]?.lsn ?? 0n));
}

async function dropUnderTheTail(client: pg.Client): Promise<boolean> {
  await client.query("select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = $1 and active_pid is not null", [
    SLOT,
  ]);
  await client.query("select pg_drop_replication_slot($1)", [SLOT]);
  return true;
}

async function createSpecialSchema(client: pg.Client): Promise<void> {
  await client.query(`
    create type mood as enum ('sad', 'häppy');
    create domain email as text check (value ~ '@');
    create table one (id int primary key, mood mood, email email, big text, made int generated always as (id * 2) stored);
    alter table one alter big set storage external;
    create table two (id int primary key, note text);
    create table parts (id int, region text, primary key (region, id)) partition by list (region);
    create table parts_a partition of parts for values in ('a');
    create table parts_b partition of parts for values in ('b');
    create table bag (n int, note text);
    alter table bag replica identity full`);
}

async function writeSpecialChanges(client: pg.Client, version: number): Promise<void> {
  const big = "repeat('0123456789', 1000)";
  const statements = [
    `insert into one select i, 'häppy', 'a@b', ${big} from generate_series(1, 5) i`,
    "insert into two select i, null from generate_series(1, 5) i",
    "insert into parts values (1, 'a'), (2, 'b')",
    "update one set mood = 'sad' where id = 1",
    "update one set id = 20 where id = 2",
    "update one set big = null where id = 3",
    "update parts set region = 'b' where id = 1",
    "begin; insert into two values (50, 'x'); savepoint s; delete from two; rollback to s; update two set note = 'kept' where id = 50; commit",
    "begin; insert into two values (60, 'x'); rollback",
    "truncate one, two",
    "insert into one values (1, 'sad', 'c@d', null)",
    "truncate parts",
    "insert into parts values (3, 'a')",
    `insert into bag values (1, null), (1, null), (2, 'x')`,
    "update bag set note = 'y' where n = 2",
    "delete from bag where ctid = (select min(ctid) from bag where n = 1)",
  ];
  for (const statement of statements) await client.query(statement);
  await client.query("select pg_replication_origin_create('somebody_else'), pg_replication_origin_create('pghaul_test_reverse')");
  await client.query("select pg_replication_origin_session_setup('somebody_else')");
  await client.query("insert into two values (70, 'from somebody else')");
  await client.query("select pg_replication_origin_session_reset(), pg_replication_origin_session_setup('pghaul_test_reverse')");
  await client.query("create table if not exists ours_only (id int)");
  await client.query("insert into two values (71, 'ours'); delete from two where id = 71");
  await client.query("select pg_replication_origin_session_reset()");
  if (version >= 14) await client.query("select pg_logical_emit_message(true, 'x', 'y'); insert into two values (80, 'last')");
}

function hasCode(code: string): (error: unknown) => boolean {
  return (error) => error instanceof PghaulError && error.code === code;
}
