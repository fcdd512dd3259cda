/**
 * Partitions and tables that change at the source while a migration runs. The stream carries none of it, so each is told with a code and the
 * statement that mends it, no verdict from before it counts any more, and once mended both sides are equal.
 */

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { assertGoesOn, assertRefused, assertRefusedJson } from "../bad-input/refusal.ts";
import { assertEqualDatabases } from "../support/compare.ts";
import { query, waitFor } from "../support/database.ts";
import { deadline } from "../support/deadline.ts";
import type { CliHandle } from "../support/run-cli.ts";
import { MANY_ORIGINS, type Move, newMove, type Pair, startPair } from "./move-bench.ts";

const SCHEMA = `
  create table ev (id int, day int, v text, primary key (id, day)) partition by range (day);
  create table ev_1 partition of ev for values from (0) to (10);
  create table ev_2 partition of ev for values from (10) to (20);
  create table ev_3 partition of ev for values from (20) to (30);
  create table plain (id int primary key, w int, short varchar(10));`;
const ROWS = `
  insert into ev select i, i % 30, 'v' from generate_series(1, 3000) i;
  insert into plain select i, i, 'x' from generate_series(1, 100) i;`;
const TYPED = `
  create schema aside;
  create type mood as enum ('good', 'bad');
  create domain feeling as mood;
  create type pair as (x int, y int);
  create table dropped (id int primary key, w int); insert into dropped values (1, 1);
  create table swapped (id int primary key, a int, b int); insert into swapped values (1, 2, 3);
  create table felt (id int primary key, f feeling[]); insert into felt values (1, '{good}');
  create table paired (id int primary key, p pair); insert into paired values (1, '(1,2)');`;
const SQL = `${SCHEMA}${ROWS}`;
const RUN = ["run", "--until", "caught-up"];
const ROUTE = "cutover: { routing: [ { kind: hook, command: [ /bin/true ], timeout: 3s } ] }";
/** The source is looked at every 15 seconds. */
const SEEN = 60_000;

