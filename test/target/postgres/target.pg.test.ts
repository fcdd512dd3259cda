import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import type { RowOps } from "../../../src/engine/ports.ts";
import { PghaulError } from "../../../src/errors/pghaul-error.ts";
import { parseLsn } from "../../../src/model/lsn.ts";
import { query, waitFor } from "../../support/database.ts";
import { type PgServer, startServer } from "../../support/pg-server.ts";
import { Bench, backends, hasCode, openTarget, row } from "./bench.ts";

const ITEMS = "create table items (id int primary key, name text)";

function puts(...names: string[]): RowOps {
  return { deletes: [], patches: [], puts: names.map((name) => row(name, "x")) };
}

for (const version of [13, 16, 18] as const) {
  suite(`target on PostgreSQL ${version}`, () => {
    let server: PgServer;
    before(async () => {
      server = await startServer({ version });
    });
    after(() => server[Symbol.asyncDispose]());

    test("progress starts empty and comes back as it was written", async () => {
      await using bench = await Bench.open(server, ITEMS);
      assert.deepEqual(await bench.target.progress(), { stream: null, tables: new Map(), mergedChunks: new Set(), pending: new Map() });
      const filter = { view: "10:20:12", until: parseLsn("1/AB") };
      await bench.target.transaction("load", async (tx) => {
        await tx.setStreamPosition(parseLsn("16/B374D848"));
        await tx.setStreamPosition(parseLsn("FFFFFFFF/FFFFFFFF"));
        await tx.setTableProgress("public.a", { cursor: parseLsn("0/1"), state: "loading", filter: null });
        await tx.setTableProgress("public.a", { cursor: parseLsn("0/2"), state: "loaded", filter: null });
        await tx.setTableProgress("public.b", { cursor: parseLsn("0/3"), state: "joined", filter });
        await tx.setChunkMerged("public.a", 7);
        await tx.setChunkMerged("public.a", 7);
        await tx.setChunkMerged("public.b", 8);
        await tx.addPending("public.a", [row("1", 'ü"\\'), row("2", "b")]);
        await tx.addPending("public.a", [row("1", 'ü"\\')]);
        await tx.removePending("public.a", [row("2", "b"), row("3", "c")]);
      });
      assert.deepEqual(await bench.target.progress(), {
        stream: parseLsn("FFFFFFFF/FFFFFFFF"),
        tables: new Map([
          ["public.a", { cursor: 2n, state: "loaded", filter: null }],
          ["public.b", { cursor: 3n, state: "joined", filter }],
        ]),
        mergedChunks: new Set([7, 8]),
        pending: new Map([["public.a", [row("1", 'ü"\\')]]]),
      });
    });

    test("the other direction and other migrations have a progress of their own", async () => {
      await using bench = await Bench.open(server, ITEMS);
      await bench.apply((tx) => tx.setStreamPosition(1n));
      for (const other of [{ stream: "reverse" }, { migration: "other" }] as const) {
        const target = await openTarget(bench.database, { ...other, originPrefix: `pghaul_${bench.database.name}_other_` });
        assert.equal((await target.progress()).stream, null);
        await target.close();
      }
    });

    test("progress waits for a load transaction that an earlier process left behind, and knows of it", async () => {
      await using bench = await Bench.open(server, ITEMS);
      const earlier = await openTarget(bench.database, { originPrefix: `pghaul_${bench.database.name}_e_` });
      const order: string[] = [];
      let begun = (): void => undefined;
      const inside = new Promise<void>((resolve) => (begun = resolve));
      const left = earlier.transaction("load", async (tx) => {
        await tx.setChunkMerged("public.items", 7);
        begun();
        await new Promise((resolve) => setTimeout(resolve, 300));
        order.push("committing");
      });
      await inside;
      const progress = await bench.target.progress();
      order.push("read");
      await left;
      await earlier.close();
      assert.deepEqual([...progress.mergedChunks], [7]);
      assert.deepEqual(order, ["committing", "read"]);
    });

    test("rows and position commit together or not at all", async () => {
      await using bench = await Bench.open(server, ITEMS);
      const items = await bench.table("public.items", ["id"]);
      const failure = new Error("work failed");
      const work = bench.apply(async (tx) => {
        await tx.apply(items, puts(...Array.from({ length: 60 }, (_, id) => String(id))), "strict");
        await tx.setStreamPosition(99n);
        throw failure;
      });
      await assert.rejects(work, (error) => error === failure);
      assert.deepEqual(await bench.rows("items"), []);
      // The stage that the rollback took away is made anew.
      await bench.apply(async (tx) => {
        await tx.apply(items, { ...puts(...Array.from({ length: 60 }, (_, id) => String(id))), deletes: [["1000"]] }, "tolerant");
        await tx.setStreamPosition(100n);
      });
      assert.equal((await bench.rows("items")).length, 60);
      assert.equal((await bench.target.progress()).stream, 100n);
    });

    test("a killed backend loses the transaction, not the target", async () => {
      await using bench = await Bench.open(server, ITEMS);
      const items = await bench.table("public.items", ["id"]);
      await bench.apply((tx) => tx.setStreamPosition(1n));
      const work = bench.apply(async (tx) => {
        await tx.apply(items, puts("1"), "strict");
        await bench.sql(
          "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and state = 'idle in transaction'",
        );
        await tx.apply(items, puts("2"), "strict");
        await tx.setStreamPosition(2n);
      });
      await assert.rejects(work, hasCode("TARGET_LOST"));
      assert.equal((await bench.target.progress()).stream, 1n);
      await bench.apply((tx) => tx.apply(items, puts("1", "2"), "strict"));
      assert.equal((await bench.rows("items")).length, 2);
    });

    test("whatever lane's commit a target has forgotten, every lane and makeDurable notice, until progress is read again", async () => {
      await using bench = await Bench.open(server, ITEMS);
      const commit = (lane: "stream" | "load") => bench.target.transaction(lane, (tx) => tx.setChunkMerged("public.items", 1));
      for (const lane of ["stream", "load_0"] as const) {
        await commit("stream");
        await commit("load");
        await bench.sql("update pghaul.lane set commits = commits - 1 where lane = $1", [lane]);
        for (const work of [() => commit("stream"), () => commit("load"), () => bench.target.makeDurable()])
          await assert.rejects(work, hasCode("TARGET_LOST"), lane);
        await bench.target.progress();
        await commit("load");
      }
      await bench.sql("delete from pghaul.lane");
      await assert.rejects(commit("load"), hasCode("TARGET_LOST"));
    });

    test("a failed statement that the work swallowed is not committed in silence", async () => {
      await using bench = await Bench.open(server, ITEMS);
      const items = await bench.table("public.items", ["id"]);
      const work = bench.apply(async (tx) => {
        await tx.apply(items, puts("not a number"), "strict").catch(() => undefined);
      });
      await assert.rejects(work, hasCode("BUG"));
    });

    test("the stream is one, the load several, and no more than its lanes", async () => {
      await using bench = await Bench.open(server, ITEMS);
      let running = 0;
      let most = 0;
      const work = async (): Promise<void> => {
        most = Math.max(most, ++running);
        await new Promise((resolve) => setTimeout(resolve, 30));
        running -= 1;
      };
      await Promise.all(Array.from({ length: 6 }, () => bench.target.transaction("load", work)));
      assert.equal(most, 2);
      most = 0;
      await Promise.all(Array.from({ length: 3 }, () => bench.target.transaction("stream", work)));
      assert.equal(most, 1);
      assert.equal((await backends(bench.database)).length, 3);
    });

    test("commits carry the origin into the target's own stream", async () => {
      await using bench = await Bench.open(server, `${ITEMS}; create publication p for table items`);
      await bench.sql(`select pg_create_logical_replication_slot('s_${version}', 'pgoutput')`);
      const items = await bench.table("public.items", ["id"]);
      await bench.apply((tx) => tx.apply(items, puts("1"), "strict"));
      await bench.target.transaction("load", (tx) => tx.apply(items, puts("2"), "strict"));
      await bench.sql("insert into items values (3, 'by the application')");
      const messages = await bench.sql(
        `select data from pg_logical_slot_get_binary_changes('s_${version}', null, null, 'proto_version', '1', 'publication_names', 'p')`,
      );
      const kinds = messages
        .map(({ data }) => (data as Buffer).toString("latin1", 0, 1))
        .filter((kind) => "BOI".includes(kind))
        .join("");
      // Before 15 an empty transaction, here the creation of an origin, shows as a lone Begin.
      assert.equal(kinds.replace(/B(?=B)/g, ""), "BOIBOIBI");
      const names = messages
        .map(({ data }) => data as Buffer)
        .filter((data) => data[0] === 0x4f)
        .map((data) => data.toString("latin1", 9, data.length - 1));
      const [database] = await bench.sql("select oid::text as oid from pg_database where datname = current_database()");
      const prefix = `pghaul_${bench.database.name}_${database?.oid}/`;
      assert.deepEqual(names, [`${prefix}stream`, `${prefix}load_0`]);
      await bench.sql(`select pg_drop_replication_slot('s_${version}')`);
    });

    test("a fence lets the applier's token pass", async () => {
      await using bench = await Bench.open(
        server,
        `${ITEMS}; create function fence() returns trigger language plpgsql as $$ begin
        if coalesce(current_setting('pghaul.applier', true), '') <> 'token-1' then raise 'writes are fenced' using errcode = 'read_only_sql_transaction'; end if; return null; end $$;
        create trigger fence before insert on items for each statement execute function fence(); alter table items enable always trigger fence`,
      );
      const items = await bench.table("public.items", ["id"]);
      await assert.rejects(
        bench.apply((tx) => tx.apply(items, puts("1"), "strict")),
        (error) => hasCode("TARGET_QUERY")(error) && /writes are fenced/.test(String(error)),
      );
      const passing = await openTarget(bench.database, { applierToken: "token-1", originPrefix: `pghaul_${bench.database.name}_b_` });
      await passing.transaction("stream", (tx) => tx.apply(items, puts("1"), "strict"));
      await passing.close();
      assert.deepEqual(await bench.rows("items"), ["(1,x)"]);
    });

    test("the stream commits without waiting for the disk; makeDurable waits", async () => {
      await using bench = await Bench.open(server, ITEMS);
      const items = await bench.table("public.items", ["id"]);
      for (let round = 0; round < 20; round++) {
        await bench.apply((tx) => tx.apply(items, puts(String(round)), "strict"));
        const [{ inserted }] = (await bench.sql("select pg_current_wal_insert_lsn()::text as inserted")) as [{ inserted: string }];
        await bench.target.makeDurable();
        const [{ flushed }] = (await bench.sql("select pg_current_wal_flush_lsn()::text as flushed")) as [{ flushed: string }];
        assert.ok(parseLsn(flushed) >= parseLsn(inserted));
      }
    });

    test("a role without privileges is told what to grant", async () => {
      const admin = await server.connect();
      await admin.query("drop role if exists plain; create role plain login");
      await using bench = await Bench.open(server, `${ITEMS}; drop schema if exists pghaul cascade`);
      const open = () =>
        openTarget(bench.database, { connect: () => bench.database.connect("plain"), originPrefix: `pghaul_${bench.database.name}_p_` });
      const asks = (pattern: RegExp) => (error: unknown) =>
        hasCode("TARGET_PRIVILEGE")(error) && pattern.test(String((error as PghaulError).suggestion));
      await bench.sql("drop schema pghaul cascade");
      await assert.rejects(open(), asks(/grant create on database/));
      await bench.sql(`do $$ begin execute format('grant create on database %I to plain', current_database()); end $$`);
      await assert.rejects(open(), asks(/grant set on parameter session_replication_role/));
      if (version >= 15) {
        await bench.sql("grant set on parameter session_replication_role to plain");
        await assert.rejects(open(), asks(/grant execute on function pg_replication_origin_create/));
        await bench.sql(
          "grant execute on function pg_replication_origin_create(text), pg_replication_origin_session_setup(text), pg_replication_origin_drop(text) to plain",
        );
        const target = await open();
        await target.transaction("stream", (tx) => tx.setStreamPosition(5n));
        await target.close();
        await bench.sql(
          "revoke execute on function pg_replication_origin_create(text), pg_replication_origin_session_setup(text), pg_replication_origin_drop(text) from plain; revoke set on parameter session_replication_role from plain",
        );
      }
      await bench.sql("drop owned by plain cascade");
      await admin.query("drop role plain").catch(() => undefined);
      await admin.end();
    });

    test("a schema of a newer pghaul is refused; two openings at once make one", async () => {
      await using bench = await Bench.open(server, ITEMS);
      await bench.sql("update pghaul.meta set version = 99");
      await assert.rejects(openTarget(bench.database), hasCode("STATE_NEWER"));
      await bench.sql("drop schema pghaul cascade");
      const prefix = `pghaul_${bench.database.name}_`;
      const both = await Promise.all([
        openTarget(bench.database, { originPrefix: `${prefix}x_` }),
        openTarget(bench.database, { originPrefix: `${prefix}y_` }),
      ]);
      for (const target of both) await target.close();
    });

    test("a missing table or column is named", async () => {
      await using bench = await Bench.open(server, ITEMS);
      const items = await bench.table("public.items", ["id"]);
      const wider = { ...items, columns: [...items.columns, { name: "Extra", type: "int", identityAlways: false, notNull: false }] };
      const says = (pattern: RegExp) => (error: unknown) => hasCode("TARGET_SCHEMA")(error) && pattern.test(String(error));
      await assert.rejects(
        bench.apply((tx) => tx.apply(wider, puts("1"), "strict")),
        says(/public\.items has no column "Extra"/),
      );
      await assert.rejects(
        bench.apply((tx) => tx.apply({ ...items, name: "gone" }, puts("1"), "strict")),
        says(/missing at the target/),
      );
    });

    test("closing ends what waits and what runs; an abort ends what waits", async () => {
      const stop = new AbortController();
      await using bench = await Bench.open(server, ITEMS, { signal: stop.signal });
      let entered = (): void => undefined;
      const inside = new Promise<void>((resolve) => (entered = resolve));
      const running = bench.apply(async (tx) => {
        entered();
        await bench.sql("select pg_sleep(0.05)");
        await tx.setStreamPosition(1n);
        await new Promise((resolve) => setTimeout(resolve, 200));
        await tx.setStreamPosition(2n);
      });
      await inside;
      const waiting = bench.apply((tx) => tx.setStreamPosition(3n));
      stop.abort(new PghaulError("INTERRUPTED", "stop"));
      await assert.rejects(waiting, hasCode("INTERRUPTED"));
      await bench.target.close();
      await assert.rejects(running, hasCode("TARGET_LOST"));
      await waitFor(async () => (await backends(bench.database)).length === 0, { deadlineMs: 5000, what: "the target's backends to go" });
      assert.deepEqual(await query(bench.database, "select position from pghaul.progress"), []);
    });
  });
}
