import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type pg from "pg";
import type { ChunkBudget, ChunkRange, ChunkRead } from "../../src/engine/ports.ts";
import { keyText, type Table } from "../../src/model/table.ts";
import { type Row, toByteText } from "../../src/model/value.ts";
import { parseCopyLine } from "../../src/postgres/copy-text.ts";
import { readTables } from "../../src/source/catalog.ts";
import { openSourceReader } from "../../src/source/source-reader.ts";
import { waitFor } from "../support/database.ts";
import { type PgServer, type PgVersion, startServer } from "../support/pg-server.ts";
import { sessionsAt } from "./source-session.ts";

const NEVER = new AbortController().signal;
const LARGE: ChunkBudget = { millis: 60_000, bytes: 1e9 };

const SCHEMA = `
create schema elsewhere;
create table numbers (id bigint primary key, filler text);
insert into numbers select i, repeat('x', 200) from generate_series(1, 20000) i;
create table composite (tenant int, code text collate "de-x-icu", "Odd ""name" int, primary key (code, tenant));
insert into composite select i % 7, chr(97 + i % 26) || case when i % 3 = 0 then 'ä' when i % 3 = 1 then 'Z' else 'z' end || i, i from generate_series(1, 5000) i;
create table ids (id uuid primary key, v text);
insert into ids select md5(i::text)::uuid, null from generate_series(1, 3000) i;
create table amounts (n numeric primary key);
insert into amounts values ('NaN'), (0), (-1.50), (1e40), (0.000001); insert into amounts select i / 7.0 from generate_series(1, 1000) i;
create table long_keys (k text primary key);
insert into long_keys select string_agg(md5(i || '/' || j), '' order by j) from generate_series(1, 200) i, generate_series(1, 50) j group by i;
create table "Quoted Table" ("Key" text primary key, b bytea);
insert into "Quoted Table" values ('tab	and
newline', '\\x00ff'), (E'back\\\\slash\\\\N', null), ($$it's "quoted"$$, ''), ('', '\\x0a'), ('日本', '\\x5c');
create table pattern (k text not null, v int); create unique index pattern_k on pattern (k text_pattern_ops desc); alter table pattern replica identity using index pattern_k;
insert into pattern select chr(64 + i % 60) || i, i from generate_series(1, 2000) i;
create domain elsewhere.code as text collate "C" check (value <> '!');
create table domains (k elsewhere.code collate "de-x-icu" primary key, n int); insert into domains select md5(i::text), i from generate_series(1, 1000) i;
create table events (id bigint, at date not null, v text, primary key (id, at)) partition by range (at);
create table events_1 (v text, at date not null, id bigint not null); alter table events attach partition events_1 for values from ('2020-01-01') to ('2021-01-01');
create table events_2 partition of events for values from ('2021-01-01') to ('2022-01-01');
insert into events select i, date '2020-01-01' + i % 700, 'v' || i from generate_series(1, 3000) i;
create table parent (id int primary key, v text); create table child (primary key (id)) inherits (parent);
insert into parent values (1, 'p'); insert into child values (2, 'c');
create table huge (id int primary key, v text); alter table huge alter v set storage external;
insert into huge select i, repeat(md5(i::text), 50 * 32768) from generate_series(1, 3) i;
create table bag (v text); insert into bag select 'same' from generate_series(1, 10000); alter table bag replica identity full;
vacuum analyze;
`;

/** Every key that the chunks of a range bring, reading on after each cut. */
async function readAll(reader: ReturnType<typeof openSourceReader>, table: Table, budget: ChunkBudget): Promise<{ keys: string[]; reads: ChunkRead[] }> {
  const reads: ChunkRead[] = [];
  for (let leaf = 0; leaf < table.leaves.length; leaf++) {
    let range: ChunkRange | null = { leaf, from: null, to: null };
    while (range !== null) {
      const read: ChunkRead = await reader.readChunk(table, range, budget, NEVER);
      reads.push(read);
      range = read.cutAfter === null ? null : { ...range, from: { values: read.cutAfter, inclusive: false } };
    }
  }
  return { keys: reads.flatMap((read) => rowsOf(read).map((row) => keyText((table.key ?? []).map((index) => row[index] ?? null)))), reads };
}