describe("partitions and tables that change under a migration", { timeout: deadline(300_000), concurrency: 2 }, () => {
  let pair: Pair;
  before(async () => {
    pair = await startPair({ version: 14, settings: MANY_ORIGINS }, { version: 15, settings: MANY_ORIGINS });
  });
  after(() => pair[Symbol.asyncDispose]());

  it("a partition made at the source: the run stops with the statement that makes it, and goes on", async () => {
    const move = await newMove(pair, { sql: SQL });
    const running = await streaming(move);
    await query(
      move.sourceDb,
      `create table "ev 4" partition of ev for values from (30) to (40);
       create table ev_5 partition of ev for values from (50) to (60) partition by list (id);
       create table ev_5_rest partition of ev_5 default`,
    );
    await query(move.sourceDb, "insert into ev values (1, 33, 'secret'), (1, 55, 'secret')");
    const refusal = {
      code: "PARTITION_MISSING",
      exit: 21,
      says: /"ev 4" partition of "public"."ev" FOR VALUES FROM \(30\) TO \(40\)/,
      hides: /secret/,
    };
    assertRefused(move, await running.done, refusal);
    const envelope = assertRefusedJson(move, await move.run([...RUN, "--json"]), refusal);
    const [statements = ""] = (envelope.error?.suggestion ?? "").split("--");
    assert.equal(statements.match(/create table/g)?.length, 3, statements);
    await query(move.targetDb, statements);
    await assertGoesOn(move);
    assert.deepEqual(await inDoubt(move), [], "rows of a new partition stream like all others");
  });

  it("a partition with other bounds than at the source: the run stops with the statements that give it those, and goes on", async () => {
    const move = await newMove(pair, { sql: SQL });
    const running = await streaming(move);
    await query(
      move.sourceDb,
      `begin; alter table ev detach partition ev_2; alter table ev detach partition ev_3;
       alter table ev attach partition ev_3 for values from (20) to (40); alter table ev attach partition ev_2 for values from (10) to (20); commit`,
    );
    await query(move.sourceDb, "insert into ev values (1, 35, 'secret')");
    const refusal = {
      code: "PARTITION_MISSING",
      exit: 21,
      says: /public\.ev_3 is FOR VALUES FROM \(20\) TO \(30\) .* and FOR VALUES FROM \(20\) TO \(40\) .* at the source/,
      hides: /secret/,
    };
    assertRefused(move, await running.done, refusal);
    const envelope = assertRefusedJson(move, await move.run([...RUN, "--json"]), refusal);
    const [statements = ""] = (envelope.error?.suggestion ?? "").split("--");
    assert.equal(statements.match(/detach partition/g)?.length, 1, statements);
    await query(move.targetDb, statements);
    await assertGoesOn(move);
  });

  it("partitions emptied, dropped and attached: told at once, in doubt until a comparison finds the table equal", async () => {
    const move = await newMove(pair, { sql: SQL, config: ROUTE });
    const running = await streaming(move);
    assert.equal((await move.run(["verify", "run"])).code, 0);
    assert.equal(await verifiedGate(move), "open");
    await query(
      move.sourceDb,
      `truncate ev_1; drop table ev_2;
       create table old (id int, day int, v text, primary key (id, day));
       insert into old select i, 45, 'old' from generate_series(1, 20) i;
       alter table ev attach partition old for values from (40) to (50);
       alter table plain alter column w type int using w + 1`,
    );
    assert.match(await verifiedGate(move), /^closed .*PARTITION_GONE: public\.ev_2/, "the gate looks for itself");
    for (const code of ["PARTITION_REWRITTEN", "PARTITION_GONE", "PARTITION_ATTACHED", "TABLE_REWRITTEN"]) {
      await running.waitFor(new RegExp(`code=${code} `), SEEN);
    }
    const doubts = [
      "PARTITION_ATTACHED public.ev",
      "PARTITION_GONE public.ev",
      "PARTITION_REWRITTEN public.ev",
      "TABLE_REWRITTEN public.plain",
    ];
    assert.deepEqual(await inDoubt(move), doubts);
    const different = await move.run(["verify", "run"]);
    assert.equal(different.code, 12, different.stdout);
    assert.deepEqual(await inDoubt(move), doubts, "a comparison that finds a difference settles nothing");
    await query(
      move.targetDb,
      `truncate ev_1; drop table ev_2; update plain set w = w + 1;
       create table old partition of ev for values from (40) to (50); insert into ev select i, 45, 'old' from generate_series(1, 20) i`,
    );
    const equal = await move.run(["verify", "run"]);
    assert.equal(equal.code, 0, equal.stdout + equal.stderr);
    assert.deepEqual(await inDoubt(move), []);
    assert.equal(await verifiedGate(move), "open");
    assert.equal((await running.kill("SIGINT")).code, 130);
    await assertEqualDatabases(move.sourceDb.url, move.targetDb.url);
  });

  it("what happened while nobody streamed is told at the next start, a publication put right again included", async () => {
    const move = await newMove(pair, { sql: SQL });
    assert.equal((await move.run(RUN)).code, 0);
    const publication = await publicationOf(move);
    await query(move.sourceDb, "alter table ev detach partition ev_3 concurrently");
    await query(
      move.sourceDb,
      `alter publication ${publication} drop table plain; insert into plain values (1001, 1, 'lost'); alter publication ${publication} add table plain;
       create table ev_9 partition of ev for values from (90) to (100)`,
    );
    const result = (await move.run([...RUN, "--json"])).json();
    assert.deepEqual(result.warnings.map(({ code }) => code).sort(), ["PARTITION_GONE", "PARTITION_NEW", "PUBLICATION_CHANGED"]);
    assert.match(JSON.stringify(result.warnings), /create table .{0,4}public.{0,6}ev_9.*FOR VALUES FROM \(90\) TO \(100\)/);
    assert.deepEqual(await inDoubt(move), ["PARTITION_GONE public.ev", "PUBLICATION_CHANGED public.plain"]);
    await query(
      move.targetDb,
      "drop table ev_3; create table ev_9 partition of ev for values from (90) to (100); insert into plain values (1001, 1, 'lost')",
    );
    const again = (await move.run(["run", "--until", "verified", "--json"])).json();
    assert.deepEqual([again.ok, again.warnings, await inDoubt(move)], [true, [], []]);
  });

  it("a table renamed, a table taken out of the publication: the run stops, and does not start before that is mended", async () => {
    const move = await newMove(pair, { sql: SQL });
    const running = await streaming(move);
    await query(move.sourceDb, "alter table plain rename to other; insert into other values (1001, 1, 'kept')");
    const renamed = { code: "TABLE_RENAMED", exit: 20, says: /alter table "public"\."other" rename to "plain";/ };
    assertRefused(move, await running.done, renamed);
    assertRefusedJson(move, await move.run([...RUN, "--json"]), renamed);

    const publication = await publicationOf(move);
    await query(
      move.sourceDb,
      `alter table other rename to plain; alter publication ${publication} drop table ev; insert into ev values (9999, 5, 'lost')`,
    );
    const altered = { code: "PUBLICATION_CHANGED", exit: 20, says: /alter publication .* add table only "public"\."ev";/ };
    assertRefusedJson(move, await move.run([...RUN, "--json"]), altered);

    await query(move.sourceDb, `alter publication ${publication} add table only ev`);
    const verified = await move.run(["run", "--until", "verified"]);
    assert.equal(verified.code, 12, verified.stderr);
    assert.deepEqual([...new Set(await inDoubt(move))], ["PUBLICATION_CHANGED public.ev"], "what was lost stays in doubt");
    assert.equal(
      (await query(move.targetDb, "select from plain where id = 1001 and short = 'kept'")).length,
      1,
      "another name loses nothing",
    );
  });

  it("what is sent under another name arrives; what is not sent at all closes the gate", async () => {
    const move = await newMove(pair, { sql: `${SQL}${TYPED}`, config: ROUTE });
    const running = await streaming(move);
    assert.equal((await move.run(["verify", "run"])).code, 0);
    assert.equal(await verifiedGate(move), "open");
    await query(
      move.sourceDb,
      `alter table plain rename to other; insert into other values (2001, 1, 'x'); update other set w = -w; alter table other rename to plain;
       alter table ev set schema aside; alter table aside.ev set schema public`,
    );
    const equal = await move.run(["verify", "run"]);
    assert.equal(equal.code, 0, equal.stdout + equal.stderr);
    assert.deepEqual(await query(move.targetDb, "select w from plain where id = 2001"), [{ w: -1 }]);
    assert.equal(await verifiedGate(move), "open");
    await query(
      move.sourceDb,
      `alter table dropped drop column w; alter table dropped add column w int;
       alter table swapped rename a to c; alter table swapped rename b to a; alter table swapped rename c to b;
       alter type mood rename value 'good' to 'fine'; alter type pair add attribute z int;
       create table sub (id int, day int, v text, primary key (id, day)) partition by list (id);
       create table sub_1 partition of sub default`,
    );
    await query(move.sourceDb, "insert into sub values (1, 95, 'before')");
    await query(move.sourceDb, "alter table ev attach partition sub for values from (90) to (100)");
    const gate = await verifiedGate(move);
    for (const doubt of [
      "TABLE_COLUMNS: columns of public.dropped",
      "TABLE_COLUMNS: columns of public.swapped",
      "TYPE_CHANGED: ALTER TYPE changed a type of public.felt",
      "TYPE_CHANGED: ALTER TYPE changed a type of public.paired",
      "PARTITION_ATTACHED: public.sub_1",
    ]) {
      assert.ok(gate.includes(doubt), `${doubt} in ${gate}`);
    }
    await running.kill("SIGINT");
  });

  it("partitions dropped and renamed before they were read do not end the load", async () => {
    const leaves = Array.from(
      { length: 12 },
      (_, leaf) => `create table big_${leaf} partition of big for values from (${leaf}) to (${leaf + 1});`,
    );
    const move = await newMove(pair, {
      sql: `create table big (id int, part int, v text, primary key (id, part)) partition by range (part); ${leaves.join("\n")}
        insert into big select i, i % 12, repeat(md5(i::text), 8) from generate_series(1, 60000) i; analyze;`,
    });
    const running = move.start(RUN);
    await waitFor(async () => (await query(move.targetDb, "select from big limit 1")).length > 0, {
      deadlineMs: 60_000,
      what: "a chunk",
      everyMs: 5,
    });
    await query(move.sourceDb, "drop table big_10; alter table big_11 rename to big_eleven; insert into big values (-1, 11, 'after')");
    const result = await running.done;
    assert.equal(result.code, 0, result.stderr);
    await query(move.targetDb, "drop table big_10");
    const verified = await move.run(["run", "--until", "verified"]);
    assert.equal(verified.code, 0, verified.stderr);
    assert.deepEqual(await inDoubt(move), []);
  });

  it("a value that no longer fits the target's column is refused, not cut off", async () => {
    const move = await newMove(pair, { sql: SQL });
    const running = await streaming(move);
    await query(move.sourceDb, "alter table plain alter column short type varchar(50)");
    await query(move.sourceDb, "insert into plain values (1001, 1, 'longer than ten characters')");
    await running.waitFor(/code=TABLE_HELD .*public\.plain is held.*too long for type character varying\(10\)/, 60_000);
    await query(move.targetDb, "alter table plain alter column short type varchar(50)");
    const reloaded = await move.run(["snapshot", "reload", "--table", "plain"]);
    assert.equal(reloaded.code, 0, reloaded.stderr);
    assert.equal((await running.kill("SIGINT")).code, 130);
    await assertGoesOn(move);
  });
});

