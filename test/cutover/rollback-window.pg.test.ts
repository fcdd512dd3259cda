/** While the target is the primary: whose errors they are, what passes the fence, and what an earlier migration leaves behind. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { assertRefused } from "../bad-input/refusal.ts";
import { MANY_ORIGINS, type Move, type MoveOptions, newMove, type Pair, startPair } from "../scenario/move-bench.ts";
import { assertEqualDatabases } from "../support/compare.ts";
import { query, waitFor } from "../support/database.ts";
import { deadline } from "../support/deadline.ts";
import type { CliHandle } from "../support/run-cli.ts";

const ITEMS =
  "create table items (id int primary key, name text); insert into items select i, 'item ' || i from generate_series(1, 300) i; create table notes (id int primary key, v text);";
const CONFIG = `cutover:
  maxStall: 20s
  deadlines: { fence: 10s, drain: 15s }
  routing: [ { kind: document, file: FILE } ]
  gates: { lagHeldFor: 1s, maxLagSeconds: 20, noErrorsFor: 0s }
`;

describe("the rollback window", { timeout: deadline(300_000) }, () => {
  let pair: Pair;
  before(async () => {
    pair = await startPair({ version: 14, settings: MANY_ORIGINS }, { version: 16, settings: MANY_ORIGINS });
  });
  after(() => pair[Symbol.asyncDispose]());

  it("errors of the way back bear the name, the exit code and the advice of the side they happened at", async () => {
    const { move, running } = await switched(pair, ITEMS);

    await query(move.targetDb, "alter table items add column price int default 5");
    await query(move.targetDb, "update items set price = 7, name = 'after' where id = 2");
    assertRefused(move, await running.done, { code: "SCHEMA_DRIFT", exit: 21, says: /public\.items.*price/s, hides: /after/ });
    const again = await move.run(["run"]);
    assertRefused(move, again, { code: "SCHEMA_DRIFT", exit: 21, says: /changed at the target, but not at the source/ });
    const advice = /^Try this: (alter table .*?;)\s+-- at the source/m.exec(again.stderr)?.[1];
    assert.ok(advice, again.stderr);
    await query(move.sourceDb, advice);
    const followed = await streaming(move);
    await waitFor(async () => (await query(move.sourceDb, "select from items where id = 2 and price = 7")).length === 1, {
      deadlineMs: 30_000,
      what: "the change to come back",
    });

    await unfenced(move, "delete from items where id = 9");
    await query(move.targetDb, "update items set name = 'gone there' where id = 9");
    assertRefused(move, await followed.done, {
      code: "SOURCE_DRIFT",
      exit: 20,
      says: /not at the source|the source holds/,
      hides: /gone there/,
    });
  });

  it("what happens to the target's tables and does not stream is told as on the way there, with what the source needs", async () => {
    const parted = `${ITEMS} create table days (id int, day int, primary key (id, day)) partition by range (day);
      create table day_one partition of days for values from (1) to (2);`;
    const { move, running } = await switched(pair, parted);
    // The first look remembers, and what it measures is told behind it.
    await waitFor(async () => /_reverse$/.test((await move.run(["status", "--json"])).json().result.slot.name), {
      deadlineMs: 60_000,
      what: "the status of the way back",
    });
    await query(move.targetDb, "create table day_two partition of days for values from (2) to (3); truncate day_one");
    await running.waitFor(/PARTITION_NEW.*public\.day_two is a new partition of public\.days at the target.*-- at the source/, 60_000);
    await running.waitFor(/PARTITION_REWRITTEN.*public\.day_one.* at the target/, 60_000);
    const { changes } = (await move.run(["status", "--json"])).json().result;
    assert.deepEqual(
      changes.map(({ code, table }: { code: string; table: string }) => [code, table]),
      [["PARTITION_REWRITTEN", "public.days"]],
    );
    await query(move.targetDb, "alter table notes rename to notebook");
    assertRefused(move, await running.done, {
      code: "TABLE_RENAMED",
      exit: 21,
      says: /renamed at the target.*rename to "?notes"?;\s+-- at the target/s,
    });
  });

  it("a character that the source's encoding lacks holds its table at the source, and names side and row", async () => {
    const { move, running } = await switched(pair, ITEMS, { encoding: "LATIN1" });
    await query(move.targetDb, "begin; update items set name = '5 \u20ac' where id = 7; insert into notes values (1, 'beside it'); commit");
    await running.waitFor(/TABLE_HELD.*public\.items is held: the source refuses the row with key \(7\).*LATIN1/, 60_000);
    await waitFor(async () => (await query(move.sourceDb, "select from notes where id = 1")).length === 1, {
      deadlineMs: 30_000,
      what: "the other table to go on",
    });
    const { stdout } = await move.run(["status"]);
    assert.match(stdout, /public\.items: the source refuses the row with key \(7\).*LATIN1.*the way back stays closed/);
    assert.doesNotMatch(stdout, /snapshot reload/, "loading anew is for the target");
  });

  it("event triggers that forbid DDL at the target, and write into a moved table, see none of our DDL, there and back", async () => {
    const noting = `${ITEMS} create function note_ddl() returns event_trigger language plpgsql as $$ begin insert into public.notes values ((random() * 1e9)::int, tg_tag); end $$;
      create event trigger note_ddl on ddl_command_end execute function note_ddl()`;
    const forbidding = `create schema ops; create function ops.forbid() returns event_trigger language plpgsql as $$ begin raise 'no DDL here: %', tg_tag; end $$;
      create event trigger no_ddl on ddl_command_start execute function ops.forbid()`;
    const { move, running } = await switched(pair, noting, { targetFirst: forbidding });
    const back = await confirmed(move, "rollback");
    assert.equal(back.code, 0, back.stdout + back.stderr);
    await running.kill("SIGINT");
    assert.deepEqual(await query(move.sourceDb, "select * from notes"), []);
    assert.deepEqual(await query(move.targetDb, "select * from notes"), []);
  });

  it("a write that passes the fence, by a client or a subscription's worker, is told by run, status, journal and report", async () => {
    const { move, running } = await switched(pair, ITEMS);
    await running.waitFor(/the target is the primary: the lag shown is that of the stream out of it/, 30_000);
    await waitFor(async () => /_reverse$/.test((await move.run(["status", "--json"])).json().result.slot.name), {
      deadlineMs: 30_000,
      what: "the status of the way back",
    });
    const lag = (await move.run(["status", "--json"])).json().result.lag;
    assert.ok(lag !== null && lag.seconds < 20, JSON.stringify(lag));
    await unfenced(move, "insert into items values (9001, 'behind the fence')");
    await running.waitFor(/FENCE_BREACH/, 30_000);
    assert.match(running.stderr(), /1 transaction got past the fence at the source \(public\.items/);
    const status = await move.run(["status"]);
    assert.match(status.stdout, /FENCE_BREACH: 1 transaction got past the fence at the source \(public\.items/);
    assert.match(status.stdout, /primary: target/);
    assert.equal((await move.run(["status", "--json"])).json().result.fenceBreach.transactions, 1);
    const log = (await move.run(["cutover", "log", "--json"])).json().result.entries;
    assert.equal(log.filter(({ kind }: { kind: string }) => kind === "fence-breach").length, 1);
    await running.kill("SIGINT");
    // A later life knows of it, and counts it once.
    const later = await streaming(move);
    await later.waitFor(/FENCE_BREACH.*1 transaction got past/, 30_000);
    await later.kill("SIGINT");
  });

  it("triggers of an earlier migration's fence are not copied; teardown takes what is open off the tables, check finds it", async () => {
    const { move, running } = await switched(pair, ITEMS);
    const back = await confirmed(move, "rollback");
    assert.equal(back.code, 0, back.stdout + back.stderr);
    await running.kill("SIGINT");
    const left = "select tgname from pg_trigger where starts_with(tgname::text, 'pghaul_fence_')";
    assert.notEqual((await query(move.sourceDb, left)).length, 0, "the fence was opened, its triggers are disabled");

    const check = (await move.run(["check", "--json"])).json().result.checks as { id: string; status: string; fix: string | null }[];
    assert.equal(check.find(({ id }) => id === "source-fences-left")?.status, "warn");

    const next = await newMove(pair, { urls: { source: move.sourceDb.url } });
    const refused = await next.run(["run", "--until", "caught-up"]);
    assert.match(refused.stderr, /TABLE_CLAIMED/, "a table belongs to one migration");
    // As the advice says, of a migration of which nothing but this is left.
    await query(move.sourceDb, `delete from pghaul.claim where migration = '${move.name}'`);
    const run = await next.run(["run", "--until", "caught-up"]);
    assert.equal(run.code, 0, run.stderr);
    assert.deepEqual(await query(next.targetDb, left), [], "never copied");
    await assertEqualDatabases(move.sourceDb.url, next.targetDb.url);

    const plan = await move.run(["cdc", "teardown", "--json"]);
    const digest = /--plan-digest (\w+)/.exec(plan.stdout + plan.stderr)?.[1] ?? "";
    const torn = await move.run(["cdc", "teardown", "--confirm", move.name, "--plan-digest", digest]);
    assert.equal(torn.code, 0, torn.stderr);
    assert.deepEqual(await query(move.sourceDb, left), [], "open fences go with the migration");
    assert.notEqual((await query(move.targetDb, left)).length, 0, "the target is guarded: lifting that is not done by the way");
  });
});

/** A migration whose target is the primary, and the process that streams both ways. */
async function switched(
  pair: Pair,
  sql: string,
  { targetFirst, ...options }: Pick<MoveOptions, "encoding"> & { readonly targetFirst?: string } = {},
): Promise<{ readonly move: Move; readonly running: CliHandle }> {
  const move = await newMove(pair, { sql, ...options });
  if (targetFirst !== undefined) await query(move.targetDb, targetFirst);
  move.configure({ config: CONFIG.replace("FILE", join(move.dir, "route.json")) });
  const running = await streaming(move);
  const verified = await move.run(["verify", "run"]);
  assert.equal(verified.code, 0, verified.stderr);
  const done = await confirmed(move, "run");
  assert.equal(done.code, 0, done.stdout + done.stderr);
  return { move, running };
}

