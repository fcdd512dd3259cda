/**
 * Leaves that come, go and change names between the plan and the end of their table's load: what is moved is what the partition tree holds
 * when the table is loaded, whatever it held when it was planned.
 */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { assertRefusedJson } from "../bad-input/refusal.ts";
import { query, waitFor } from "../support/database.ts";
import { deadline } from "../support/deadline.ts";
import { MANY_ORIGINS, type Move, newMove, type Pair, startPair } from "./move-bench.ts";

const SCHEMA = `
  create table big (id int primary key, v text);
  create table ev (id int, day int, v text, primary key (id, day)) partition by range (day);
  create table ev_1 partition of ev for values from (0) to (10);
  create table ev_2 partition of ev for values from (10) to (20);
  create table ev_3 partition of ev for values from (20) to (30);
  create table bare (id int, day int, primary key (id, day)) partition by range (day);
  create table bag (day int, v text) partition by range (day);
  alter table bag replica identity full;
  create table bag_1 partition of bag for values from (0) to (10);
  alter table bag_1 replica identity full;`;
const SQL = `${SCHEMA}
  insert into big select i, repeat(md5(i::text), 8) from generate_series(1, 30000) i;
  insert into ev select i, i % 30, 'v' from generate_series(1, 900) i;
  insert into bag select i % 10, 'v' from generate_series(1, 30) i;
  analyze;`;
/** Where the range of each begins. */
const LEAF_DAYS: Readonly<Record<string, number>> = { ev_1: 0, ev_2: 10, ev_3: 20 };
const VERIFIED = ["run", "--until", "verified"];
const ONE_READER = "{ workers: 1, chunkSeconds: 1, chunkBytes: 256KB }";

