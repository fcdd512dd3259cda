/** Ctrl-C, a second one, `cdc stop`, the split into `snapshot run` and `cdc start`, and the teardown: each leaves what the next one goes on from. */

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { assertEqualDatabases } from "../support/compare.ts";
import { query, waitFor } from "../support/database.ts";
import { deadline } from "../support/deadline.ts";
import { MANY_ORIGINS, type Move, newMove, type Pair, startPair } from "./move-bench.ts";

/** Many chunks of half a megabyte. */
const ITEMS = `create table items (id int primary key, name text);
  insert into items select i, repeat(md5(i::text), 8) from generate_series(1, 60000) i; analyze items;`;
const UNTIL = ["run", "--until", "caught-up"];

describe("stopping and going on", { timeout: deadline(400_000) }, () => {
  let pair: Pair;
  before(async () => {
    pair = await startPair({ version: 14 }, { version: 15, settings: MANY_ORIGINS });
  });
  after(() => pair[Symbol.asyncDispose]());

  it("Ctrl-C finishes the chunk, exits 130 with everything saved, and run goes on from there", async () => {
    const move = await newMove(pair, { sql: ITEMS, config: "" });
    const running = move.start(["run"]);
    await waitFor(async () => (await loaded(move)) > 0, { deadlineMs: 90_000, what: "a first chunk", everyMs: 5 });
    const stopped = await running.kill("SIGINT");
    assert.equal(stopped.code, 130, stopped.stderr);
    assert.match(stopped.stderr, /^Code: INTERRUPTED$/m);
    const status = (await move.run(["snapshot", "status", "--json"])).json().result.chunks;
    assert.ok(status.done > 0 && status.done < status.total, `stopped in the middle: ${JSON.stringify(status)}`);
    assert.equal((await move.run(UNTIL)).code, 0);
    await assertEqualDatabases(move.sourceDb.url, move.targetDb.url);
  });

  it("under --json an interrupted run says so in its envelope", async () => {
    const move = await newMove(pair, { sql: ITEMS });
    const running = move.start(["run", "--json"]);
    await waitFor(async () => (await loaded(move)) > 0, { deadlineMs: 90_000, what: "a first chunk", everyMs: 5 });
    const stopped = await running.kill("SIGTERM");
    assert.equal(stopped.code, 130, stopped.stdout);
    assert.equal(stopped.json().error?.code, "INTERRUPTED");
    assert.equal((await move.run(UNTIL)).code, 0);
  });

  it("a second Ctrl-C ends at once, and nothing is lost", async () => {
    const move = await newMove(pair, { sql: ITEMS });
    const running = move.start(["run"]);
    await waitFor(async () => (await loaded(move)) > 0, { deadlineMs: 90_000, what: "a first chunk", everyMs: 5 });
    // What is in hand cannot be finished: somebody holds the target's table.
    const holder = await move.targetDb.connect();
    await holder.query("begin; lock table items in access exclusive mode");
    try {
      running.child.kill("SIGINT");
      await running.waitFor(/Send it again to stop at once/);
      await sleep(400); // Signals that come closer together count as one.
      const before = Date.now();
      const stopped = await running.kill("SIGINT");
      assert.equal(stopped.code, 130, stopped.stderr);
      assert.ok(Date.now() - before < deadline(15_000), `${Date.now() - before} ms`);
    } finally {
      await holder.end();
    }
    assert.equal((await move.run(UNTIL)).code, 0);
    await assertEqualDatabases(move.sourceDb.url, move.targetDb.url);
  });

  it("cdc stop ends run with 0, cdc start goes on, and streams only", async () => {
    const move = await newMove(pair, { sql: "create table items (id int primary key, name text); insert into items values (1, 'a')" });
    const running = move.start(["run", "--json"]);
    await joined(move);
    const stop = await move.run(["cdc", "stop", "--json"]);
    assert.equal(stop.code, 0, stop.stdout);
    assert.equal(stop.json().result.stopped.pid, running.child.pid);
    const stopped = await running.done;
    assert.equal(stopped.code, 0, stopped.stdout);
    assert.equal(stopped.json().result.reached, "stopped");
    await query(move.sourceDb, "insert into items values (2, 'while nobody streamed')");
    const streaming = move.start(["cdc", "start"]);
    await arrives(move, "select from items where id = 2");
    await query(move.sourceDb, "insert into items values (3, 'now')");
    await arrives(move, "select from items where id = 3");
    assert.equal((await move.run(["cdc", "stop"])).code, 0);
    assert.equal((await streaming.done).code, 0, streaming.stderr());
    assert.equal((await move.run(["cdc", "stop", "--json"])).json().result.stopped, null);
  });

  it("snapshot run, then cdc start; then a teardown, after which nothing pretends to go on", async () => {
    const move = await newMove(pair, { sql: "create table items (id int primary key, name text); insert into items values (1, 'a')" });
    const load = await move.run(["snapshot", "run", "--json"]);
    assert.equal(load.code, 0, load.stdout);
    assert.deepEqual(load.json().result.chunks.done, load.json().result.chunks.total);
    await query(move.sourceDb, "update items set name = 'b'; insert into items values (2, 'c')");
    const streaming = move.start(["cdc", "start"]);
    await arrives(move, "select from items where name = 'b'");
    assert.equal((await move.run(["cdc", "stop"])).code, 0);
    await streaming.done;
    await assertEqualDatabases(move.sourceDb.url, move.targetDb.url);

    const asked = await move.run(["cdc", "teardown", "--json"]);
    assert.equal(asked.code, 30, asked.stdout);
    assert.equal((await slots(move)).length, 1, "not confirmed: still there");
    const digest = /[0-9a-f]{16}/.exec(asked.stdout)?.[0] ?? "";
    const torn = await move.run(["cdc", "teardown", "--confirm", move.name, "--plan-digest", digest, "--json"]);
    assert.equal(torn.code, 0, torn.stdout);
    assert.deepEqual(await slots(move), []);
    assert.deepEqual(await query(move.sourceDb, "select from pg_publication"), []);
    for (const command of [["run"], ["cdc", "start"], ["snapshot", "run"]]) {
      const refused = await move.run([...command, "--json"]);
      assert.equal(refused.json().error?.code, "SLOT_LOST", refused.stdout);
      assert.equal(refused.code, 20);
    }
    assert.deepEqual(await slots(move), []);
  });
});

async function loaded(move: Move): Promise<number> {
  const [row] = await query<{ rows: number }>(move.targetDb, "select count(*)::int as rows from items");
  return row?.rows ?? 0;
}

function arrives(move: Move, sql: string): Promise<unknown> {
  return waitFor(async () => (await query(move.targetDb, sql)).length > 0, { deadlineMs: 90_000, what: sql });
}

function joined(move: Move): Promise<unknown> {
  return arrives(move, "select from pghaul.progress where stream = 'forward'");
}

function slots(move: Move): Promise<unknown[]> {
  return query(move.sourceDb, "select from pg_replication_slots where database = current_database()");
}
