import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type pg from "pg";
import { PghaulError } from "../../src/errors/pghaul-error.ts";
import type { Table } from "../../src/model/table.ts";
import { readTables } from "../../src/source/catalog.ts";
import { openSourceReader } from "../../src/source/source-reader.ts";
import { waitFor } from "../support/database.ts";
import { type PgServer, type PgVersion, startServer } from "../support/pg-server.ts";
import { firstLeaf, LARGE, NEVER, readAll, rowsOf } from "./read-all.ts";
import { sessionsAt } from "./source-session.ts";

const SCHEMA = `
create table numbers (id bigint primary key, filler text);
insert into numbers select i, repeat('x', 200) from generate_series(1, 20000) i;
create table ids (id uuid primary key, v text);
insert into ids select md5(i::text)::uuid, null from generate_series(1, 3000) i;
create table huge (id int primary key, v text); alter table huge alter v set storage external;
insert into huge select i, repeat(md5(i::text), 50 * 32768) from generate_series(1, 3) i;
create table bag (v text); insert into bag select 'same' from generate_series(1, 10000); alter table bag replica identity full;
vacuum analyze`;

for (const version of [13, 18] as const satisfies PgVersion[]) {
  describe(`the reader on PostgreSQL ${version}`, () => {
    let server: PgServer;
    let client: pg.Client;
    let tables: Map<string, Table>;
    let reader: ReturnType<typeof openSourceReader>;

    before(async () => {
      server = await startServer({ version });
      client = await sessionsAt(server.url())("reader test");
      for (const statement of SCHEMA.split(/;\n/)) await client.query(statement);
      const all = await readTables(client, { include: ["*.*"], exclude: [] });
      tables = new Map(all.map((table) => [table.id, table]));
      reader = openSourceReader({ side: "source", connect: sessionsAt(server.url()), tables: all, workers: 3, signal: NEVER });
    });
    after(async () => {
      await reader?.close();
      await client?.end();
      await server?.[Symbol.asyncDispose]();
    });

    const table = (id: string): Table => tables.get(id) as Table;
    const count = async (sql: string): Promise<number> =>
      Number((await client.query<{ n: string }>(`select count(*)::text as n from ${sql}`)).rows[0]?.n);

    test("the session says in pg_stat_activity which table is read", async () => {
      const lock = await sessionsAt(server.url())("locker");
      await lock.query("begin; lock table numbers in access exclusive mode");
      const reading = reader.readChunk(table("public.numbers"), firstLeaf(table("public.numbers")), LARGE, NEVER);
      await waitFor(() => count("pg_stat_activity where application_name ~ '^pghaul \\[snapshot public.numbers c\\d+\\]$'"), {
        deadlineMs: 5_000,
        what: "the label",
      });
      await lock.query("rollback");
      await lock.end();
      assert.ok((await reading).rows.count > 0);
    });

    test("a TRUNCATE that was there first is waited for, and its emptiness seen", async () => {
      await client.query("create table doomed (id int primary key); insert into doomed select generate_series(1, 10)");
      const [doomed] = await readTables(client, { include: ["public.doomed"], exclude: [] });
      assert.ok(doomed);
      const other = await sessionsAt(server.url())("truncater");
      await other.query("begin; truncate doomed; insert into doomed values (99)");
      const reading = reader.readChunk(doomed, firstLeaf(doomed), LARGE, NEVER);
      await waitFor(() => count("pg_locks where not granted"), { deadlineMs: 5_000, what: "the reader to wait" });
      await other.query("commit");
      await other.end();
      // Had the snapshot come before the lock, neither the ten rows nor the new one would be seen.
      assert.deepEqual(rowsOf(await reading), [["99"]]);
    });

    test("a read under way keeps a TRUNCATE out", async () => {
      await client.query(
        "create table kept (v text); alter table kept replica identity full; insert into kept select 'row' from generate_series(1, 100)",
      );
      const [kept] = await readTables(client, { include: ["public.kept"], exclude: [] });
      assert.ok(kept);
      const other = await sessionsAt(server.url())("truncater");
      await other.query("set lock_timeout = '50ms'");
      await reader.readWhole(
        kept,
        async (read) => {
          await assert.rejects(other.query("truncate kept"), { code: "55P03" });
          for await (const _ of read.copyText);
        },
        NEVER,
      );
      await other.query("truncate kept");
      await other.end();
    });

    test("an abort ends the read with its reason, and the reader goes on", async () => {
      const stop = new AbortController();
      const reason = new Error("stop now");
      const reading = reader.readWhole(
        table("public.huge"),
        async (read) => {
          for await (const _ of read.copyText) stop.abort(reason);
        },
        stop.signal,
      );
      await assert.rejects(reading, reason);
      assert.equal((await readAll(reader, table("public.ids"), LARGE)).keys.length, 3000);
      await assert.rejects(reader.readChunk(table("public.ids"), firstLeaf(table("public.ids")), LARGE, AbortSignal.abort(reason)), reason);
    });

    test("a lost session is SOURCE_LOST; the next read opens another", async () => {
      const lock = await sessionsAt(server.url())("locker");
      await lock.query("begin; lock table numbers in access exclusive mode");
      const reading = reader.readChunk(table("public.numbers"), firstLeaf(table("public.numbers")), LARGE, NEVER);
      reading.catch(() => undefined);
      await waitFor(
        () => count("pg_stat_activity, pg_terminate_backend(pid) where application_name like 'pghaul [snapshot public.numbers %'"),
        { deadlineMs: 5_000, what: "the reader" },
      );
      await assert.rejects(reading, { code: "SOURCE_LOST" });
      await lock.query("rollback");
      await lock.end();
      assert.equal((await readAll(reader, table("public.numbers"), LARGE)).keys.length, 20_000);
    });

    test("a whole table is streamed no faster than it is taken", async () => {
      let pieces = 0;
      const bytes = await reader.readWhole(
        table("public.huge"),
        async (read) => {
          const iterator = read.copyText[Symbol.asyncIterator]();
          let total = (await iterator.next()).value?.length ?? 0;
          // 150 MB wait at the source: were they gathered here, the server would be done and idle.
          const state = async () =>
            (
              await client.query<{ event: string }>(
                "select wait_event as event from pg_stat_activity where application_name like 'pghaul [snapshot public.huge%'",
              )
            ).rows[0]?.event;
          await waitFor(async () => (await state()) === "ClientWrite", { deadlineMs: 5_000, what: "the server to be held back" });
          for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) {
            total += next.value.length;
            pieces += 1;
          }
          return total;
        },
        NEVER,
      );
      assert.equal(bytes, 3 * (50 * 32768 * 32 + 3));
      assert.ok(pieces > 10);
      const bag = await reader.readWhole(
        table("public.bag"),
        async (read) => {
          let total = 0;
          for await (const piece of read.copyText) total += piece.length;
          return total;
        },
        NEVER,
      );
      assert.equal(bag, 50_000);
    });

    test("a whole read knows when the server crashed after its last row", async () => {
      const reading = reader.readWhole(
        table("public.bag"),
        async ({ copyText, stillThere }) => {
          for await (const _piece of copyText);
          await stillThere();
          await client.end();
          await server.kill9();
          await server.start();
          client = await sessionsAt(server.url())("reader test");
          await assert.rejects(stillThere(), hasCode("SOURCE_LOST"));
          await stillThere();
        },
        NEVER,
      );
      await assert.rejects(reading, hasCode("SOURCE_LOST"));
    });

    test("what the consumer of a whole table throws comes out as it is", async () => {
      const own = new Error("the target is full");
      const failing = reader.readWhole(
        table("public.bag"),
        async () => {
          throw own;
        },
        NEVER,
      );
      await assert.rejects(failing, (error) => error === own);
      await assert.rejects(
        reader.readWhole(table("public.bag"), async () => "too early", NEVER),
        { code: "BUG" },
      );
    });

    test("the barrier waits for older writers, and names them", async () => {
      const writer = await sessionsAt(server.url())("slow writer");
      await writer.query("begin; insert into numbers values (-5, '')");
      const heard: string[] = [];
      let over = false;
      const barrier = reader
        .barrier((who) => heard.push(who), NEVER)
        .then(() => {
          over = true;
        });
      await waitFor(() => heard.length > 0, { deadlineMs: 5_000, what: "the barrier to tell" });
      assert.match(heard[0] ?? "", /pid \d+ \(postgres in pghaul \[slow writer\], idle in transaction\), for \d+ s/);
      assert.equal(over, false);
      await writer.query("rollback");
      await writer.end();
      await barrier;
      const stop = new AbortController();
      stop.abort(new Error("enough"));
      await reader.barrier(() => undefined, NEVER);
    });

    test("a heartbeat moves the WAL of a quiet database and returns a snapshot of now", async () => {
      const lsn = async () => (await client.query<{ lsn: string }>("select pg_current_wal_flush_lsn()::text as lsn")).rows[0]?.lsn;
      const before = await lsn();
      const view = await reader.heartbeat();
      assert.notEqual(await lsn(), before);
      assert.match(view.text, /^\d+:\d+:/);
    });
  });
}

function hasCode(code: string): (error: unknown) => boolean {
  return (error) => error instanceof PghaulError && error.code === code;
}
