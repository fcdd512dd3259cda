/**
 * A server that crashes takes back what it had not yet written: commits that were asynchronous, and at the source with them their xids and
 * their places in WAL, which it then gives to others. Whoever believes his own memory of such a server loses changes, or brings some that never
 * were.
 */

import assert from "node:assert/strict";
import { it } from "node:test";
import type pg from "pg";
import { assertEqualDatabases } from "../support/compare.ts";
import { query, type TestDatabase, waitFor } from "../support/database.ts";
import { deadline } from "../support/deadline.ts";
import type { PgServer } from "../support/pg-server.ts";
import { startProxy } from "../support/proxy.ts";
import { startStandby } from "../support/server/standby.ts";
import { type Move, newMove, startPair } from "./move-bench.ts";

/** `whole` has no key and is the largest: one reader is in it, the other in `items`, until somebody lets go at the target. */
const TABLES = `create table whole (name text); alter table whole replica identity full;
  create table items (id int primary key, n int not null) partition by range (id);
  create table items_1 partition of items for values from (0) to (1000);
  create table items_2 partition of items for values from (1000) to (2000);`;
const ROWS = `insert into whole select repeat(md5(i::text), 30) from generate_series(1, 2000) i;
  insert into items select i, 0 from generate_series(0, 1999) i; analyze;`;
/** One chunk a partition, in this order. */
const PARTS = `create table parts (id int primary key) partition by range (id);
  create table parts_1 partition of parts for values from (0) to (100);
  create table parts_2 partition of parts for values from (100) to (200);
  create table parts_3 partition of parts for values from (200) to (300);`;
const PART_ROWS = "insert into parts select generate_series(0, 299); analyze;";
/** Nothing is written but by a commit that asks for it. */
const FORGETFUL = { wal_buffers: "128MB", bgwriter_lru_maxpages: "0", autovacuum: "off", checkpoint_timeout: "1h" };

it("a target that forgets its last commits while nothing is under way gets them again", { timeout: deadline(120_000) }, async () => {
  await using pair = await startPair({ version: 14 }, { version: 15, settings: FORGETFUL });
  const table = "create table items (id int primary key)";
  const move = await newMove(pair, { sql: `${table}; insert into items values (1)`, targetSql: table });
  const running = move.start(["run"]);
  await running.waitFor(/phase=streaming/, 60_000);
  await stopWriterOf(move.targetDb);
  await query(move.sourceDb, "insert into items values (2)");
  await arrived(move, 2);
  await pair.target.kill9();
  await pair.target.start();
  assert.deepEqual(await query(move.targetDb, "select from items where id = 2"), [], "the target was to forget something");
  await query(move.sourceDb, "insert into items values (3)");
  await arrived(move, 3);
  assert.equal((await move.run(["cdc", "stop"])).code, 0);
  assert.equal((await running.done).code, 0, running.stderr());
  await assertEqualDatabases(move.sourceDb.url, move.targetDb.url);
});

it("a chunk read before a crash of the source, and merged after it, brings nothing that never happened", {
  timeout: deadline(120_000),
}, async () => {
  await using pair = await startPair({ version: 14, settings: FORGETFUL }, { version: 15 });
  const throttle = "{ workers: 2, chunkSeconds: 1, chunkBytes: 512KB }";
  const move = await newMove(pair, { sql: TABLES + ROWS, targetSql: TABLES, throttle });
  const [whole, items] = [await holdWrites(move.targetDb, "whole"), await holdWrites(move.targetDb, "items")];
  const running = move.start(["run", "--until", "caught-up"]);
  await waitedFor(move.targetDb, "items");
  await waitedFor(move.targetDb, "whole");
  // The chunk of items_1 is being merged. The other reader comes to items_2 while commits happen there that nothing writes down.
  await stopWriterOf(move.sourceDb);
  const updating = updateForgettably(move.sourceDb);
  await whole.end();
  const joined = "select from pghaul.table_progress where table_id = 'public.whole' and state = 'joined'";
  await waitFor(() => query(move.targetDb, joined).then(some), { deadlineMs: 30_000, what: "the first table to join" });
  await waitFor(() => query(move.sourceDb, READ).then(some), { deadlineMs: 30_000, what: "the chunk of items_2 to be read", everyMs: 5 });
  const before = await sourceAt(move.sourceDb);
  await pair.source.kill9();
  await updating;
  await pair.source.start();
  assert.ok((await sourceAt(move.sourceDb)).updates < before.updates, "the source was to forget something");
  // WAL grows past where it was, with other content, and the log follows.
  const after = await writePast(move.sourceDb, before.lsn);
  const passed = "select from pg_replication_slots where confirmed_flush_lsn >= $1";
  await waitFor(() => query(move.sourceDb, passed, [after]).then(some), { deadlineMs: 30_000, what: "the log to follow" });
  await items.end();
  const ended = await running.done;
  assert.equal(ended.code, 0, ended.stderr);
  await assertEqualDatabases(move.sourceDb.url, move.targetDb.url);
});

