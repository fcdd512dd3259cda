/** The target refuses a row: that table alone is held, says why, and is loaded anew once the cause is gone. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { HELD_POINTS } from "../crash/crash-lives.ts";
import { assertEqualDatabases } from "../support/compare.ts";
import { query, waitFor } from "../support/database.ts";
import { deadline } from "../support/deadline.ts";
import type { CliHandle } from "../support/run-cli.ts";
import { MANY_ORIGINS, type Move, newMove, type Pair, startPair } from "./move-bench.ts";

/** A foreign key each way round the table that is refused, values that stay out of line, a table without a key. */
const SQL = `
  create table customers (id int primary key, name text not null);
  create table payments (id int, place text, customer int references customers, amount numeric, note text, primary key (id, place));
  create table refunds (id int primary key, payment int, place text, why text, foreign key (payment, place) references payments);
  create table events (at timestamptz, what text);
  alter table events replica identity full;
  alter table payments alter note set storage external;
  insert into customers select i, 'c' || i from generate_series(1, 50) i;
  insert into payments select i, 'a', 1 + i % 50, i, repeat(md5(i::text), 100) from generate_series(1, 300) i;
  insert into refunds select i, i, 'a', 'why' from generate_series(1, 40) i;
  insert into events select now(), 'e' || i from generate_series(1, 50) i`;

describe("a table of which the target refuses a row", { timeout: deadline(300_000) }, () => {
  let pair: Pair;
  before(async () => {
    pair = await startPair({ version: 14 }, { version: 15, settings: MANY_ORIGINS });
  });
  after(() => pair[Symbol.asyncDispose]());

  it("is held with key, LSN and reason; the rest of its transaction and all other tables go on; reload brings it back", async () => {
    const config = "cutover: { routing: [ { kind: document, file: route.json } ] }";
    const move = await newMove(pair, { sql: SQL, config });
    const running = await streaming(move);
    await query(move.targetDb, "alter table payments add constraint small check (amount < 1000)");
    await query(
      move.sourceDb,
      `begin; insert into customers values (100, 'new'); update payments set amount = 5 where id = 1;
       update payments set amount = 9999 where id = 7 and place = 'a'; insert into refunds values (100, 9, 'a', 'same transaction'); commit`,
    );
    await running.waitFor(/code=TABLE_HELD .*public\.payments is held.*key \(7, a\).*committed at [0-9A-F]+\/[0-9A-F]+.*small/, 60_000);
    await query(
      move.sourceDb,
      "insert into refunds values (101, 9, 'a', 'later'); insert into events values (now(), 'later'); delete from payments where id = 300",
    );
    await atTarget(move, "select from refunds where id = 101");
    await atTarget(move, "select from events where what = 'later'");
    assert.equal((await query(move.targetDb, "select from refunds where id = 100")).length, 1, "the rest of the transaction");
    assert.equal((await query(move.targetDb, "select from payments where id = 300")).length, 1, "nothing more of it is applied");

    const text = await move.run(["status"]);
    assert.match(
      text.stdout,
      /^HELD since \S+: public\.payments: the target refuses the row with key \(7, a\) at \S+: .*small.*; remove the cause, then run: pghaul snapshot reload --table 'public\.payments'$/m,
    );
    assert.match(text.stdout, /^public\.payments\s+HELD\b/m);
    const { tables } = (await move.run(["status", "--json"])).json().result;
    const { held } = tables.find(({ table }: { table: string }) => table === "public.payments");
    assert.deepEqual([held.stream, held.key, held.sqlstate], ["forward", ["7", "a"], "23514"]);
    // Whoever reads a plan or a report sees it, and no value of the row.
    const report = join(move.dir, "report.html");
    for (const args of [
      ["plan"],
      ["plan", "--format", "markdown"],
      ["cutover", "plan"],
      ["cutover", "plan", "--markdown"],
      ["report", "--out", report],
    ]) {
      const shown = await move.run(args);
      assert.equal(shown.code, 0, shown.stderr);
      const seen = args[0] === "report" ? readFileSync(report.replace("html", "md"), "utf8") : shown.stdout;
      assert.match(
        seen,
        /held.*public\.payments is held: the target refuses a row changed .*pghaul snapshot reload --table 'public\.payments'/is,
        args.join(" "),
      );
    }
    const whole = await move.run(["verify", "run"]);
    assert.equal(whole.code, 21, whole.stdout);
    assert.match(whole.stderr, /^Code: TABLE_HELD$/m);
    const others = await move.run(["verify", "run", "--table", "refunds", "--table", "events"]);
    assert.equal(others.code, 0, others.stderr);

    // A life later it is held as before, and another table may follow.
    await running.kill();
    const again = move.start(["run"]);
    await again.waitFor(/code=TABLE_HELD .*public\.payments is held/, 90_000);
    await query(move.targetDb, "alter table events add constraint quiet check (what <> 'noise')");
    await query(move.sourceDb, "insert into events values (now(), 'noise'), (now(), 'fine')");
    await again.waitFor(/code=TABLE_HELD .*public\.events is held: the target refuses a row changed/, 60_000);
    assert.equal((await move.run(["snapshot", "reload", "--table", "refunds"])).code, 2, "only what is held is loaded anew");

    // With the cause still there it is refused again, by the load.
    const refused = await move.run(["snapshot", "reload", "--table", "payments"]);
    assert.equal(refused.code, 21, refused.stdout + refused.stderr);
    assert.match(refused.stderr, /^Code: TABLE_HELD$/m);

    await query(move.targetDb, "alter table payments drop constraint small; alter table events drop constraint quiet");
    const writes = writing(move);
    const reloaded = await move.run(["snapshot", "reload", "--table", "public.*", "--json"]);
    await writes.stop();
    assert.equal(reloaded.code, 0, reloaded.stdout);
    assert.deepEqual(
      reloaded.json().result.tables.map(({ table, phase }: { table: string; phase: string }) => `${table} ${phase}`),
      ["public.events joined", "public.payments joined"],
    );
    const verified = await move.run(["verify", "run"]);
    assert.equal(verified.code, 0, verified.stdout + verified.stderr);
    assert.equal((await again.kill("SIGINT")).code, 130);
    await goesOn(move);
  });

  it("in the load: the others are loaded and stream; --until is not reached; foreign keys come when it has been loaded anew", async () => {
    const move = await newMove(pair, { sql: SQL });
    assert.equal((await move.run(["plan"])).code, 0);
    await refuseInLoad(move);
    for (const point of HELD_POINTS.hold) {
      const dies = move.start(["run"], { PGHAUL_CRASH_AT: point });
      assert.equal((await dies.done).signal, "SIGKILL", point);
    }
    const running = move.start(["run"]);
    await running.waitFor(/code=TABLE_HELD .*public\.payments is held: the target refuses .*read by the load/, 90_000);
    await running.waitFor(/phase=streaming/, 90_000);
    await query(move.sourceDb, "insert into customers values (200, 'later')");
    await atTarget(move, "select from customers where id = 200");
    await running.kill("SIGINT");
    const until = await move.run(["run", "--until", "loaded", "--json"]);
    assert.equal(until.code, 21, until.stdout);
    assert.equal(until.json().error?.code, "TABLE_HELD");

    await query(move.targetDb, "drop trigger refuse on payments; drop function refuse()");
    assert.equal((await move.run(["snapshot", "reload", "--table", "payments", "--no-wait"])).code, 0);
    for (const point of HELD_POINTS.reload) {
      const dies = move.start(["run"], { PGHAUL_CRASH_AT: point });
      assert.equal((await dies.done).signal, "SIGKILL", point);
    }
    await goesOn(move);
    const [keys] = await query<{ n: string }>(move.targetDb, "select count(*)::text as n from pg_constraint where contype = 'f'");
    assert.equal(keys?.n, "2");
  });
});