function rowsOf({ rows }: Pick<ChunkRead, "rows">): Row[] {
  return Buffer.concat([...rows.copyText()]).toString("latin1").split("\n").slice(0, -1).map(parseCopyLine);
}

for (const version of [13, 18] as const satisfies PgVersion[]) {
  describe(`chunk reads on PostgreSQL ${version}`, () => {
    let server: PgServer;
    let client: pg.Client;
    let tables: Map<string, Table>;
    let reader: ReturnType<typeof openSourceReader>;

    before(async () => {
      server = await startServer({ version });
      client = await sessionsAt(server.url())("chunk test");
      for (const statement of SCHEMA.split(/;\n/)) await client.query(statement);
      const all = await readTables(client, { include: ["*.*"], exclude: [] });
      tables = new Map(all.map((table) => [table.id, table]));
      reader = openSourceReader({ connect: sessionsAt(server.url()), tables: all, workers: 3, signal: NEVER });
    });
    after(async () => {
      await reader?.close();
      await client?.end();
      await server?.[Symbol.asyncDispose]();
    });

    const table = (id: string): Table => tables.get(id) as Table;
    const count = async (sql: string): Promise<number> => Number((await client.query<{ n: string }>(`select count(*)::text as n from ${sql}`)).rows[0]?.n);

    const KINDS: [string, string][] = [
      ["numbers", "numbers"], ["composite", "composite"], ["ids", "ids"], ["amounts", "amounts"], ["long_keys", "long_keys"], ["Quoted Table", '"Quoted Table"'],
      ["pattern", "pattern"], ["domains", "domains"], ["events", "events"], ["parent", "only parent"], ["child", "child"],
    ];
    for (const [name, sql] of KINDS) {
      test(`chunks cut by size tile ${name} exactly, in as many reads as needed`, async () => {
        const target = table(`public.${name}`);
        const { keys } = await readAll(reader, target, { millis: 60_000, bytes: 2_000 });
        const whole = await readAll(reader, target, LARGE);
        assert.equal(keys.length, await count(sql));
        assert.equal(new Set(keys).size, keys.length, "no row twice");
        assert.deepEqual(new Set(keys), new Set(whole.keys));
      });
    }

    test("rows that nobody touches come exactly once while others come and go", async () => {
      const target = table("public.ids");
      const stop = new AbortController();
      const writer = await sessionsAt(server.url())("writer");
      const writing = (async () => {
        for (let i = 1; !stop.signal.aborted; i++) {
          await writer.query("insert into ids select md5('new' || i)::uuid, 'new' from generate_series($1::int, $1::int + 20) i", [i * 100]);
          await writer.query("update ids set v = coalesce(v, '') || 'x' where v like 'new%'");
          await writer.query("delete from ids where v like 'new%' and random() < 0.5");
        }
      })();
      for (let round = 0; round < 5; round++) {
        const { keys, reads } = await readAll(reader, target, { millis: 1_000, bytes: 3_000 });
        assert.ok(reads.length > 10);
        assert.equal(new Set(keys).size, keys.length, "no key twice");
        const untouched = reads.flatMap(rowsOf).filter((row) => row[1] === null).length;
        assert.equal(untouched, 3000);
      }
      stop.abort();
      await writing;
      await writer.query("delete from ids where v is not null");
      await writer.end();
    });

    test("values and keys are the bytes that the table holds", async () => {
      const { reads } = await readAll(reader, table("public.Quoted Table"), LARGE);
      const rows = reads.flatMap(rowsOf);
      assert.deepEqual(new Map(rows.map((row) => [row[0], row[1]])), new Map([
        ["tab\tand\nnewline", "\\x00ff"], ["back\\slash\\N", null], ['it\'s "quoted"', "\\x"], ["", "\\x0a"], [toByteText("日本"), "\\x5c"],
      ]));
    });

    test("a read ends after its budget of bytes, behind a whole row", async () => {
      const read = await reader.readChunk(table("public.huge"), { leaf: 0, from: null, to: null }, { millis: 60_000, bytes: 1_000_000 }, NEVER);
      assert.equal(read.rows.count, 1, "one row, though it is 50 times the budget");
      assert.deepEqual(read.cutAfter, ["1"]);
      assert.equal(read.rows.bytes, 50 * 32768 * 32 + 3);
      const { keys } = await readAll(reader, table("public.huge"), { millis: 60_000, bytes: 1_000_000 });
      assert.deepEqual(keys, ["1", "2", "3"]);
    });

    test("a read ends after its budget of time, and holds its snapshot no longer", async () => {
      await client.query("create table slow (id int primary key, v text); insert into slow select i, repeat('x', 50) from generate_series(1, 600000) i");
      await client.query("vacuum analyze slow");
      const [slow] = await readTables(client, { include: ["public.slow"], exclude: [] });
      assert.ok(slow);
      const started = performance.now();
      const reading = reader.readChunk(slow, { leaf: 0, from: null, to: null }, { millis: 40, bytes: 1e10 }, NEVER);
      const read = await reading;
      const took = performance.now() - started;
      assert.ok(read.cutAfter !== null && read.rows.count > 0 && read.rows.count < 600_000, `${read.rows.count} rows`);
      assert.equal(read.cutAfter[0], String(read.rows.count));
      assert.ok(took < 1_000, `took ${took} ms`);
      const holders = await count("pg_stat_activity where backend_xmin is not null and application_name like '%snapshot%'");
      assert.equal(holders, 0);
      const { keys } = await readAll(reader, slow, { millis: 80, bytes: 1e10 });
      assert.equal(keys.length, 600_000);
      assert.equal(new Set(keys).size, 600_000);
      await client.query("drop table slow");
    });

    test("the session says in pg_stat_activity which table is read", async () => {
      const lock = await sessionsAt(server.url())("locker");
      await lock.query("begin; lock table numbers in access exclusive mode");
      const reading = reader.readChunk(table("public.numbers"), { leaf: 0, from: null, to: null }, LARGE, NEVER);
      await waitFor(() => count("pg_stat_activity where application_name ~ '^pghaul \\[snapshot public.numbers c\\d+\\]$'"), { deadlineMs: 5_000, what: "the label" });
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
      const reading = reader.readChunk(doomed, { leaf: 0, from: null, to: null }, LARGE, NEVER);
      await waitFor(() => count("pg_locks where not granted"), { deadlineMs: 5_000, what: "the reader to wait" });
      await other.query("commit");
      await other.end();
      // Had the snapshot come before the lock, neither the ten rows nor the new one would be seen.
      assert.deepEqual(rowsOf(await reading), [["99"]]);
    });

    test("a read under way keeps a TRUNCATE out", async () => {
      await client.query("create table kept (v text); alter table kept replica identity full; insert into kept select 'row' from generate_series(1, 100)");
      const [kept] = await readTables(client, { include: ["public.kept"], exclude: [] });
      assert.ok(kept);
      const other = await sessionsAt(server.url())("truncater");
      await other.query("set lock_timeout = '50ms'");
      await reader.readWhole(kept, async (read) => {
        await assert.rejects(other.query("truncate kept"), { code: "55P03" });
        for await (const _ of read.copyText);
      }, NEVER);
      await other.query("truncate kept");
      await other.end();
    });

    test("hi lies above the commit of everything the view contains", async () => {
      const range: ChunkRange = { leaf: 0, from: null, to: { values: ["1"], inclusive: true } };
      const written = await client.query<{ xid: string }>("insert into numbers values (-1, '') returning pg_current_xact_id()::text as xid");
      const { rows } = await client.query<{ lsn: string }>("select pg_current_wal_insert_lsn()::text as lsn");
      const read = await reader.readChunk(table("public.numbers"), range, LARGE, NEVER);
      const xid = BigInt(written.rows[0]?.xid ?? "0");
      const at = rows[0]?.lsn.split("/").map((half) => BigInt(`0x${half}`)) ?? [];
      assert.ok(read.hi >= ((at[0] ?? 0n) << 32n) + (at[1] ?? 0n));
      assert.equal(read.view.contains({ xid, commitLsn: 0n }), true);
      assert.equal(read.view.contains({ xid: xid + 1000n, commitLsn: 0n }), false);
      assert.equal(reader.restoreView(read.view.text).contains({ xid, commitLsn: 0n }), true);
      await client.query("delete from numbers where id = -1");
    });

    test("keys are looked up exactly, absent ones are missing, asked twice they come once", async () => {
      const read = await reader.readKeys(table("public.composite"), [["az26", "5"], ["nowhere", "1"], ["az26", "5"], ["az26", "6"]], NEVER);
      assert.deepEqual(rowsOf(read), [["5", "az26", "26"]]);
      assert.equal(read.cutAfter, null);
      const quoted = await reader.readKeys(table("public.Quoted Table"), [["tab\tand\nnewline"], ["back\\slash\\N"], [toByteText("日本")], ["none"]], NEVER);
      assert.equal(quoted.rows.count, 3);
      const events = await reader.readKeys(table("public.events"), [["5", "2020-01-06"], ["400", "2021-02-04"]], NEVER);
      assert.deepEqual(rowsOf(events).map((row) => row[2]).sort(), ["v400", "v5"]);
      const amounts = await reader.readKeys(table("public.amounts"), [["-1.5"], ["-1.50"], ["NaN"]], NEVER);
      assert.deepEqual(rowsOf(amounts).map(([n]) => n).sort(), ["-1.50", "NaN"], "-1.5 equals -1.50, and is another key's text");
      assert.equal((await reader.readKeys(table("public.ids"), [], NEVER)).rows.count, 0);
    });

    test("an abort ends the read with its reason, and the reader goes on", async () => {
      const stop = new AbortController();
      const reason = new Error("stop now");
      const reading = reader.readWhole(table("public.huge"), async (read) => {
        for await (const _ of read.copyText) stop.abort(reason);
      }, stop.signal);
      await assert.rejects(reading, reason);
      assert.equal((await readAll(reader, table("public.ids"), LARGE)).keys.length, 3000);
      await assert.rejects(reader.readChunk(table("public.ids"), { leaf: 0, from: null, to: null }, LARGE, AbortSignal.abort(reason)), reason);
    });

    test("a lost session is SOURCE_LOST; the next read opens another", async () => {
      const lock = await sessionsAt(server.url())("locker");
      await lock.query("begin; lock table numbers in access exclusive mode");
      const reading = reader.readChunk(table("public.numbers"), { leaf: 0, from: null, to: null }, LARGE, NEVER);
      reading.catch(() => undefined);
      await waitFor(() => count("pg_stat_activity, pg_terminate_backend(pid) where application_name like 'pghaul [snapshot public.numbers %'"), { deadlineMs: 5_000, what: "the reader" });
      await assert.rejects(reading, { code: "SOURCE_LOST" });
      await lock.query("rollback");
      await lock.end();
      assert.equal((await readAll(reader, table("public.numbers"), LARGE)).keys.length, 20_000);
    });

    test("a whole table is streamed no faster than it is taken", async () => {
      let pieces = 0;
      const bytes = await reader.readWhole(table("public.huge"), async (read) => {
        const iterator = read.copyText[Symbol.asyncIterator]();
        let total = (await iterator.next()).value?.length ?? 0;
        // 150 MB wait at the source: were they gathered here, the server would be done and idle.
        const state = async () => (await client.query<{ event: string }>("select wait_event as event from pg_stat_activity where application_name like 'pghaul [snapshot public.huge%'")).rows[0]?.event;
        await waitFor(async () => (await state()) === "ClientWrite", { deadlineMs: 5_000, what: "the server to be held back" });
        for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) {
          total += next.value.length;
          pieces += 1;
        }
        return total;
      }, NEVER);
      assert.equal(bytes, 3 * (50 * 32768 * 32 + 3));
      assert.ok(pieces > 10);
      const bag = await reader.readWhole(table("public.bag"), async (read) => {
        let total = 0;
        for await (const piece of read.copyText) total += piece.length;
        return total;
      }, NEVER);
      assert.equal(bag, 50_000);
    });

    test("what the consumer of a whole table throws comes out as it is", async () => {
      const own = new Error("the target is full");
      const failing = reader.readWhole(table("public.bag"), async () => { throw own; }, NEVER);
      await assert.rejects(failing, (error) => error === own);
      await assert.rejects(reader.readWhole(table("public.bag"), async () => "too early", NEVER), { code: "BUG" });
    });

    test("the barrier waits for older writers, and names them", async () => {
      const writer = await sessionsAt(server.url())("slow writer");
      await writer.query("begin; insert into numbers values (-5, '')");
      const heard: string[] = [];
      let over = false;
      const barrier = reader.barrier((who) => heard.push(who), NEVER).then(() => { over = true; });
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