it("a standby that was behind takes over while nothing is under way, and the chunks that it lacks are merged again", {
  timeout: deadline(120_000),
}, async () => {
  await using pair = await startPair({ version: 15 }, { version: 15 });
  await using standby = await startStandby(pair.target, "behind");
  await using proxy = await startProxy({ to: pair.target.port });
  const move = await newMove(pair, { sql: PARTS + PART_ROWS, targetSql: PARTS, throttle: "{ workers: 1 }" });
  move.configure({ urls: { target: proxy.through(move.targetDb.url) } });
  const first = await holdWrites(move.targetDb, "parts_1");
  const running = move.start(["run", "--until", "caught-up"]);
  await waitedFor(move.targetDb, "parts_1");
  const [second, third] = [await holdReads(move.sourceDb, "parts_2"), await holdReads(move.sourceDb, "parts_3")];
  await first.end();
  const merged = (chunks: number) =>
    waitFor(() => query(move.targetDb, `select from pghaul.merged_chunk having count(*) = ${chunks}`).then(some), {
      deadlineMs: 60_000,
      what: `${chunks} merged chunks`,
    });
  await merged(1);
  await stopsFollowing(pair.target, standby);
  await second.end();
  await merged(2);
  await pair.target.kill9();
  await query(standby.url(), "select pg_promote()");
  assert.deepEqual(await query(standby.url(move.targetDb.name), "select from parts_2"), [], "the standby was to be behind");
  proxy.lead(standby.port);
  await third.end();
  const ended = await running.done;
  assert.equal(ended.code, 0, ended.stderr);
  await assertEqualDatabases(move.sourceDb.url, standby.url(move.targetDb.name));
  assert.match(ended.stderr, /the target has lost its last commits/);
});

/** Objects that come behind the rows of their tables, and some behind all of them. */
const RICH = `create table parent (id int primary key, code text); create unique index parent_code on parent (code);
  create table child (id int primary key, parent int references parent, n int check (n >= 0));
  create index child_parent on child (parent) where n > 0;
  create function touch() returns trigger language plpgsql as 'begin return new; end';
  create trigger touched before update on child for each row execute function touch();
  create materialized view sums as select parent, sum(n) as n from child group by parent; create unique index on sums (parent);
  insert into parent select i, 'c' || i from generate_series(1, 100) i; insert into child select i, i, i from generate_series(1, 100) i;
  refresh materialized view sums; analyze;`;
const MADE = `select pg_get_indexdef(indexrelid) as made from pg_index where indrelid in ('parent'::regclass, 'child'::regclass, 'sums'::regclass)
  union all select pg_get_constraintdef(oid) || convalidated from pg_constraint where conrelid in ('parent'::regclass, 'child'::regclass)
  union all select pg_get_triggerdef(oid) from pg_trigger where tgrelid = 'child'::regclass and not tgisinternal
  union all select n::text from sums order by 1`;

for (const how of ["while it runs", "between two runs"]) {
  it(`a standby that was behind takes over ${how}, and what it lacks of the schema is made again`, {
    timeout: deadline(120_000),
  }, async () => {
    await using pair = await startPair({ version: 15 }, { version: 15 });
    await using standby = await startStandby(pair.target, "behind");
    await using proxy = await startProxy({ to: pair.target.port });
    const move = await newMove(pair, { sql: RICH });
    move.configure({ urls: { target: proxy.through(move.targetDb.url) } });
    // No slot is made before it has ended: by then the schema and its keys are there, and no row is.
    const held = await move.sourceDb.connect();
    await held.query("begin; select txid_current()");
    const live = how === "while it runs";
    let running = move.start(live ? ["run"] : ["run", "--until", "caught-up"]);
    await running.waitFor(/phase=slot/, 30_000);
    await stopsFollowing(pair.target, standby);
    await held.end();
    if (live) await running.waitFor(/phase=streaming/, 60_000);
    else assert.equal((await running.done).code, 0, running.stderr());
    await pair.target.kill9();
    await query(standby.url(), "select pg_promote()");
    const promoted = standby.url(move.targetDb.name);
    assert.deepEqual(await query(promoted, "select from pg_indexes where indexname = 'child_parent'"), [], "the standby was to be behind");
    // As the gate `objects` of an earlier start had it printed.
    await query(promoted, "create index child_parent on child (parent) where n > 0");
    proxy.lead(standby.port);
    if (!live) {
      running = move.start(["run", "--until", "caught-up"]);
      assert.equal((await running.done).code, 0, running.stderr());
    }
    await running.waitFor(/the target has lost/, 30_000);
    const wanted = JSON.stringify(await query(move.sourceDb, MADE));
    const isMade = async (): Promise<boolean> => JSON.stringify(await query(promoted, MADE).catch(() => [])) === wanted;
    await waitFor(isMade, { deadlineMs: 20_000, what: "the same objects as at the source" });
    if (live) {
      assert.equal((await move.run(["cdc", "stop"])).code, 0);
      assert.equal((await running.done).code, 0, running.stderr());
    }
    await assertEqualDatabases(move.sourceDb.url, promoted);
  });
}

