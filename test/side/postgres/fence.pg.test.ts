import assert from "node:assert/strict";
import type { Writable } from "node:stream";
import { after, before, describe, it } from "node:test";
import type pg from "pg";
import { from as copyFrom } from "pg-copy-streams";
import type { PghaulError } from "../../../src/errors/pghaul-error.ts";
import { formatLsn } from "../../../src/model/lsn.ts";
import { openBench, type SideBench, stateOf, TOKEN } from "../../cutover/side-bench.ts";
import { waitFor } from "../../support/database.ts";
import { deadline } from "../../support/deadline.ts";
import { type PgServer, type PgVersion, startServer } from "../../support/pg-server.ts";

const VERSIONS: readonly PgVersion[] = [13, 14, 18];
const PARTED = ["public.parted", "public.parted_high", "public.parted_low", "public.parted_lowest"];
const UPDATE = "update plain set note = 'late' where id = 1";

for (const version of VERSIONS) {
  describe(`fence on PostgreSQL ${version}`, () => {
    let server: PgServer;
    let bench: SideBench;
    before(async () => {
      server = await startServer({ version, settings: { max_prepared_transactions: "5" } });
    });
    after(() => server[Symbol.asyncDispose]());

    const withBench = (name: string, work: (bench: SideBench) => Promise<void>) =>
      it(name, async () => {
        bench = await openBench(server);
        try {
          await work(bench);
        } finally {
          await bench.close();
        }
      });

    withBench(
      "event triggers that forbid DDL or write into a moved table do not fire for it; ENABLE ALWAYS changes nothing but the answer",
      async ({ connect, side }) => {
        const admin = await connect();
        await admin.query(`
        create function forbid() returns event_trigger language plpgsql as $$ begin raise exception 'no DDL here'; end $$;
        create function note() returns event_trigger language plpgsql as $$ begin insert into public.plain values ((random() * 1e9)::int, tg_tag); end $$;
        create event trigger note_ddl on ddl_command_end execute function note();
        create event trigger no_ddl on ddl_command_start execute function forbid()`);
        const fenced = await side();
        await fenced.guard();
        assert.equal(await fenced.fenceState(), "whole");
        await fenced.open("opened-guard", 5_000);
        assert.equal(await fenced.tidy(), 0);
        await fenced.fence("marker-quiet", 5_000);
        await fenced.open("opened-fence", 5_000);
        await fenced.tidy();
        assert.equal((await admin.query("select from plain")).rowCount, 2, "nothing was written by the way");

        await admin.query("alter event trigger no_ddl enable always");
        for (const act of [() => fenced.guard(), () => fenced.fence("marker-loud", 5_000)]) {
          await assert.rejects(act, (error: PghaulError) => error.code === "SOURCE_QUERY" && /no DDL here/.test(error.message));
          assert.equal(await fenced.fenceState(), "none");
        }
        assert.equal(await fenced.sawMarker("marker-loud"), false);
        assert.equal(await stateOf(admin, UPDATE), null, "the side takes writes");
      },
    );

    withBench("refuses every kind of writer with 25006, and readers go on", async ({ connect, side }) => {
      const fenced = await side();
      const idle = await connect("app");
      await idle.query("select 1");
      const openTransaction = await connect("app");
      await openTransaction.query("begin; select count(*) from plain");
      const oldSnapshot = await connect("app");
      await oldSnapshot.query("begin isolation level repeatable read; select count(*) from plain");
      const superuser = await connect();
      const fact = await fenced.fence("marker-1", 1_000);
      assert.ok(fact.lsn > 0n);
      assert.equal(await fenced.fenceState(), "whole");
      assert.equal(await fenced.sawMarker("marker-1"), true);
      const fresh = await connect("app");
      const replica = await connect();
      await replica.query("set session_replication_role = replica");
      const refused: readonly (readonly [pg.Client, string])[] = [
        [idle, UPDATE],
        [openTransaction, UPDATE],
        [oldSnapshot, UPDATE],
        [fresh, UPDATE],
        [fresh, "set default_transaction_read_only = off; update plain set note = 'x'"],
        [fresh, "select write_it()"],
        [superuser, UPDATE],
        [superuser, "truncate plain"],
        [superuser, "truncate parted"],
        [replica, UPDATE],
        [replica, "insert into plain values (9)"],
        [fresh, "delete from plain"],
        [fresh, "insert into parted values (7, 7)"],
        [fresh, "insert into parted_lowest values (7, 7)"],
        [fresh, "update parted_low set id = 2"],
        [fresh, "delete from parted_high"],
        [superuser, "truncate parted_high"],
        [fresh, `insert into "Odd Schema ""x""" values (1)`],
        [fresh, `insert into "S p'ace"."T ""q""" (v) values ('x')`],
        [fresh, "merge-or-upsert"],
      ];
      for (const [client, sql] of refused) {
        const statement = sql === "merge-or-upsert" ? "insert into plain values (1) on conflict (id) do update set note = 'y'" : sql;
        assert.equal(await stateOf(client, statement), "25006", statement);
      }
      assert.equal(await copyInto(fresh, "copy plain from stdin", "8\tx\n"), "25006");
      assert.equal(await stateOf(fresh, "select * from plain p join parted on true"), null);
      assert.equal(await stateOf(fresh, "insert into elsewhere values (1)"), null, "tables that are not moved are not ours to close");
      assert.deepEqual(await fenced.probeWrites(), []);
      const { rows } = await fresh.query("select note from plain order by id");
      assert.deepEqual(rows, [{ note: "one" }, { note: "two" }]);
    });

    withBench("waits for the transaction that has written, which commits below the fence", async ({ connect, side }) => {
      const fenced = await side();
      const writer = await connect("app");
      await writer.query(`begin; ${UPDATE}`);
      const began = performance.now();
      const fencing = fenced.fence("marker", 5_000);
      const watch = await connect();
      await waitFor(async () => (await watch.query("select 1 from pg_locks where not granted")).rowCount === 1, {
        deadlineMs: 5_000,
        what: "the fence to wait",
      });
      await writer.query("commit");
      const { lsn, millis } = await fencing;
      assert.ok(millis <= performance.now() - began);
      const { rows } = await watch.query(
        "select note, (pg_current_wal_insert_lsn() >= $1::pg_lsn)::text as below from plain where id = 1",
        [formatLsn(lsn)],
      );
      assert.deepEqual(rows, [{ note: "late", below: "true" }]);
    });

    withBench("lets our applier through", async ({ connect, side }) => {
      const fenced = await side();
      await fenced.fence("marker", 1_000);
      const applier = await connect();
      await applier.query(`set session_replication_role = replica; select set_config('pghaul.applier', '${TOKEN}', false)`);
      assert.equal(await stateOf(applier, UPDATE), null);
      assert.equal(await stateOf(applier, "truncate parted"), null);
      assert.equal(await copyInto(applier, "copy plain from stdin", "8\tx\n"), null);
      await applier.query("select set_config('pghaul.applier', 'guess', false)");
      assert.equal(await stateOf(applier, UPDATE), "25006");
    });

    withBench("undoes everything when the locks are not had in time, and names who holds them", async ({ connect, side }) => {
      const fenced = await side();
      const holder = await connect("app");
      await holder.query("set application_name = 'nightly job'; begin; insert into parted values (6, 6)");
      const began = performance.now();
      await assert.rejects(fenced.fence("marker", 100), (error: PghaulError) => {
        assert.equal(error.code, "CUTOVER_DEADLINE");
        assert.match(String(error.context.blockers), /pid \d+ \(app, nightly job, idle in transaction/);
        return true;
      });
      assert.ok(performance.now() - began < deadline(1_500));
      assert.equal(await fenced.fenceState(), "none");
      assert.equal(await fenced.sawMarker("marker"), false);
      await holder.query("commit");
      assert.equal(await stateOf(holder, UPDATE), null);
    });

    withBench("the deadline is for all tables together", async ({ connect, side }) => {
      const fenced = await side();
      const first = await connect();
      const second = await connect();
      await first.query("begin; delete from plain");
      await second.query(`begin; insert into "Odd Schema ""x""" values (4)`);
      const release = setTimeout(() => void first.query("commit"), 150);
      const began = performance.now();
      await assert.rejects(fenced.fence("marker", 250), (error: PghaulError) => error.code === "CUTOVER_DEADLINE");
      assert.ok(performance.now() - began < deadline(450), `took ${performance.now() - began} ms`);
      clearTimeout(release);
    });

    withBench("a prepared transaction that holds a table ends it with its name", async ({ connect, side }) => {
      const fenced = await side();
      const writer = await connect();
      await writer.query(`begin; ${UPDATE}; prepare transaction 'held by nobody'`);
      try {
        await assert.rejects(fenced.fence("marker", 100), (error: PghaulError) => {
          assert.match(String(error.context.blockers), /held by nobody/);
          return error.code === "CUTOVER_DEADLINE";
        });
      } finally {
        await writer.query("rollback prepared 'held by nobody'");
      }
    });

    withBench("gives way in a deadlock, and tries again", async ({ connect, side }) => {
      const fenced = await side();
      const writer = await connect();
      await writer.query(`set deadlock_timeout = '20s'; begin; insert into "Odd Schema ""x""" values (4)`);
      const fencing = fenced.fence("marker", 6_000);
      const watch = await connect();
      await waitFor(async () => (await watch.query("select 1 from pg_locks where not granted")).rowCount === 1, {
        deadlineMs: 5_000,
        what: "the fence to wait",
      });
      // The fence holds "plain" by now and waits for the other.
      await writer.query(UPDATE);
      await writer.query("commit");
      await fencing;
      assert.equal(await fenced.fenceState(), "whole");
    });

    withBench("opens while readers and writers hold the tables, and a second fence is a new one", async ({ connect, side }) => {
      const fenced = await side();
      await fenced.fence("marker-1", 1_000);
      const reader = await connect();
      await reader.query("begin; select * from plain");
      const vacuuming = await connect();
      await vacuuming.query("begin; lock table plain in share update exclusive mode");
      const old = await connect();
      await old.query("begin isolation level repeatable read; select 1 from plain");
      const began = performance.now();
      await fenced.open("opened-1", 5_000);
      assert.ok(performance.now() - began < deadline(500));
      assert.equal(await fenced.sawMarker("opened-1"), true);
      assert.equal(await fenced.fenceState(), "none");
      const writer = await connect("app");
      assert.equal(await stateOf(writer, UPDATE), null);
      assert.equal(await stateOf(old, UPDATE), "25006", "a snapshot older than the opening is refused, not let through");
      await vacuuming.query("rollback");
      assert.equal(await fenced.tidy(), 0);
      // A snapshot that has seen the first fence open must not pass the second.
      const between = await connect("app");
      await between.query("begin isolation level repeatable read; select 1 from plain");
      await reader.query("rollback");
      await old.query("rollback");
      await fenced.fence("marker-2", 1_000);
      assert.equal(await stateOf(between, UPDATE), "25006");
      assert.equal(await stateOf(writer, UPDATE), "25006");
      await fenced.open("opened-2", 5_000);
      assert.equal(await stateOf(writer, UPDATE), null);
    });

    withBench("fencing twice and guarding a fenced side change nothing", async ({ connect, side }) => {
      const fenced = await side();
      const first = await fenced.fence("marker-1", 1_000);
      const second = await fenced.fence("marker-2", 1_000);
      assert.ok(second.lsn >= first.lsn);
      await fenced.guard();
      const admin = await connect();
      const { rows } = await admin.query("select count(*)::int as n from pg_trigger where tgname like 'pghaul%' and not tgisinternal");
      assert.equal(rows[0].n, 7, "one trigger a table and partition");
      assert.equal(await fenced.sawMarker("marker-2"), true);
    });

    withBench("guards table by table beside an applier, and clears away what earlier fences left", async ({ connect, side }) => {
      const guarded = await side();
      for (const round of [1, 2, 3]) {
        await guarded.fence(`marker-${round}`, 1_000);
        await guarded.open(`opened-${round}`, 5_000);
      }
      await guarded.tidy();
      const applier = await connect();
      await applier.query(`select set_config('pghaul.applier', '${TOKEN}', false); begin; ${UPDATE}`);
      const done = setTimeout(() => void applier.query("commit"), 100);
      await guarded.guard();
      clearTimeout(done);
      assert.equal(await guarded.fenceState(), "whole");
      await guarded.guard();
      const { rows } = await applier.query("select count(*)::int as n from pg_trigger where tgname like 'pghaul%' and not tgisinternal");
      assert.equal(rows[0].n, 7);
    });

    withBench("fences partitions made after the plan, and finds those made after the fence", async ({ connect, side }) => {
      const fenced = await side();
      const admin = await connect();
      await admin.query("create table parted_new partition of parted for values from (200) to (300)");
      await fenced.fence("marker", 1_000);
      assert.equal(await stateOf(admin, "insert into parted_new values (250, 1)"), "25006");
      await admin.query("create table parted_newer partition of parted for values from (300) to (400)");
      assert.equal(await fenced.fenceState(), "partial");
      assert.deepEqual(await fenced.probeWrites(), ["public.parted_newer"]);
    });

    withBench("is proven where rules and triggers of the application meet a probe", async ({ connect, side }) => {
      const admin = await connect();
      await admin.query(`
        create rule keep as on delete to plain do instead nothing;
        create rule swallow as on insert to plain do instead nothing;
        create rule hold_it as on update to plain do instead nothing;
        create function forbid() returns trigger language plpgsql as $$ begin raise exception 'not here' using errcode = 'P0007'; end $$;
        create trigger a_first before insert or delete on "Odd Schema ""x""" for each statement execute function forbid()`);
      const fenced = await side();
      assert.ok((await fenced.probeWrites()).includes("public.plain"));
      await fenced.fence("marker", 1_000);
      assert.deepEqual(await fenced.probeWrites(), []);
      await admin.query("create or replace function pghaul.refuse_write() returns trigger language plpgsql as 'begin return null; end'");
      assert.ok((await fenced.probeWrites()).includes("public.plain"), "a function that refuses nothing is no fence");
    });

    withBench("is proven where the owner may not write, or row security binds it", async ({ connect, side }) => {
      const admin = await connect();
      for (const table of PARTED) {
        await admin.query(`alter table ${table} owner to app; alter table ${table} enable row level security, force row level security`);
      }
      await admin.query(`revoke insert, delete on parted, parted_high from app;
        grant all on schema pghaul to app; grant all on all tables in schema pghaul to app`);
      const fenced = await side(["public.parted"], "app");
      assert.deepEqual([...(await fenced.probeWrites())].sort(), PARTED);
      await fenced.fence("marker", 1_000);
      assert.deepEqual(await fenced.probeWrites(), []);
    });

    withBench("is found open where its trigger has lost an event", async ({ connect, side }) => {
      const fenced = await side();
      await fenced.fence("marker", 1_000);
      const admin = await connect();
      const { rows } = await admin.query<{ name: string }>(
        "select tgname::text as name from pg_trigger where tgrelid = 'plain'::regclass and tgname like 'pghaul%'",
      );
      const name = rows[0]?.name ?? "";
      await admin.query(`drop trigger ${name} on plain;
        create trigger ${name} before insert or truncate on plain for each statement execute function pghaul.refuse_write('${TOKEN}');
        alter table plain enable always trigger ${name}`);
      assert.deepEqual(await fenced.probeWrites(), ["public.plain"]);
    });

    withBench("of two migrations stand side by side: each lets its own appliers through and opens alone", async ({ connect, side }) => {
      const [ours, theirs] = [await side(["public.plain"]), await side(["public.parted"], undefined, "token-of-theirs")];
      await ours.fence("marker", 1_000);
      await theirs.fence("marker", 1_000);
      const applier = await connect();
      await applier.query(`set pghaul.applier = '${TOKEN}'`);
      assert.equal(await stateOf(applier, UPDATE), null);
      assert.equal(await stateOf(applier, "delete from parted"), "25006");
      const both = await side(["public.plain", "public.parted"]);
      assert.equal(await both.fenceState(), "partial", "what they have fenced is not fenced by us");
      await both.open("opened", 5_000);
      const admin = await connect();
      assert.equal(await stateOf(admin, UPDATE), null);
      assert.equal(await stateOf(admin, "delete from parted"), "25006");
    });

    withBench("opens even where a table has been dropped meanwhile", async ({ connect, side }) => {
      const fenced = await side();
      await fenced.fence("marker", 1_000);
      const admin = await connect();
      await admin.query("drop table parted cascade");
      await fenced.open("opened", 5_000);
      assert.equal(await stateOf(admin, UPDATE), null);
      await assert.rejects(fenced.fence("again", 1_000), (error: PghaulError) => error.code === "REALITY_DIFFERS");
    });

    withBench("says so when a moved table is not there", async ({ side }) => {
      await assert.rejects(side(["public.plain", "public.gone"]), (error: PghaulError) => error.code === "REALITY_DIFFERS");
    });

    withBench("340 tables", async ({ connect, side }) => {
      const admin = await connect();
      await admin.query(
        "create schema many; select format('create table many.t%s (id int primary key, v text)', n) from generate_series(1, 340) n",
      );
      for (let n = 1; n <= 340; n += 1)
        await admin.query(`create table many.t${n} (id int generated always as identity primary key, v text)`);
      const fenced = await side(Array.from({ length: 340 }, (_, n) => `many.t${n + 1}`));
      const { millis } = await fenced.fence("marker", 5_000);
      const opening = performance.now();
      await fenced.open("opened", 5_000);
      const opened = performance.now() - opening;
      const perStatement = await costOfOpenFence(admin);
      const tidying = performance.now();
      assert.equal(await fenced.tidy(), 0);
      console.log(
        `PostgreSQL ${version}, 340 tables: fence ${millis.toFixed(1)} ms, open ${opened.toFixed(1)} ms, tidy ${(performance.now() - tidying).toFixed(0)} ms; an open fence costs ${perStatement.toFixed(1)} µs a statement`,
      );
      assert.ok(millis < 1_000, `the fence took ${millis} ms`);
    });
  });
}

/** Microseconds by which an open fence slows a statement down. */
async function costOfOpenFence(client: pg.Client): Promise<number> {
  const loop = "do $$ begin for i in 1..5000 loop update many.t1 set v = '' where false; end loop; end $$";
  await client.query(loop);
  const began = performance.now();
  await client.query(loop);
  const withFence = performance.now() - began;
  await client.query("create table many.bare (id int generated always as identity primary key, v text)");
  const bareBegan = performance.now();
  await client.query(loop.replace("many.t1", "many.bare"));
  return ((withFence - (performance.now() - bareBegan)) / 5000) * 1000;
}

async function copyInto(client: pg.Client, sql: string, text: string): Promise<string | null> {
  const stream = client.query(copyFrom(sql)) as unknown as Writable;
  return await new Promise((resolve) => {
    stream.on("error", (error: Error & { code?: string }) => resolve(error.code ?? error.message));
    stream.on("finish", () => resolve(null));
    stream.end(text);
  });
}
