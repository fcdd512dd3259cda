/** What goes wrong under a running migration: it stops with a code and advice, loses nothing, and goes on once mended. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import Database from "better-sqlite3";
import { MANY_ORIGINS, type Move, newMove, type Pair, startPair } from "../scenario/move-bench.ts";
import { assertEqualDatabases } from "../support/compare.ts";
import { createDatabase, query, waitFor } from "../support/database.ts";
import { deadline } from "../support/deadline.ts";
import { startServer } from "../support/pg-server.ts";
import type { CliHandle } from "../support/run-cli.ts";
import { assertGoesOn, assertNoSecretKept, assertRefused, assertRefuses } from "./refusal.ts";

const ITEMS =
  "create table items (id int primary key, name text); insert into items select i, 'item ' || i from generate_series(1, 500) i;";
/** Sixteen kilobytes that compress to little less. */
const RANDOM_NAMES = "update items set name = md5(random()::text)";
const RUN = ["run", "--until", "caught-up"];

describe("what goes wrong while a migration runs", { timeout: deadline(300_000) }, () => {
  let pair: Pair;
  before(async () => {
    pair = await startPair({ version: 14 }, { version: 15, settings: MANY_ORIGINS });
  });
  after(() => pair[Symbol.asyncDispose]());

  it("another process on the same state directory", async () => {
    const move = await newMove(pair, { sql: ITEMS });
    const running = await streaming(move);
    await assertRefuses(move, RUN, {
      code: "STATE_LOCKED",
      exit: 22,
      says: new RegExp(`held by pid ${running.child.pid} \\(pghaul run\\) on `),
    });
    assert.equal((await running.kill("SIGINT")).code, 130);
    await assertGoesOn(move);
  });

  it("the slot dropped under us: what it kept is lost, and nobody pretends otherwise", async () => {
    const move = await newMove(pair, { sql: ITEMS });
    const running = await streaming(move);
    await dropSlotUnder(move);
    const refusal = { code: "SLOT_LOST", exit: 20, says: /pghaul_move_\d+_forward/ };
    assertRefused(move, await running.done, refusal);
    await assertRefuses(move, RUN, refusal);
  });

  it("a column added at the source", async () => {
    const move = await newMove(pair, { sql: ITEMS });
    const running = await streaming(move);
    await query(move.sourceDb, "update items set name = 'before' where id = 1");
    await query(move.sourceDb, "alter table items add column price int default 5");
    await query(move.sourceDb, "update items set name = 'after', price = 7 where id = 2");
    const refusal = { code: "SCHEMA_DRIFT", exit: 20, says: /public\.items.*price/s, hides: /after/ };
    assertRefused(move, await running.done, refusal);
    await assertRefuses(move, RUN, refusal);
    assert.deepEqual(
      await query(move.targetDb, "select name from items where id = 1"),
      [{ name: "before" }],
      "what came before is applied",
    );
    await query(move.targetDb, "alter table items add column price int default 5");
    await assertGoesOn(move);
  });

  it("a column dropped at the source", async () => {
    const move = await newMove(pair, { sql: `${ITEMS} alter table items add column old text` });
    const running = await streaming(move);
    await query(move.sourceDb, "alter table items drop column old");
    await query(move.sourceDb, "update items set name = 'after' where id = 2");
    assertRefused(move, await running.done, { code: "SCHEMA_DRIFT", exit: 20, says: /public\.items.*old/s });
    await query(move.targetDb, "alter table items drop column old");
    await assertGoesOn(move);
  });

  it("a row that somebody else removed at the target", async () => {
    const move = await newMove(pair, { sql: ITEMS });
    const running = await streaming(move);
    await query(move.targetDb, "delete from items where id = 77");
    await query(move.sourceDb, "update items set name = 'secret' where id = 77");
    assertRefused(move, await running.done, { code: "TARGET_DRIFT", exit: 21, says: /public\.items/, hides: /secret/ });
    await query(move.targetDb, "insert into items values (77, 'put back')");
    await assertGoesOn(move);
  });

  it("a row that somebody else added at the target", async () => {
    const move = await newMove(pair, { sql: ITEMS });
    const running = await streaming(move);
    await query(move.targetDb, "insert into items values (9000, 'secret too')");
    await query(move.sourceDb, "insert into items values (9000, 'secret')");
    assertRefused(move, await running.done, { code: "TARGET_DRIFT", exit: 21, says: /public\.items/, hides: /secret|9000/ });
    await query(move.targetDb, "delete from items where id = 9000");
    await assertGoesOn(move);
  });

  it("a value that only the target refuses, from the stream and in the load", async () => {
    const targetSql = "create table items (id int primary key, name text check (name <> 'secret'))";
    const move = await newMove(pair, { sql: ITEMS, targetSql });
    const running = await streaming(move);
    await query(move.sourceDb, "update items set name = 'secret' where id = 3");
    const refusal = { code: "TABLE_HELD", exit: 21, says: /items_name_check/, hides: /'secret'|\(3, / };
    await running.waitFor(/code=TABLE_HELD .*public\.items is held.*key \(3\).*items_name_check/, 60_000);
    assert.equal((await running.kill("SIGINT")).code, 130);
    await assertRefuses(move, RUN, refusal);
    await query(move.targetDb, "alter table items drop constraint items_name_check");
    assert.equal((await move.run(["snapshot", "reload", "--table", "public.items", "--no-wait"])).code, 0);
    await assertGoesOn(move);

    const other = await newMove(pair, { sql: `${ITEMS} update items set name = 'secret' where id = 9`, targetSql });
    await assertRefuses(other, RUN, refusal);
    await query(other.targetDb, "alter table items drop constraint items_name_check");
    assert.equal((await other.run(["snapshot", "reload", "--table", "public.items", "--no-wait"])).code, 0);
    await assertGoesOn(other);
  });

  it("a damaged segment of the change log", async () => {
    const move = await newMove(pair, { sql: ITEMS, config: "log: { segmentBytes: 16KB }" });
    const running = await streaming(move);
    await pair.target.stop();
    for (let round = 0; round < 8; round += 1) await query(move.sourceDb, RANDOM_NAMES);
    await running.waitFor(/trying again/);
    await durable(move);
    await running.kill();
    await pair.target.start();
    const log = join(move.dir, ".pghaul/log/forward");
    const backup = join(move.dir, "backup");
    cpSync(log, backup, { recursive: true });
    const segments = readdirSync(log).filter((name) => name.endsWith(".segment"));
    assert.ok(segments.length > 2, `${readdirSync(log)}`);
    const hurt = join(log, segments.sort()[1] as string);
    const bytes = readFileSync(hurt);
    for (let at = bytes.length >> 1; at < (bytes.length >> 1) + 64; at += 1) bytes[at] = (bytes[at] as number) ^ 0xff;
    writeFileSync(hurt, bytes);
    await assertRefuses(move, RUN, { code: "LOG_CORRUPT", exit: 3, says: new RegExp(segments[1] as string) });
    rmSync(log, { recursive: true });
    cpSync(backup, log, { recursive: true });
    rmSync(backup, { recursive: true });
    await assertGoesOn(move);
  });

  it("a state written by a newer pghaul, and a state that belongs to another target", async () => {
    const move = await newMove(pair, { sql: ITEMS });
    await assertGoesOn(move);
    claimVersion(join(move.dir, ".pghaul"), 999, true);
    await assertRefuses(move, RUN, { code: "STATE_NEWER", exit: 3, says: /version 999/ });
    claimVersion(join(move.dir, ".pghaul"), 999, false);
    const elsewhere = await createDatabase(pair.target);
    move.configure({ urls: { target: elsewhere.url } });
    await assertRefuses(move, RUN, { code: "CONFIG_CHANGED", exit: 3, says: /target/ });
    move.configure({});
    await query(move.sourceDb, "update items set name = 'later'");
    await assertGoesOn(move);
  });

  it("no space left in the state directory", { skip: canMount() ? false : "tmpfs cannot be mounted here" }, async () => {
    const move = await newMove(pair, { sql: ITEMS });
    const state = join(move.dir, ".pghaul");
    mkdirSync(state);
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=4m", "tmpfs", state]);
    try {
      const running = await streaming(move);
      await pair.target.stop();
      await query(
        move.sourceDb,
        "insert into items select i, md5(random()::text) || md5(random()::text) from generate_series(1000, 200000) i",
      );
      assertRefused(move, await running.done, { code: "STATE_DISK_FULL", exit: 75, says: /space/i });
      await pair.target.start();
      execFileSync("mount", ["-o", "remount,size=256m", state]);
      await assertGoesOn(move);
    } finally {
      execFileSync("umount", ["-l", state]);
    }
  });

  it("a source that restarts and one that crashes: nobody has to do anything", async () => {
    await using source = await startServer({ version: 14 });
    const move = await newMove({ ...pair, source }, { sql: ITEMS });
    const running = await streaming(move);
    await source.restart();
    await query(move.sourceDb, "update items set name = 'restarted' where id = 1");
    await arrives(move, "select from items where name = 'restarted'");
    await source.kill9();
    await source.start();
    await query(move.sourceDb, "update items set name = 'crashed' where id = 2");
    await arrives(move, "select from items where name = 'crashed'");
    assert.equal((await running.kill("SIGINT")).code, 130);
    await assertEqualDatabases(move.sourceDb.url, move.targetDb.url);
    assertNoSecretKept(move);
  });
});

async function streaming(move: Move): Promise<CliHandle> {
  const handle = move.start(["run"]);
  await handle.waitFor(/phase=streaming/, 90_000);
  return handle;
}

function arrives(move: Move, sql: string): Promise<unknown> {
  return waitFor(async () => (await query(move.targetDb, sql)).length > 0, { deadlineMs: 60_000, what: sql });
}

/** The slot has acknowledged everything that the source has written: it is in the log. */
async function durable(move: Move): Promise<void> {
  const [end] = await query<{ lsn: string }>(move.sourceDb, "select pg_current_wal_lsn()::text as lsn");
  await waitFor(
    async () =>
      (
        await query(move.sourceDb, "select from pg_replication_slots where database = current_database() and confirmed_flush_lsn >= $1", [
          end?.lsn,
        ])
      ).length > 0,
    { deadlineMs: 60_000, what: "the log to hold everything" },
  );
}

async function dropSlotUnder(move: Move): Promise<void> {
  const client = await move.sourceDb.connect();
  try {
    await waitFor(
      async () => {
        await client.query("select pg_terminate_backend(active_pid) from pg_replication_slots where database = current_database()");
        await client.query("select pg_drop_replication_slot(slot_name) from pg_replication_slots where database = current_database()");
        const { rows } = await client.query("select from pg_replication_slots where database = current_database()");
        return rows.length === 0;
      },
      { deadlineMs: 30_000, what: "a moment in which nobody reads the slot", everyMs: 1 },
    );
  } finally {
    await client.end();
  }
}

/** As a later pghaul would leave it. */
function claimVersion(state: string, version: number, add: boolean): void {
  const database = new Database(join(state, "state.db"));
  try {
    if (add) database.prepare("insert into schema_version (version, applied_at) values (?, '')").run(version);
    else database.prepare("delete from schema_version where version = ?").run(version);
  } finally {
    database.close();
  }
}

function canMount(): boolean {
  try {
    execFileSync("unshare", ["--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}
