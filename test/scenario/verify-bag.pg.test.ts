/** A table without a key that is written to all the time: nothing waits for it to rest. */

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type pg from "pg";
import { query } from "../support/database.ts";
import { deadline } from "../support/deadline.ts";
import { type Move, newMove, type Pair, startPair } from "./move-bench.ts";

const SCHEMA = `
  create type mood as enum ('calm', 'so "so"');
  create type pair as (a int, b text);
  create domain positive as numeric(8, 2) check (value > 0);
  create table bag (
    t text, c char(5), v varchar(9), n numeric, p positive, f float8, r real, o bool, ts timestamptz, i interval, j json, a int[], aa text[][],
    b bytea, m mood, co pair, cs pair[], bits bit varying, x xml, mo money, q "char", rg int4range, big text, none text);
  alter table bag replica identity full;
  alter table bag alter column big set storage external;
  create view sample (t, c, v, n, p, f, r, o, ts, i, j, a, aa, b, m, co, cs, bits, x, mo, q, rg, big, none) as select 'a ''b'' \\ ü'::text, 'ab'::char(5), ''::varchar(9), 1.50::numeric, 3.10::positive, '-0'::float8, 0.1::real, true, now(),
    interval '1 mon 30 days', '{"a":  1}'::json, '[0:1]={1,null}'::int[], array[['NULL', 'x,y'], ['{}', null]], '\\x00ff'::bytea, 'so "so"'::mood,
    row(null, 'q"')::pair, array[row(1, null)::pair, null], B'0110', '<?xml version="1.0" encoding="UTF-8"?><a>&amp;</a>'::xml, '-1.23'::money, 'z'::"char", 'empty'::int4range,
    repeat(md5(random()::text), 100), null::text;
  insert into bag select s.* from sample s, generate_series(1, 150)`;

const WRITES = [
  "insert into bag select s.* from sample s, generate_series(1, 3)",
  "update bag set n = n + 1, none = t where ctid = any (array(select ctid from bag order by random() limit 2))",
  "update bag set t = t || 'x', none = null where ctid = any (array(select ctid from bag order by random() limit 1))",
  "delete from bag where ctid = any (array(select ctid from bag order by random() limit 3))",
];

describe("verification of a table without a key", { timeout: deadline(240_000) }, () => {
  let pair: Pair;
  let move: Move;
  let writers: { stop(): Promise<number> } | undefined;

  before(async () => {
    pair = await startPair({ version: 14 }, { version: 15 });
    move = await newMove(pair, { sql: SCHEMA });
    await move.start(["run"]).waitFor(/phase=streaming/, 90_000);
    writers = write(await Promise.all([1, 2, 3].map(() => move.sourceDb.connect())));
  });
  after(async () => {
    await writers?.stop();
    await pair[Symbol.asyncDispose]();
  });

  it("is equal again and again while three writers never rest", async () => {
    for (let run = 1; run <= 4; run += 1) {
      const { code, stdout } = await move.run(["verify", "run", "--table", "public.bag", "--json"]);
      assert.equal(code, 0, stdout);
    }
  });

  it("differs by one row, under the same writes, and names it once they rest", async () => {
    // A row that no change of the source's is about: one that it changed would stop the stream.
    await query(move.targetDb, "insert into bag (t) values ('by somebody else')");
    const { code, stdout } = await move.run(["verify", "run", "--table", "public.bag", "--json"]);
    assert.equal(code, 12, stdout);
    assert.ok(((await writers?.stop()) ?? 0) > 100, "they did write");
    const diff = await move.run(["verify", "diff", "--table", "public.bag", "--json"]);
    assert.equal(diff.code, 12, diff.stdout);
    const [{ differences }] = diff.json().result.tables;
    assert.deepEqual(
      differences.map(({ kind }: { kind: string }) => kind),
      ["extra"],
      diff.stdout,
    );
  });
});

/** One statement after the other on each connection; how many there were when stopped. */
function write(clients: readonly pg.Client[]): { stop(): Promise<number> } {
  let stopped = false;
  let count = 0;
  const all = clients.map(async (client, number) => {
    for (let turn = number; !stopped; turn += 1) {
      // Two that meet on a row: one is told so and tries another.
      await client.query(WRITES[turn % WRITES.length] as string).catch(() => undefined);
      count += 1;
      // Without a key each change looks through the whole table at the target: it must keep up.
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await client.end();
  });
  return {
    async stop() {
      stopped = true;
      await Promise.all(all);
      return count;
    },
  };
}
