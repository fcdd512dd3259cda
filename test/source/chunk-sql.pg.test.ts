import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type pg from "pg";
import type { ChunkRange } from "../../src/engine/ports.ts";
import type { Table } from "../../src/model/table.ts";
import { readTables } from "../../src/source/catalog.ts";
import { copyRangeSql } from "../../src/source/chunk/chunk-sql.ts";
import { type KeyOrder, readKeyOrder } from "../../src/source/chunk/key-order.ts";
import { openSourceReader } from "../../src/source/source-reader.ts";
import { query } from "../support/database.ts";
import { type PgServer, startServer } from "../support/pg-server.ts";
import { sessionsAt } from "./source-session.ts";

const SCHEMA = `
create table pairs (a int, b int, primary key (a, b)); insert into pairs select i / 10, i % 10 from generate_series(0, 99) i;
create table german (w text collate "de-x-icu", n int, primary key (w, n)); insert into german select md5(i::text), i from generate_series(1, 3000) i;
create table by_pattern (w text not null, n int not null); create unique index by_pattern_key on by_pattern (w text_pattern_ops desc, n desc);
alter table by_pattern replica identity using index by_pattern_key; insert into by_pattern select md5(i::text), i from generate_series(1, 3000) i;
create table own_collation (w text not null); create unique index own_collation_key on own_collation (w collate "C");
alter table own_collation replica identity using index own_collation_key; insert into own_collation select md5(i::text) from generate_series(1, 3000) i;
create table limited (w varchar(40) primary key); insert into limited select md5(i::text) from generate_series(1, 3000) i;
create type mood as enum ('sad', 'ok', 'glad'); create table enums (m mood, n int, primary key (m, n)); insert into enums select 'ok', i from generate_series(1, 3000) i;
create schema hidden; create domain hidden.name as varchar(40) check (value <> ''); create table named (w hidden.name primary key); insert into named select md5(i::text) from generate_series(1, 3000) i;
`;

for (const version of [13, 18] as const) {
  describe(`chunk statements on PostgreSQL ${version}`, () => {
    let server: PgServer;
    let client: pg.Client;
    let tables: readonly Table[];
    before(async () => {
      server = await startServer({ version });
      client = await sessionsAt(server.url())("chunk sql");
      await client.query(SCHEMA);
      await client.query("vacuum analyze");
      tables = await readTables(client, { include: ["public.*"], exclude: [] });
    });
    after(async () => {
      await client?.end();
      await server?.[Symbol.asyncDispose]();
    });

    const selectOf = (table: Table, bounds: Pick<ChunkRange, "from" | "to">, order: KeyOrder, limit = 1_000_000) =>
      /^copy \(([^]*)\) to stdout$/.exec(copyRangeSql(table, table, { range: { leaf: "", ...bounds }, order, limit }))?.[1] ?? "";

    test("every chunk walks its index and sorts nothing", async () => {
      await client.query("set enable_seqscan = off; set enable_bitmapscan = off; set enable_sort = off; set enable_incremental_sort = off");
      assert.equal(tables.length, 7);
      for (const table of tables) {
        const order = await readKeyOrder(client, table);
        const middle =
          (await query<Record<string, string>>(client, `${selectOf(table, { from: null, to: null }, order)} offset 40`))[0] ?? {};
        const values = (table.key ?? []).map((index) => String(middle[table.columns[index]?.name ?? ""]));
        const from = { values, inclusive: false };
        for (const bounds of [
          { from, to: null },
          { from: null, to: from },
          { from: { values: values.slice(0, 1), inclusive: true }, to: null },
        ]) {
          const plan = (await query<Record<string, string>>(client, `explain ${selectOf(table, bounds, order, 10)}`))
            .map((row) => row["QUERY PLAN"])
            .join("\n");
          assert.match(plan, /Index (Only )?Scan/, table.id);
          assert.match(plan, /Index Cond/, `${table.id}: ${plan}`);
          // Two opclasses, so two operators: no row comparison can be had, and rows beside the bound are filtered.
          assert.doesNotMatch(plan, table.name === "by_pattern" ? /Sort/ : /Sort|Filter/, `${table.id}: ${plan}`);
        }
      }
      await client.query("reset all");
    });

    test("keys that mix operators compare in longhand as a row does", async () => {
      const pairs = tables.find(({ name }) => name === "pairs") as Table;
      const order = await readKeyOrder(client, pairs);
      const [first, second] = order;
      assert.ok(first && second);
      const spelled = (text: string) => text.replace("operator(", "OPERATOR(");
      const { lt, le, eq, ge, gt } = second.operators;
      const mixed = [
        first,
        { ...second, operators: { lt: spelled(lt), le: spelled(le), eq: spelled(eq), ge: spelled(ge), gt: spelled(gt) } },
      ];
      const longhand = selectOf(pairs, { from: { values: ["3", "4"], inclusive: false }, to: null }, mixed);
      assert.match(longhand, / and \(\(.* or \(/);
      for (const inclusive of [true, false]) {
        for (const values of [["3", "4"], ["3"], ["0", "0"], ["9", "9"], ["12", "-1"]]) {
          for (const range of [
            { from: { values, inclusive }, to: null },
            { from: null, to: { values, inclusive } },
          ]) {
            assert.deepEqual(await query(client, selectOf(pairs, range, mixed)), await query(client, selectOf(pairs, range, order)));
          }
        }
      }
    });

    test("bytes that are no UTF-8 are found in an SQL_ASCII database, by a session that does not insist on UTF-8", async () => {
      await client.query("create database bytes encoding 'SQL_ASCII' lc_collate 'C' lc_ctype 'C' template template0");
      const url = server.url("bytes");
      await query(
        url,
        "create table raw (k text primary key); insert into raw values (E'\\xff\\xfe''\\\\'), (E'\\xe9t\\xe9'), ('plain'), (E'\\xc3\\xa9')",
      );
      const open = async (purpose: string) => {
        const session = await sessionsAt(url)(purpose);
        await session.query("set client_encoding = 'SQL_ASCII'");
        return session;
      };
      const ascii = await open("bytes");
      const [raw] = await readTables(ascii, { include: ["public.raw"], exclude: [] });
      assert.ok(raw);
      const signal = new AbortController().signal;
      const reader = openSourceReader({ side: "source", connect: open, tables: [raw], workers: 1, signal });
      const keys = [["\xff\xfe'\\"], ["\xe9t\xe9"], ["\xc3\xa9"]];
      assert.equal((await reader.readKeys(raw, keys, signal)).rows.count, 3);
      const after = await reader.readChunk(
        raw,
        { leaf: String(raw.oid), from: { values: ["\xe9t\xe9"], inclusive: false }, to: null },
        { millis: 10_000, bytes: 1e6 },
        signal,
      );
      assert.deepEqual(after.rows.take([0], new Set(["\xff\xfe'\\"])).taken, [["\xff\xfe'\\"]]);
      assert.equal(after.rows.count, 1);
      await reader.close();
      await ascii.end();
    });
  });
}