describe("leaves between the plan and the load", { timeout: deadline(240_000), concurrency: 2 }, () => {
  let pair: Pair;
  before(async () => {
    pair = await startPair({ version: 14, settings: MANY_ORIGINS }, { version: 15, settings: MANY_ORIGINS });
  });
  after(() => pair[Symbol.asyncDispose]());

  it("made, renamed, replaced and detached before a later start", async () => {
    const move = await newMove(pair, { sql: SQL, targetSql: SCHEMA, throttle: ONE_READER });
    const killed = await move.run(VERIFIED, { PGHAUL_CRASH_AT: "after-copy-before-merge" });
    assert.equal(killed.signal, "SIGKILL", killed.stderr);
    assert.deepEqual(await query(move.targetDb, "select from ev limit 1"), [], "nothing but the largest table was begun");
    await query(
      move.sourceDb,
      `create table ev_4 partition of ev for values from (30) to (40);
       alter table ev_2 rename to ev_two;
       create table ev_2 (like ev including all);
       insert into ev_2 select i, 45, 'attached' from generate_series(1, 20) i;
       alter table ev attach partition ev_2 for values from (40) to (50);
       alter table ev detach partition ev_3;
       insert into ev_3 values (-1, 25, 'detached');
       create table bare_1 partition of bare for values from (0) to (10);
       create table bag_2 partition of bag for values from (10) to (20);
       alter table bag_2 replica identity full`,
    );
    await query(
      move.sourceDb,
      `insert into ev select i, 30 + i % 10, 'new' from generate_series(1, 150) i;
       insert into bare select i, 1 from generate_series(1, 50) i;
       insert into bag select 11, 'new' from generate_series(1, 7)`,
    );
    await query(
      move.targetDb,
      `alter table ev_2 rename to ev_two; drop table ev_3;
       create table ev_4 partition of ev for values from (30) to (40);
       create table ev_2 partition of ev for values from (40) to (50);
       create table bare_1 partition of bare for values from (0) to (10);
       create table bag_2 partition of bag for values from (10) to (20);
       alter table bag_2 replica identity full`,
    );
    const result = await move.run(VERIFIED);
    assert.equal(result.code, 0, result.stdout + result.stderr);
    assert.deepEqual(await counts(move), { ev: "770", bare: "50", bag: "37" });
  });

  it("made, attached, renamed and replaced while their table is read", async () => {
    const move = await newMove(pair, { sql: SQL, targetSql: SCHEMA, throttle: ONE_READER });
    const running = move.start(VERIFIED);
    await waitFor(async () => (await query(move.targetDb, "select from big limit 1")).length > 0, {
      deadlineMs: 60_000,
      what: "a chunk",
      everyMs: 5,
    });
    const holder = await move.sourceDb.connect();
    try {
      await holder.query("begin; lock table ev_3 in access exclusive mode");
      const waits = "select from pg_locks where relation = 'ev_3'::regclass and not granted";
      await waitFor(async () => (await query(move.sourceDb, waits)).length > 0, {
        deadlineMs: 60_000,
        what: "the reader of ev_3",
        everyMs: 10,
      });
      await query(
        move.targetDb,
        `alter table ev_3 rename to ev_three;
         create table ev_3 partition of ev for values from (30) to (40);
         create table ev_4 partition of ev for values from (40) to (50);`,
      );
      await query(
        move.sourceDb,
        `create table ev_4 (like ev including all);
         insert into ev_4 select i, 45, 'attached' from generate_series(1, 20) i;
         alter table ev attach partition ev_4 for values from (40) to (50)`,
      );
      await holder.query(`alter table ev_3 rename to ev_three;
        create table ev_3 partition of ev for values from (30) to (40);
        insert into ev select i, 33, 'new' from generate_series(1, 40) i;
        commit`);
    } finally {
      await holder.end();
    }
    const result = await running.done;
    assert.equal(result.code, 0, result.stdout + result.stderr);
    assert.deepEqual(await counts(move), { ev: "960", bare: "0", bag: "30" });
  });

  it("one that was read, left, lost a row and came back has its table read again, whenever we die in it", async () => {
    const { move, leaf } = await begun();
    const from = Number(LEAF_DAYS[leaf]);
    await query(
      move.sourceDb,
      `alter table ev detach partition ${leaf}; delete from ${leaf} where id <= 60;
       alter table ev attach partition ${leaf} for values from (${from}) to (${from + 10})`,
    );
    const kept = await query(move.sourceDb, "select count(*)::text as ev from ev");
    const killed = await move.run(VERIFIED, { PGHAUL_CRASH_AT: "after-table-emptied" });
    assert.equal(killed.signal, "SIGKILL", killed.stdout + killed.stderr);
    const result = await move.run(VERIFIED);
    assert.equal(result.code, 0, result.stdout + result.stderr);
    assert.match(
      killed.stderr + result.stderr,
      /public\.ev is read again from the start: one of its partitions was detached and attached again/,
    );
    assert.deepEqual(await query(move.targetDb, "select count(*)::text as ev from ev"), kept);
  });

  /** Killed when the first chunk of `ev` was merged, with the leaf that it was of. */
  async function begun(): Promise<{ readonly move: Move; readonly leaf: string }> {
    const move = await newMove(pair, { sql: SQL.replace("30000", "30"), targetSql: SCHEMA, throttle: ONE_READER });
    const killed = await move.run(VERIFIED, { PGHAUL_CRASH_AT: "after-merge-before-record" });
    assert.equal(killed.signal, "SIGKILL", killed.stderr);
    const [merged] = await query<{ leaf: string }>(move.targetDb, "select distinct tableoid::regclass::text as leaf from ev");
    assert.ok(merged, "the first chunk is one of ev");
    return { move, leaf: merged.leaf };
  }
});

/** A foreign table without a handler: whoever looks at it, or asks for a plan that does, fails. */
const NOT_OURS = `
  create foreign data wrapper nowhere; create server elsewhere foreign data wrapper nowhere;
  create table arch (id int, day int, primary key (id, day)) partition by range (day);
  create table arch_1 partition of arch for values from (0) to (10);
  create table bag (day int, v text) partition by range (day);
  create table bag_1 partition of bag for values from (0) to (10);
  alter table bag replica identity full; alter table bag_1 replica identity full;`;
const FOREIGN = "create foreign table bag_far partition of bag for values from (90) to (100) server elsewhere;";

