import assert from "node:assert/strict";
import { test } from "node:test";
import type { Table } from "../../src/model/table.ts";
import { planChunks } from "../../src/plan/plan-chunks.ts";
import { readTables } from "../../src/source/catalog.ts";
import { readLeafSamples } from "../../src/source/chunk-bounds.ts";
import { openSourceReader } from "../../src/source/source-reader.ts";
import { startServer } from "../support/pg-server.ts";
import { sessionsAt } from "./source-session.ts";

const SCHEMA = `
create table numbers (id bigint primary key); insert into numbers select i * i from generate_series(1, 5000) i;
create table not_analysed (id int primary key); insert into not_analysed select i from generate_series(-5000, 5000) i;
create table few (tenant smallint, id int, primary key (tenant, id)); insert into few select i % 5, i from generate_series(1, 5000) i;
create table words (w text collate "de-x-icu", n int, primary key (w, n));
insert into words select chr(65 + i % 26 + 32 * (i % 2)) || case i % 3 when 0 then 'ä' when 1 then 'é' else '-' end || i, i from generate_series(1, 4000) i;
create table ids (id uuid primary key); insert into ids select md5(i::text)::uuid from generate_series(1, 4000) i;
create table amounts (n numeric primary key); insert into amounts select i / 7.0 from generate_series(1, 3000) i; insert into amounts values ('NaN');
create table long_keys (k text primary key);
insert into long_keys select string_agg(md5(i || '/' || j), '' order by j) from generate_series(1, 300) i, generate_series(1, 50) j group by i;
create table lists (k int[] primary key); insert into lists select array[i % 10, i] from generate_series(1, 2000) i;
create table backwards (k text not null); create unique index backwards_k on backwards (k collate "C" desc); alter table backwards replica identity using index backwards_k;
insert into backwards select chr(65 + i % 58) || i from generate_series(1, 3000) i;
create table events (id bigint, at date not null, primary key (id, at)) partition by range (at);
create table events_1 partition of events for values from ('2020-01-01') to ('2021-01-01');
create table events_2 partition of events for values from ('2021-01-01') to ('2022-01-01');
insert into events select i, date '2020-01-01' + i % 700 from generate_series(1, 3000) i;
create table bag (v text); alter table bag replica identity full; create table empty (id int primary key)`;

/** Tables of which nothing is known give a single range, and that is right. */
const SINGLE = new Set(["public.long_keys", "public.empty"]);

for (const version of [13, 18] as const) {
  test(`on PostgreSQL ${version} the planned ranges tile every table exactly`, async () => {
    await using server = await startServer({ version });
    const client = await sessionsAt(server.url())("bounds");
    await client.query(`alter system set autovacuum = off; select pg_reload_conf()`.split(";")[0] as string);
    await client.query("select pg_reload_conf()");
    await client.query(SCHEMA);
    for (const name of ["numbers", "few", "words", "ids", "amounts", "long_keys", "lists", "backwards", "events_1", "events_2"])
      await client.query(`analyze ${name}`);
    const tables = await readTables(client, { include: ["public.*"], exclude: [] });
    const signal = new AbortController().signal;
    const reader = openSourceReader({ side: "source", connect: sessionsAt(server.url()), tables, workers: 1, signal });
    const keysOf = async (table: Table, ranges: ReturnType<typeof planChunks>) => {
      const keys: string[] = [];
      for (const range of ranges) {
        const read = await reader.readChunk(table, range, { millis: 60_000, bytes: 1e9 }, signal);
        assert.equal(read.cutAfter, null);
        keys.push(
          ...Buffer.concat([...read.rows.copyText()])
            .toString("latin1")
            .split("\n")
            .slice(0, -1),
        );
      }
      return keys;
    };
    for (const table of tables) {
      const ranges = planChunks(table, table.leaves, await readLeafSamples(client, "source", table, table.leaves), 8192);
      if (table.key === null) {
        assert.deepEqual(ranges, [{ leaf: "", from: null, to: null }]);
        continue;
      }
      if (SINGLE.has(table.id)) assert.equal(ranges.length, 1);
      else assert.ok(ranges.length >= 4 * table.leaves.length, `${table.id}: ${ranges.length} ranges`);
      const whole = await keysOf(
        table,
        table.leaves.map(({ id }) => ({ leaf: id, from: null, to: null })),
      );
      const tiled = await keysOf(table, ranges);
      assert.equal(tiled.length, whole.length, table.id);
      assert.deepEqual(new Set(tiled), new Set(whole), table.id);
    }
    await reader.close();
    await client.end();
  });
}