describe("partitions between PostgreSQL 17 and 18", { timeout: deadline(120_000) }, () => {
  it("a new one stops the run, one detached is told of, an unlogged one too", async () => {
    await using pair = await startPair({ version: 17 }, { version: 18, settings: MANY_ORIGINS });
    const move = await newMove(pair, { sql: SQL, targetSql: SCHEMA });
    assert.equal((await move.run(RUN)).code, 0);
    await query(move.sourceDb, "alter table ev detach partition ev_3 concurrently");
    await query(move.sourceDb, "alter table ev_2 set unlogged; create table ev_4 partition of ev for values from (30) to (40)");
    await query(move.sourceDb, "insert into ev values (1, 33, 'v')");
    const refused = await move.run([...RUN, "--json"]);
    assert.equal(refused.json().error?.code, "PARTITION_MISSING", refused.stdout);
    await query(move.sourceDb, "alter table ev_2 set logged");
    await query(move.targetDb, (refused.json().error?.suggestion ?? "").split("--")[0] ?? "");
    await query(move.targetDb, "alter table ev detach partition ev_3");
    assert.deepEqual(await inDoubt(move), ["PARTITION_GONE public.ev", "PARTITION_NOT_LOGGED public.ev", "PARTITION_REWRITTEN public.ev"]);
    const verified = await move.run(["run", "--until", "verified"]);
    assert.equal(verified.code, 0, verified.stderr);
    assert.deepEqual(await inDoubt(move), []);
  });
});

