/** A held table meanwhile: altered at the source, in use at the target, older transactions open, an operator who wants to stop. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { assertEqualDatabases } from "../support/compare.ts";
import { query, waitFor } from "../support/database.ts";
import { deadline } from "../support/deadline.ts";
import type { CliHandle } from "../support/run-cli.ts";
import { MANY_ORIGINS, type Move, newMove, type Pair, startPair } from "./move-bench.ts";

const SQL = `
  create table payments (id int primary key, amount int not null, note text);
  create table others (id int primary key, what text);
  insert into payments select i, i, 'n' || i from generate_series(1, 200) i;
  insert into others select i, 'o' || i from generate_series(1, 50) i`;

describe("a held table that is to be loaded anew", { timeout: deadline(400_000) }, () => {
  let pair: Pair;
  before(async () => {
    pair = await startPair({ version: 14 }, { version: 15, settings: MANY_ORIGINS });
  });
  after(() => pair[Symbol.asyncDispose]());

  it("is loaded as it is at the source now, once the target has followed; no verdict from before counts", async () => {
    const move = await newMove(pair, { sql: SQL, timeoutMs: 300_000 });
    const running = await held(move);
    await query(
      move.sourceDb,
      `insert into payments values (301, 1, 'older shape');
       alter table payments add column fee numeric default 7, alter column amount type bigint, drop column note;
       update payments set fee = id where id % 3 = 0; update payments set amount = 3000000000 where id = 5;
       insert into others values (100, 'goes on')`,
    );
    const refused = await move.run(["snapshot", "reload", "--table", "payments"]);
    assert.equal(refused.code, 21, refused.stdout + refused.stderr);
    assert.match(
      refused.stderr,
      /could not be reloaded: .*"fee" is missing.*alter table "?public"?\."?payments"? add column "?fee"? numeric.*alter column "?amount"? type bigint/s,
    );
    assert.match((await move.run(["status"])).stdout, /^HELD .*could not be reloaded: .*"fee" is missing/m);

    await query(move.targetDb, "alter table payments add column fee numeric default 7, alter column amount type bigint, drop column note");
    const reloaded = await move.run(["snapshot", "reload", "--table", "payments"]);
    assert.equal(reloaded.code, 0, reloaded.stdout + reloaded.stderr);
    await query(move.sourceDb, "insert into payments values (400, 4000000000, 4); update payments set fee = 1 where id = 8");
    await atTarget(move, "select from payments where id = 400 and amount = 4000000000 and fee = 4");
    const { tables } = (await move.run(["status", "--json"])).json().result;
    assert.equal(tables.find(({ table }: { table: string }) => table === "public.payments").verified, null);
    assert.equal((await running.kill("SIGINT")).code, 130);
    await goesOn(move);
  });

  it("stays held while somebody uses it at the target, who is named; the stream goes on, a stop ends it, the wish can be withdrawn", async () => {
    const move = await newMove(pair, { sql: SQL, timeoutMs: 300_000 });
    const running = await held(move);
    const user = await move.targetDb.connect();
    await user.query("set application_name = 'night job'; begin; select from payments limit 1");
    assert.equal((await move.run(["snapshot", "reload", "--table", "payments", "--no-wait"])).code, 0);
    await running.waitFor(/public\.payments is in use at the target by pid \d+, night job, idle in transaction/, 30_000);
    await query(move.sourceDb, "insert into others values (101, 'meanwhile')");
    await atTarget(move, "select from others where id = 101");
    // Nobody else waits long behind us.
    await query(move.targetDb, "set lock_timeout = '10s'; select from payments limit 1");

    const withdrawn = await move.run(["snapshot", "reload", "--table", "payments", "--withdraw"]);
    assert.equal(withdrawn.code, 0, withdrawn.stderr);
    assert.match((await move.run(["status"])).stdout, /^HELD .*remove the cause, then run: pghaul snapshot reload/m);

    const refused = await move.run(["snapshot", "reload", "--table", "payments"]);
    assert.equal(refused.code, 21, refused.stdout + refused.stderr);
    assert.match(refused.stderr, /could not be reloaded: public\.payments is in use at the target by pid \d+, night job/);
    assert.match(refused.stderr, /pg_terminate_backend/);
    await query(move.sourceDb, "insert into others values (102, 'still streaming')");
    await atTarget(move, "select from others where id = 102");

    assert.equal((await move.run(["snapshot", "reload", "--table", "payments", "--no-wait"])).code, 0);
    await running.waitFor(/public\.payments is in use.*public\.payments is in use/s, 30_000);
    const asked = performance.now();
    assert.equal((await running.kill("SIGINT")).code, 130);
    assert.ok(performance.now() - asked < deadline(20_000), "a stop does not wait for the lock");
    await user.end();
    await goesOn(move);
  });

  it("waits for older transactions of the source beside the stream; a stop ends that wait", async () => {
    const move = await newMove(pair, { sql: SQL, timeoutMs: 300_000 });
    const running = await held(move);
    const writer = await move.sourceDb.connect();
    await writer.query("begin; insert into others values (200, 'long')");
    assert.equal((await move.run(["snapshot", "reload", "--table", "payments", "--no-wait"])).code, 0);
    await running.waitFor(/the reload of public\.payments waits for older transactions/, 30_000);
    await query(move.sourceDb, "insert into others values (201, 'meanwhile')");
    await atTarget(move, "select from others where id = 201");
    const asked = performance.now();
    assert.equal((await running.kill("SIGINT")).code, 130);
    assert.ok(performance.now() - asked < deadline(20_000), "a stop does not wait for the barrier");
    await writer.query("commit");
    await writer.end();
    await goesOn(move);
  });
});

/** Streaming, verified, and with payments held. */
async function held(move: Move): Promise<CliHandle> {
  const first = await move.run(["run", "--until", "verified"]);
  assert.equal(first.code, 0, first.stderr);
  const running = move.start(["run"]);
  await running.waitFor(/phase=streaming/, 90_000);
  await query(move.targetDb, "alter table payments add constraint small check (amount < 1000)");
  await query(move.sourceDb, "update payments set amount = 5000 where id = 7");
  await running.waitFor(/code=TABLE_HELD .*public\.payments is held.*key \(7\)/, 60_000);
  await query(move.targetDb, "alter table payments drop constraint small");
  return running;
}

function atTarget(move: Move, sql: string): Promise<unknown> {
  return waitFor(async () => (await query(move.targetDb, sql)).length > 0, { deadlineMs: 60_000, what: sql });
}

/** Whatever was asked is done by the next life, and the two are the same. */
async function goesOn(move: Move): Promise<void> {
  const running = move.start(["run"]);
  // Before that a signal meets a process that does not listen yet.
  await running.waitFor(/phase=/, 60_000);
  await waitFor(async () => !/HELD|will be reloaded/.test((await move.run(["status"])).stdout), {
    deadlineMs: 60_000,
    what: "nothing held",
  });
  assert.equal((await running.kill("SIGINT")).code, 130);
  const result = await move.run(["run", "--until", "verified"]);
  assert.equal(result.code, 0, result.stderr);
  await assertEqualDatabases(move.sourceDb.url, move.targetDb.url);
}