/** A switch, again while a gate waits for the lag to have been low. */
async function confirmed(move: Move, command: "run" | "rollback"): ReturnType<Move["run"]> {
  const to = command === "run" ? [] : ["--rollback"];
  for (let attempt = 1; ; attempt += 1) {
    const plan = (await move.run(["cutover", "plan", ...to, "--json"])).json();
    const result = await move.run(["cutover", command, "--confirm", move.name, "--plan-digest", plan.result.digest, "--json"]);
    if (result.code === 0 || attempt === 10 || (result.code !== 11 && result.code !== 75)) return result;
  }
}

async function streaming(move: Move): Promise<CliHandle> {
  const handle = move.start(["run"]);
  await handle.waitFor(/phase=streaming/, 90_000);
  return handle;
}

/** As a superuser who goes round the fence. */
async function unfenced(move: Move, sql: string): Promise<void> {
  const [trigger] = await query<{ name: string }>(
    move.sourceDb,
    "select quote_ident(tgname) as name from pg_trigger where tgrelid = 'items'::regclass and tgenabled = 'A'",
  );
  assert.ok(trigger, "items is fenced");
  await query(
    move.sourceDb,
    `alter table items disable trigger ${trigger.name}; ${sql}; alter table items enable always trigger ${trigger.name}`,
  );
}