async function streaming(move: Move): Promise<CliHandle> {
  const running = move.start(["run"]);
  const status = async (): Promise<{ phase: string }> => (await move.run(["status", "--json"])).json().result;
  const ended = running.done.then(({ stderr }) => assert.fail(`ended before it streamed: ${stderr}`));
  await Promise.race([
    ended,
    waitFor(async () => (await status()).phase === "streaming", { deadlineMs: 60_000, what: "streaming", everyMs: 200 }),
  ]);
  ended.catch(() => undefined);
  return running;
}

async function inDoubt(move: Move): Promise<string[]> {
  const { changes } = (await move.run(["status", "--json"])).json().result;
  return (changes as { code: string; table: string }[]).map(({ code, table }) => `${code} ${table}`).sort();
}

async function verifiedGate(move: Move): Promise<string> {
  const { gates } = (await move.run(["cutover", "check", "--json"])).json().result;
  const gate = (gates as { id: string; open: boolean; evidence: { changedSince?: string[] } }[]).find(({ id }) => id === "verified");
  return gate?.open === true ? "open" : `closed ${(gate?.evidence.changedSince ?? []).toSorted().join("; ")}`;
}

async function publicationOf(move: Move): Promise<string> {
  const rows = await query<{ pubname: string }>(move.sourceDb, "select pubname from pg_publication");
  return rows[0]?.pubname ?? "";
}
