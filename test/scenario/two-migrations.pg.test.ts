/** Several migrations of one pair of databases: each has tables, markers and fences of its own, and no two share a table. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { assertRefusedJson } from "../bad-input/refusal.ts";
import { query, waitFor } from "../support/database.ts";
import { deadline } from "../support/deadline.ts";
import { MANY_ORIGINS, type Move, newMove, type Pair, startPair } from "./move-bench.ts";

const SQL = `
  create schema pay; create schema docs;
  create table pay.bookings (id int primary key, v text);
  create table docs.pages (id int primary key, v text);
  insert into pay.bookings select i, 'v' from generate_series(1, 500) i;
  insert into docs.pages select i, 'v' from generate_series(1, 500) i;
  analyze;`;
const CUTOVER = `cutover:
  maxStall: 20s
  deadlines: { pause: 5s, fence: 5s, drain: 10s }
  routing: [ { kind: document, file: route.json } ]
  gates: { lagHeldFor: 1s, maxLagSeconds: 20, noErrorsFor: 0s, maxTransactionAge: 60s }`;
const EMPTY =
  "create schema pay; create schema docs; create table pay.bookings (id int primary key, v text); create table docs.pages (id int primary key, v text)";
const config = (include: string): string => `tables: { include: ["${include}"] }\n${CUTOVER}`;

describe("migrations between the same two databases", { timeout: deadline(240_000) }, () => {
  let pair: Pair;
  before(async () => {
    pair = await startPair({ version: 13, settings: MANY_ORIGINS }, { version: 14, settings: MANY_ORIGINS });
  });
  after(() => pair[Symbol.asyncDispose]());

  /** A migration of other tables between the databases of `first`. */
  async function beside(first: Move, include: string): Promise<Move> {
    const move = await newMove(pair, { targetSql: "select" });
    move.configure({ urls: { source: first.sourceDb.url, target: first.targetDb.url }, config: config(include) });
    return move;
  }

  it("of different tables go side by side, and each switches alone", async () => {
    const pay = await newMove(pair, { sql: SQL, targetSql: EMPTY, config: config("pay.*") });
    const docs = await beside(pay, "docs.*");
    const running = [pay.start(["run"]), docs.start(["run"])];
    await Promise.all(running.map((handle) => handle.waitFor(/phase=streaming/)));
    const both = [pay, docs];
    for (const move of both) assert.equal((await move.run(["check"])).code, 0, (await move.run(["check"])).stdout);
    for (const move of both) {
      const verified = await move.run(["verify", "run"]);
      assert.equal(verified.code, 0, verified.stdout + verified.stderr);
    }
    await switchOver(pay);
    await assert.rejects(query(pay.sourceDb, "insert into pay.bookings values (1001, 'late')"), /writes have moved away/);
    await query(pay.sourceDb, "insert into docs.pages values (1001, 'here still')");
    await query(pay.targetDb, "insert into pay.bookings values (1001, 'moved')");
    await arrives(pay.targetDb, "select 1 from docs.pages where id = 1001");
    await arrives(pay.sourceDb, "select 1 from pay.bookings where id = 1001");
    await switchOver(docs);
    await query(pay.targetDb, "insert into docs.pages values (1002, 'moved'); insert into pay.bookings values (1002, 'moved')");
    await arrives(pay.sourceDb, "select 1 from docs.pages p join pay.bookings b using (id) where p.id = 1002");
    const torn = await confirmed(pay, ["cdc", "teardown"], running[0]);
    assert.equal(torn.code, 0, torn.stderr);
    await assert.rejects(query(pay.sourceDb, "insert into docs.pages values (1003, 'late')"), /writes have moved away/);
    await query(pay.targetDb, "insert into docs.pages values (1003, 'moved')");
    await arrives(pay.sourceDb, "select 1 from docs.pages where id = 1003");
  });

  it("of one table are refused, by check and by run, before anything is written", async () => {
    const first = await newMove(pair, { sql: SQL, targetSql: EMPTY, config: config("pay.*") });
    const other = await beside(first, "*.*");
    assert.equal((await first.run(["run", "--until", "caught-up"])).code, 0);
    const check = await other.run(["check", "--json"]);
    const failed = (check.json().result.checks as { id: string; status: string; evidence: string }[]).filter(({ id }) =>
      id.endsWith("-other-migrations"),
    );
    assert.deepEqual(
      failed.map(({ id, status }) => [id, status]),
      [
        ["source-other-migrations", "fail"],
        ["target-other-migrations", "fail"],
      ],
    );
    for (const { evidence } of failed) assert.match(evidence, new RegExp(`pay\\.bookings \\(${first.name}\\)`));
    assertRefusedJson(other, await other.run(["run", "--json"]), {
      code: "TABLE_CLAIMED",
      exit: 10,
      says: new RegExp(`pay\\.bookings .*${first.name}`),
    });
    const left =
      "select (select count(*)::int from pg_publication) as p, (select count(*)::int from pghaul.claim) as c, (select count(*)::int from docs.pages) as r";
    assert.deepEqual(await query(first.targetDb, left), [{ p: 0, c: 1, r: 0 }]);
    other.configure({ urls: { source: first.sourceDb.url, target: first.targetDb.url }, config: config("docs.*") });
    const narrowed = await other.run(["run", "--until", "caught-up"]);
    assert.equal(narrowed.code, 0, narrowed.stderr);
    assert.deepEqual(await query(first.targetDb, "select table_id from pghaul.claim order by 1"), [
      { table_id: "docs.pages" },
      { table_id: "pay.bookings" },
    ]);
  });
});

async function switchOver(move: Move): Promise<void> {
  const switched = await confirmed(move, ["cutover", "run"]);
  assert.equal(switched.code, 0, switched.stdout + switched.stderr);
}

async function confirmed(move: Move, command: readonly string[], running?: { readonly kill: () => Promise<unknown> }) {
  await running?.kill();
  const { plan, planDigest } = (await move.run([...command, "--dry-run", "--json", "--no-input"])).json().result;
  return move.run([...command, "--confirm", move.name, "--plan-digest", plan?.digest ?? planDigest, "--no-input"]);
}

async function arrives(database: Move["sourceDb"], sql: string): Promise<void> {
  await waitFor(async () => (await query(database, sql)).length > 0, { deadlineMs: 30_000, what: sql, everyMs: 50 });
}