/** Both readers hold what they have read and rest: nothing is left to do for them until the target lets them. */
const READ = `select from pg_stat_activity where application_name like '%snapshot reader%' and state = 'idle'
  and clock_timestamp() - state_change > interval '300 ms' having count(*) = 2`;

function arrived(move: Move, id: number): Promise<unknown> {
  const sql = `select from items where id = ${id}`;
  return waitFor(() => query(move.targetDb, sql).then(some), { deadlineMs: 60_000, what: `row ${id} at the target` });
}

const some = (rows: readonly unknown[]): boolean => rows.length > 0;

/** Lets others read the table and nobody write it, until the session ends. */
async function holdWrites(database: TestDatabase, table: string): Promise<pg.Client> {
  const client = await database.connect();
  await client.query(`begin; lock table ${table} in share mode`);
  return client;
}

/** Lets nobody read the table until the session ends. */
async function holdReads(database: TestDatabase, table: string): Promise<pg.Client> {
  const client = await database.connect();
  await client.query(`begin; lock table ${table} in access exclusive mode`);
  return client;
}

/** What the primary commits from now on the standby never hears of; until now it has it all. */
async function stopsFollowing(primary: PgServer, standby: PgServer): Promise<void> {
  const [here] = await query<{ lsn: string }>(primary.url(), "select pg_current_wal_lsn()::text as lsn");
  const replayed = `select where pg_last_wal_replay_lsn() >= '${here?.lsn}'`;
  await waitFor(() => query(standby.url(), replayed).then(some), { deadlineMs: 30_000, what: "the standby to follow" });
  standby.configure({ primary_conninfo: "" });
  await query(standby.url(), "select pg_reload_conf()");
  const gone = "select from pg_stat_wal_receiver having count(*) = 0";
  await waitFor(() => query(standby.url(), gone).then(some), { deadlineMs: 30_000, what: "the standby to stop following" });
}

/** Somebody waits for what `holdWrites` holds. */
function waitedFor(database: TestDatabase, table: string): Promise<unknown> {
  const sql = `select from pg_locks where relation = '${table}'::regclass and not granted`;
  return waitFor(() => query(database, sql).then(some), { deadlineMs: 60_000, what: `a merge into ${table}` });
}

/** The process that writes WAL down for commits that do not ask for it; it dies with its server. */
async function stopWriterOf(database: TestDatabase): Promise<void> {
  const [writer] = await query<{ pid: number }>(database, "select pid from pg_stat_activity where backend_type = 'walwriter'");
  process.kill(writer?.pid ?? Number.NaN, "SIGSTOP");
}

/** Counts up the rows of items_2, each step a commit that nobody waits for; ends when the server dies. */
async function updateForgettably(database: TestDatabase): Promise<void> {
  const client = await database.connect();
  await client.query("set synchronous_commit = off; set application_name = 'updates'");
  const forever = "do $$ begin loop for i in 1000..1099 loop update items set n = n + 1 where id = i; commit; end loop; end loop; end $$";
  await client.query(forever).catch(() => undefined);
}

async function sourceAt(database: TestDatabase): Promise<{ readonly updates: number; readonly lsn: string }> {
  const [row] = await query<{ updates: number; lsn: string }>(
    database,
    "select sum(n)::float8 as updates, pg_current_wal_insert_lsn()::text as lsn from items",
  );
  if (row === undefined) throw new Error("no answer");
  return row;
}

/** A segment of WAL at a time. */
async function writePast(database: TestDatabase, lsn: string): Promise<string> {
  for (;;) {
    await query(database, "select pg_logical_emit_message(true, 'filler', '')");
    await query(database, "select pg_switch_wal()");
    const [now] = await query<{ lsn: string; past: boolean }>(
      database,
      "select lsn::text as lsn, lsn > $1::pg_lsn as past from pg_current_wal_lsn() lsn",
      [lsn],
    );
    if (now?.past === true) return now.lsn;
  }
}
