/** What stands in the way of a first run: each is refused with a code, advice and its exit code, and once mended the run ends equal. */

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { MANY_ORIGINS, newMove, type Pair, startPair } from "../scenario/move-bench.ts";
import { query, type TestDatabase } from "../support/database.ts";
import { deadline } from "../support/deadline.ts";
import { startServer } from "../support/pg-server.ts";
import { assertGoesOn, assertRefuses } from "./refusal.ts";

const ITEMS =
  "create table items (id int primary key, name text); insert into items select i, 'item ' || i from generate_series(1, 500) i;";
const RUN = ["run", "--until", "caught-up"];

describe("bad input before a run", { timeout: deadline(300_000) }, () => {
  let pair: Pair;
  before(async () => {
    pair = await startPair(
      { version: 14, passwords: { mover: "right" } },
      { version: 15, passwords: { mover: "right" }, settings: MANY_ORIGINS },
    );
  });
  after(() => pair[Symbol.asyncDispose]());

  it("a server that nobody runs", async () => {
    const move = await newMove(pair, { sql: ITEMS });
    move.configure({ urls: { source: "postgres://postgres:canary-S3cret@127.0.0.1:9/app" } });
    await assertRefuses(move, RUN, { code: "SOURCE_UNREACHABLE", exit: 20, says: /127\.0\.0\.1:9/ });
    move.configure({ urls: { target: "postgres://postgres:canary-S3cret@127.0.0.1:9/app" } });
    await assertRefuses(move, RUN, { code: "TARGET_UNREACHABLE", exit: 21, says: /127\.0\.0\.1:9/ });
    move.configure({});
    await assertGoesOn(move);
  });

  it("a URL of another kind, a database that does not exist, a wrong password", async () => {
    const move = await newMove(pair, { sql: ITEMS });
    move.configure({ urls: { source: "mysql://root:canary-S3cret@127.0.0.1/app" } });
    await assertRefuses(move, RUN, { code: "CONNECTION_STRING_INVALID", exit: 3, says: /postgres/ });
    move.configure({ urls: { source: pair.source.url("nowhere").replace("postgres@", "postgres:canary-S3cret@") } });
    await assertRefuses(move, RUN, { code: "SOURCE_QUERY", exit: 20, says: /"nowhere" does not exist[\s\S]*psql -l/ });
    move.configure({ urls: { source: pair.source.url(move.sourceDb.name, "mover").replace("right", "canary-S3cret") } });
    await assertRefuses(move, RUN, { code: "SOURCE_AUTH", exit: 20, says: /password authentication failed/ });
    move.configure({});
    await assertGoesOn(move);
  });

  it("a table that somebody has locked: who it is, in check, plan and run", async () => {
    const move = await newMove(pair, { sql: ITEMS });
    const holder = await move.sourceDb.connect();
    const { rows } = await holder
      .query("begin; select pg_backend_pid() as pid; set application_name = 'nightly'; lock table items")
      .then((results) => (results as unknown as { rows: { pid: number }[] }[])[1] as { rows: { pid: number }[] });
    try {
      const says = new RegExp(
        `public\\.items is held ACCESS EXCLUSIVE by pid ${rows[0]?.pid}, nightly, idle in transaction, for (\\d+m )?\\d+s`,
      );
      await assertRefuses(move, ["plan"], { code: "SOURCE_QUERY", exit: 20, says });
      await assertRefuses(move, RUN, { code: "SOURCE_QUERY", exit: 20, says });
      const check = (await move.run(["check", "--json"])).json();
      const selected = check.result.checks.find(({ id }: { id: string }) => id === "tables-selected");
      assert.match(selected.evidence, says);
      assert.match(selected.fix, new RegExp(`pg_terminate_backend\\(${rows[0]?.pid}\\)`));
    } finally {
      // A lock that is left waits for nobody here, but every migration after this one for it.
      await holder.end();
    }
    await assertGoesOn(move);
  });

  it("a role that may not replicate, then one that may not write at the target", async () => {
    const move = await newMove(pair, { sql: ITEMS });
    move.configure({ urls: { source: pair.source.url(move.sourceDb.name, "mover") } });
    await assertRefuses(move, RUN, { code: "SOURCE_PRIVILEGE", exit: 20, says: /pghaul check|grant/i });
    move.configure({ urls: { target: pair.target.url(move.targetDb.name, "mover") } });
    await assertRefuses(move, RUN, { code: "TARGET_PRIVILEGE", exit: 21, says: /pghaul check|grant/i });
    move.configure({});
    await assertGoesOn(move);
  });

  it("a source without logical WAL", async () => {
    await using quiet = await startServer({ version: 14, settings: { wal_level: "replica" } });
    const move = await newMove({ ...pair, source: quiet }, { sql: ITEMS });
    await assertRefuses(move, RUN, { code: "SOURCE_WAL_LEVEL", exit: 20, says: /wal_level/ });
    quiet.configure({ wal_level: "logical" });
    await quiet.restart();
    await assertGoesOn(move);
  });

  it("a table without identity", async () => {
    const move = await newMove(pair, { sql: `${ITEMS} create table nobody (v text); insert into nobody values ('a'), ('a')` });
    await assertRefuses(move, RUN, { code: "SOURCE_NO_IDENTITY", exit: 20, says: /alter table .*nobody.* replica identity full/ });
    await query(move.sourceDb, "alter table nobody replica identity full");
    await assertGoesOn(move);
  });

  it("an unlogged table is left out, and run says so", async () => {
    const move = await newMove(pair, { sql: `${ITEMS} create unlogged table fast (id int primary key); insert into fast values (1)` });
    const envelope = (await move.run([...RUN, "--json"])).json();
    assert.equal(envelope.ok, true, JSON.stringify(envelope));
    assert.match(envelope.warnings.map(({ code, message }) => `${code} ${message}`).join(), /TABLE_LEFT_OUT .*public\.fast.*set logged/);
    assert.deepEqual(await query(move.targetDb, "select * from fast"), []);
  });

  it("a misspelt key, a value of the wrong kind", async () => {
    const move = await newMove(pair, { sql: ITEMS });
    const file = join(move.dir, "pghaul.yaml");
    const good = readFileSync(file, "utf8");
    writeFileSync(file, good.replace("throttle:", "throtle:"));
    await assertRefuses(move, RUN, { code: "CONFIG_INVALID", exit: 3, says: /throttle/ });
    writeFileSync(file, good.replace("workers: 3", "workers: many"));
    await assertRefuses(move, RUN, { code: "CONFIG_INVALID", exit: 3, says: /workers/ });
    writeFileSync(file, good);
    await assertGoesOn(move);
  });

  it("the source as its own target", async () => {
    const move = await newMove(pair, { sql: ITEMS });
    move.configure({ urls: { target: move.sourceDb.url } });
    await assertRefuses(move, RUN, { code: "CONFIG_INVALID", exit: 3, says: /same database/ });
    move.configure({});
    await assertGoesOn(move);
  });

  it("a target that holds rows", async () => {
    const move = await newMove(pair, {
      sql: ITEMS,
      targetSql: "create table items (id int primary key, name text); insert into items values (7, 'x')",
    });
    await assertRefuses(move, RUN, { code: "TARGET_NOT_EMPTY", exit: 21, says: /items/ });
    assert.deepEqual(await slots(move.sourceDb), [], "no slot is left behind by a run that did not begin");
    await query(move.targetDb, "truncate items");
    await assertGoesOn(move);
  });

  it("a target that holds tables already, where they were to be made", async () => {
    const move = await newMove(pair, { sql: ITEMS });
    await query(move.targetDb, "create table items (id int primary key, name text, more int)");
    await assertRefuses(move, RUN, { code: "TARGET_SCHEMA", exit: 21, says: /items/ });
    await query(move.targetDb, "drop table items");
    await assertGoesOn(move);
  });

  it("a column that the target lacks, or has with another type", async () => {
    const move = await newMove(pair, { sql: ITEMS, targetSql: "create table items (id int primary key)" });
    await assertRefuses(move, RUN, { code: "TARGET_SCHEMA", exit: 21, says: /name/ });
    await query(move.targetDb, "alter table items add name int");
    await assertRefuses(move, RUN, { code: "TARGET_SCHEMA", exit: 21, says: /name.*integer|integer.*name/s });
    await query(move.targetDb, "alter table items alter name type text");
    await assertGoesOn(move);
  });

  it("a pattern that no table fits", async () => {
    const move = await newMove(pair, { sql: ITEMS, config: 'tables: { include: ["shop.*"] }' });
    await assertRefuses(move, RUN, { code: "CONFIG_INVALID", exit: 3, says: /shop\.\*/ });
    move.configure({});
  });
});

async function slots(database: TestDatabase): Promise<unknown[]> {
  return query(database, "select slot_name from pg_replication_slots where database = current_database()");
}
