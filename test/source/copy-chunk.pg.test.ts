import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type pg from "pg";
import type { ChunkRange } from "../../src/engine/ports.ts";
import type { Table } from "../../src/model/table.ts";
import { toByteText } from "../../src/model/value.ts";
import { readTables } from "../../src/source/catalog.ts";
import { openSourceReader } from "../../src/source/source-reader.ts";
import { type PgServer, type PgVersion, startServer } from "../support/pg-server.ts";
import { firstLeaf, LARGE, NEVER, readAll, rowsOf } from "./read-all.ts";
import { sessionsAt } from "./source-session.ts";

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
vacuum analyze;
`;

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

    const KINDS: [string, string][] = [
      ["numbers", "numbers"],
      ["composite", "composite"],
      ["ids", "ids"],
      ["amounts", "amounts"],
      ["long_keys", "long_keys"],
      ["Quoted Table", '"Quoted Table"'],
      ["pattern", "pattern"],
      ["domains", "domains"],
      ["events", "events"],
      ["parent", "only parent"],
      ["child", "child"],
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
          await writer.query("insert into ids select md5('new' || i)::uuid, 'new' from generate_series($1::int, $1::int + 20) i", [
            i * 100,
          ]);
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
      assert.deepEqual(
        new Map(rows.map((row) => [row[0], row[1]])),
        new Map([
          ["tab\tand\nnewline", "\\x00ff"],
          ["back\\slash\\N", null],
          ['it\'s "quoted"', "\\x"],
          ["", "\\x0a"],
          [toByteText("日本"), "\\x5c"],
        ]),
      );
    });

    test("a read ends after its budget of bytes, behind a whole row", async () => {
      const read = await reader.readChunk(
        table("public.huge"),
        firstLeaf(table("public.huge")),
        { millis: 60_000, bytes: 1_000_000 },
        NEVER,
      );
      assert.equal(read.rows.count, 1, "one row, though it is 50 times the budget");
      assert.deepEqual(read.cutAfter, ["1"]);
      assert.equal(read.rows.bytes, 50 * 32768 * 32 + 3);
      const { keys } = await readAll(reader, table("public.huge"), { millis: 60_000, bytes: 1_000_000 });
      assert.deepEqual(keys, ["1", "2", "3"]);
    });

    test("a read ends after its budget of time, and holds its snapshot no longer", async () => {
      await client.query(
        "create table slow (id int primary key, v text); insert into slow select i, repeat('x', 50) from generate_series(1, 600000) i",
      );
      await client.query("vacuum analyze slow");
      const [slow] = await readTables(client, { include: ["public.slow"], exclude: [] });
      assert.ok(slow);
      const started = performance.now();
      const reading = reader.readChunk(slow, firstLeaf(slow), { millis: 40, bytes: 1e10 }, NEVER);
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

    test("hi lies above the commit of everything the view contains", async () => {
      const range: ChunkRange = { ...firstLeaf(table("public.numbers")), to: { values: ["1"], inclusive: true } };
      const written = await client.query<{ xid: string }>(
        "insert into numbers values (-1, '') returning pg_current_xact_id()::text as xid",
      );
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
      const read = await reader.readKeys(
        table("public.composite"),
        [
          ["az26", "5"],
          ["nowhere", "1"],
          ["az26", "5"],
          ["az26", "6"],
        ],
        NEVER,
      );
      assert.deepEqual(rowsOf(read), [["5", "az26", "26"]]);
      assert.equal(read.cutAfter, null);
      const quoted = await reader.readKeys(
        table("public.Quoted Table"),
        [["tab\tand\nnewline"], ["back\\slash\\N"], [toByteText("日本")], ["none"]],
        NEVER,
      );
      assert.equal(quoted.rows.count, 3);
      const events = await reader.readKeys(
        table("public.events"),
        [
          ["5", "2020-01-06"],
          ["400", "2021-02-04"],
        ],
        NEVER,
      );
      assert.deepEqual(
        rowsOf(events)
          .map((row) => row[2])
          .sort(),
        ["v400", "v5"],
      );
      const amounts = await reader.readKeys(table("public.amounts"), [["-1.5"], ["-1.50"], ["NaN"]], NEVER);
      assert.deepEqual(
        rowsOf(amounts)
          .map(([n]) => n)
          .sort(),
        ["-1.50", "NaN"],
        "-1.5 equals -1.50, and is another key's text",
      );
      assert.equal((await reader.readKeys(table("public.ids"), [], NEVER)).rows.count, 0);
    });
  });
}