describe("partitions that are not moved", { timeout: deadline(120_000) }, () => {
  it("are not read, emptied, counted or compared, at either side", async () => {
    await using pair = await startPair({ version: 14 }, { version: 15, settings: MANY_ORIGINS });
    const move = await newMove(pair, {
      sql: `${NOT_OURS}${FOREIGN}
        create unlogged table arch_u partition of arch for values from (10) to (20);
        insert into arch select i, i % 20 from generate_series(1, 200) i;
        insert into bag select i % 10, 'v' from generate_series(1, 50) i;`,
      targetSql: `${NOT_OURS}${FOREIGN}
        create table arch_u partition of arch for values from (10) to (20);
        insert into arch_u select i, 12 from generate_series(1, 5) i;
        create table kept (id int primary key); insert into kept values (1);`,
    });
    const check = await move.run(["check", "--json"]);
    const verdict = (check.json().result.checks as { id: string; status: string; evidence: string }[]).find(
      ({ id }) => id === "target-empty",
    );
    assert.equal(verdict?.status, "pass", verdict?.evidence);
    const loaded = await move.run(VERIFIED);
    assert.equal(loaded.code, 0, loaded.stdout + loaded.stderr);
    await query(
      move.sourceDb,
      "insert into bag values (3, 'w'); insert into arch values (1000, 3); truncate arch; insert into arch values (1, 1), (1, 11)",
    );
    const again = await move.run(VERIFIED);
    assert.equal(again.code, 0, again.stdout + again.stderr);
    const left = "select day, count(*)::int as rows from arch group by day order by day";
    assert.deepEqual(await query(move.targetDb, left), [
      { day: 1, rows: 1 },
      { day: 12, rows: 5 },
    ]);
  });
});

/** The same text, joined by a dot. */
const ALIKE = `
  create schema shop; create schema "shop.v1"; create schema other;
  create table shop."v1.items" (id int primary key, v text); create index on shop."v1.items" (v);
  create table "shop.v1".items (id int primary key, w text); create index on "shop.v1".items (w);
  create table other."odd ""one" (id int primary key);
  insert into shop."v1.items" select i, 'first' from generate_series(1, 100) i;
  insert into "shop.v1".items select i, 'second' from generate_series(1, 300) i;
  insert into other."odd ""one" values (1);`;

describe("tables whose names are one text when they are joined by a dot", { timeout: deadline(120_000) }, () => {
  it("are two tables: loaded, streamed, verified, selected and set apart", async () => {
    await using pair = await startPair({ version: 14 }, { version: 15, settings: MANY_ORIGINS });
    const config = (other: string): string => `tables: { exclude: ["${other}.*"], overrides: { 'shop."v1.items"': { chunkBytes: 64KB } } }`;
    const move = await newMove(pair, { sql: ALIKE, config: config("othr") });
    for (const command of ["plan", "run"]) {
      const refusal = { code: "CONFIG_INVALID", exit: 3, says: /tables\.exclude: no table matches othr\.\*; did you mean other\.\*\?/ };
      assertRefusedJson(move, await move.run([command, "--json"]), refusal);
    }
    move.configure({ config: config("other") });
    const loaded = await move.run(["run", "--until", "caught-up"]);
    assert.equal(loaded.code, 0, loaded.stderr);
    await query(move.sourceDb, `update shop."v1.items" set v = 'third' where id = 1; delete from "shop.v1".items where id <= 50`);
    const verified = (await move.run([...VERIFIED, "--json"])).json();
    const verdicts = (verified.result.verify.tables as { table: string; rows: string; equal: boolean }[]).map(
      ({ table, rows, equal }) => `${table} ${rows} ${equal}`,
    );
    assert.deepEqual(verdicts.sort(), ['"shop.v1".items 250 true', 'shop."v1.items" 100 true']);
    const [there] = await query(
      move.targetDb,
      `select (select count(*)::int from shop."v1.items" where v = 'third') as first, (select count(*)::int from "shop.v1".items) as second`,
    );
    assert.deepEqual(there, { first: 1, second: 250 });
    assert.equal((await move.run(["check"])).stdout.includes("shop.v1.items"), false, "no text names both");
  });
});

async function counts(move: Move): Promise<Record<string, string> | undefined> {
  const sql = ["ev", "bare", "bag"].map((table) => `(select count(*) from ${table})::text as ${table}`).join(", ");
  const [row] = await query<Record<string, string>>(move.targetDb, `select ${sql}`);
  return row;
}