/** pg_dump's pre-data has no such thing: the table is there from the first chunk on, and refuses one row. */
async function refuseInLoad(move: Move): Promise<void> {
  const first = move.start(["run"], { PGHAUL_CRASH_AT: "after-copy-before-merge" });
  assert.equal((await first.done).signal, "SIGKILL");
  await query(
    move.targetDb,
    `create function refuse() returns trigger language plpgsql as $$ begin if new.id = 33 then raise 'not this one'; end if; return new; end $$;
     create trigger refuse before insert on payments for each row execute function refuse();
     alter table payments enable always trigger refuse`,
  );
}

async function streaming(move: Move): Promise<CliHandle> {
  const running = move.start(["run"]);
  await running.waitFor(/phase=streaming/, 90_000);
  return running;
}

function atTarget(move: Move, sql: string): Promise<unknown> {
  return waitFor(async () => (await query(move.targetDb, sql)).length > 0, { deadlineMs: 60_000, what: sql });
}

async function goesOn(move: Move): Promise<void> {
  const result = await move.run(["run", "--until", "verified"]);
  assert.equal(result.code, 0, result.stderr);
  await assertEqualDatabases(move.sourceDb.url, move.targetDb.url);
}

/**
 * Changes to the tables that are loaded anew, unchanged values out of line and moved keys among them. At a pace: a key that moves with such a
 * value is applied by itself, and a writer that does nothing else outruns any applier.
 */
function writing(move: Move): { stop(): Promise<void> } {
  let stopped = false;
  const done = (async () => {
    const client = await move.sourceDb.connect();
    for (let n = 1000; !stopped; n += 1) {
      await client.query(`insert into payments values (${n}, 'b', 1, 1, repeat('x', 3000)); update payments set amount = ${n} where id = ${1 + (n % 200)};
        update payments set id = -id where id = ${n - 3} and place = 'b'; delete from payments where id = ${3 - n}; insert into events values (now(), '${n}')`);
      await sleep(20);
    }
    await client.end();
  })();
  return {
    async stop() {
      stopped = true;
      await done;
    },
  };
}
