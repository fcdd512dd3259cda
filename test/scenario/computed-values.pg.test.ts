/** What a side computes by itself (generated columns, index entries, materialized views) reads settings: it must read those of the application. */

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type pg from "pg";
import { query, waitFor } from "../support/database.ts";
import { deadline } from "../support/deadline.ts";
import { MANY_ORIGINS, newMove, type Pair, startPair } from "./move-bench.ts";

const OWN = {
  timezone: "Asia/Kathmandu",
  datestyle: "SQL, DMY",
  intervalstyle: "iso_8601",
  extra_float_digits: "-10",
  bytea_output: "escape",
  "app.tenant": 'it\'s "one"',
};

const SQL = `
  do $$ begin ${Object.entries(OWN)
    .map(([name, value]) => `execute format('alter database %I set ${name} = %s', current_database(), $q$${quoted(value)}$q$);`)
    .join(" ")} end $$;
  create function shown(t timestamptz, i interval, f float8, b bytea) returns text language sql immutable
    as $$ select concat_ws(' ', t, i, f, b, to_char(t, 'HH24 TZ'), current_setting('app.tenant')) $$;
  create function day_of(t timestamptz) returns date language sql immutable as 'select t::date';
  create table moments (id int primary key, t timestamptz, i interval, f float8, b bytea,
    said text generated always as (shown(t, i, f, b)) stored, check (day_of(t) > '1990-01-01'));
  create index moments_day on moments (day_of(t));
  create unique index moments_said on moments (shown(t, i, f, b));
  create materialized view days as select day_of(t) as day, count(*) as n, min(shown(t, i, f, b)) as first from moments group by 1;`;

function quoted(value: string): string {
  return value.includes(",") ? value.replace(/[^, ]+/g, "'$&'") : `'${value.replaceAll("'", "''")}'`;
}

async function databaseOf(client: pg.Client): Promise<string> {
  const { rows } = await client.query<{ name: string }>("select quote_ident(current_database()) as name");
  return rows[0]?.name ?? "";
}

const rows = (from: number, to: number): string =>
  `insert into moments select n, timestamptz '2026-03-01 12:00+00' + n * interval '37 minutes', n * interval '-1 month 25 hours' , 1.0 / n, decode(lpad(to_hex(n), 8, '0'), 'hex') from generate_series(${from}, ${to}) n`;

/** Whatever changes what the catalog's functions print, and how statements are read; and a table that is nobody's business. */
const PRINTED = `
  do $$ begin ${["quote_all_identifiers = on", "standard_conforming_strings = off", "transform_null_equals = on", "lc_monetary = 'C.UTF-8'"]
    .map((one) => `execute format('alter database %I set ${one.replaceAll("'", "''")}', current_database());`)
    .join(" ")} end $$;
  create type mood as enum ('sad', 'it''s \\ glad');
  create table priced (id int primary key, m mood default 'it''s \\ glad', price money default 1234.5::numeric::money, check (m <> null or true));
  insert into priced (id) values (1); create view moods as select m, '\\' as slash from priced;
  create schema closed; create table closed.theirs (id int primary key); create table closed."and ""more" (id int);
  create role plain_mover login replication;
  grant create on database DATABASE to plain_mover; grant all on schema public to plain_mover; grant select on all tables in schema public to plain_mover;
  alter table priced owner to plain_mover`;

describe("values that a side computes by itself", { timeout: deadline(200_000) }, () => {
  let pair: Pair;
  before(async () => {
    pair = await startPair(
      { version: 14, settings: MANY_ORIGINS },
      { version: 15, settings: { ...MANY_ORIGINS, timezone: "America/Lima" } },
    );
  });
  after(() => pair[Symbol.asyncDispose]());

  it("are printed and read alike, whatever the database sets; and a table that our role may not read is left out by name", async () => {
    const move = await newMove(pair, {
      prepare: async (client) => void (await client.query(PRINTED.replace("DATABASE", await databaseOf(client)))),
      config: 'tables: { include: ["public.*"] }',
    });
    move.configure({
      urls: { source: move.sourceDb.url.replace("postgres@", "plain_mover@") },
      config: 'tables: { include: ["public.*"] }',
    });
    const run = await move.run(["run", "--until", "caught-up"]);
    assert.equal(run.code, 0, run.stderr);
    assert.match(run.stderr, /TABLE_LEFT_OUT.*closed\.theirs/);
    const all = "select id, m, price::numeric, (select slash from moods) as slash from priced";
    assert.deepEqual(await query(move.targetDb, all), await query(move.sourceDb, all));
    await query(move.targetDb, "insert into priced (id) values (2)");
    assert.deepEqual(await query(move.targetDb, "select price::numeric as price, m from priced where id = 2"), [
      { price: "1234.50", m: "it's \\ glad" },
    ]);
  });

  it("are those of the application's sessions, loaded or streamed, and an index finds its rows", async () => {
    const move = await newMove(pair, { sql: SQL });
    // Another session: it has the database's settings.
    await query(move.sourceDb, `${rows(1, 40)}; refresh materialized view days`);
    const first = await move.run(["run", "--until", "caught-up"]);
    assert.equal(first.code, 0, first.stderr);
    await query(move.sourceDb, `${rows(41, 60)}; update moments set t = t + interval '1 hour' where id % 3 = 0`);
    const second = await move.run(["run", "--until", "caught-up"]);
    assert.equal(second.code, 0, second.stderr);
    // The target computes under another setting by mistake of somebody: rows are equal as far as they travel.
    const asApplication = Object.entries(OWN)
      .map(([name, value]) => `set ${name} = ${quoted(value)};`)
      .join(" ");
    const running = move.start(["run"]);
    await waitFor(async () => (await move.run(["status", "--json"])).json().result.phase === "streaming", {
      deadlineMs: 60_000,
      what: "streaming",
      everyMs: 200,
    });
    try {
      assert.equal((await move.run(["verify", "run"])).code, 0);
      await query(
        move.targetDb,
        "set app.tenant = 'another'; set timezone = 'UTC'; update moments set f = f where id = 7; update moments set i = i where id = 8",
      );
      const different = await move.run(["verify", "run", "--json"]);
      assert.equal(different.code, 12, different.stdout);
      const diff = await move.run(["verify", "diff", "--json"]);
      const named = JSON.stringify(diff.json().result);
      for (const id of [7, 8]) assert.match(named, new RegExp(`"key":\\["${id}"\\],"columns":\\["said"\\]`));
      await query(move.targetDb, ["7", "8"].map((id) => `${asApplication} update moments set f = f where id = ${id}`).join(";"));
      assert.equal((await move.run(["verify", "run"])).code, 0);
    } finally {
      await running.kill();
    }
    const all = "select id, said from moments order by id";
    assert.deepEqual(await query(move.targetDb, all), await query(move.sourceDb, all));
    for (const [name, value] of Object.entries(OWN)) {
      await query(
        move.targetDb,
        `do $$ begin execute format('alter database %I set ${name} = %s', current_database(), $q$${quoted(value)}$q$); end $$`,
      );
    }
    const days = "select day::text, n, first from days order by 1";
    assert.deepEqual(await query(move.targetDb, days), await query(move.sourceDb, days));
    const found = `set enable_seqscan = off; set enable_bitmapscan = off;
      select (select count(*)::int from moments m where exists (select from moments x where day_of(x.t) = day_of(m.t) and x.id = m.id)) as by_day,
             (select count(*)::int from moments m where (select x.id from moments x where shown(x.t, x.i, x.f, x.b) = m.said) = m.id) as by_said`;
    for (const side of [move.sourceDb, move.targetDb]) assert.deepEqual(await query(side, found), [{ by_day: 60, by_said: 60 }]);
  });
});

describe("a virtual column (18) that is put there anew with another expression at the source", { timeout: deadline(200_000) }, () => {
  it("writes no row and streams nothing: told, compared, and between the two the cutover stays closed", async () => {
    await using pair = await startPair({ version: 18 }, { version: 18, settings: MANY_ORIGINS });
    // SET EXPRESSION is refused for a virtual column of a published table (manual: "ALTER TABLE").
    const anew = "alter table v drop column b, add column b int generated always as (a * 3) virtual";
    const sql = "create table v (id int primary key, a int, b int generated always as (a * 2) virtual);";
    const move = await newMove(pair, {
      sql: `${sql} insert into v select i, i from generate_series(1, 100) i`,
      targetSql: sql,
      config: "cutover: { routing: [ { kind: document, file: route.json } ] }",
    });
    assert.equal((await move.run(["run", "--until", "verified"])).code, 0);
    const doubts = async (): Promise<readonly string[]> => {
      const gates = (await move.run(["cutover", "check", "--json"])).json().result.gates as {
        id: string;
        evidence: Record<string, unknown>;
      }[];
      return (gates.find(({ id }) => id === "verified")?.evidence.changedSince ?? []) as string[];
    };
    assert.deepEqual(await doubts(), []);
    await query(move.sourceDb, anew);
    assert.match((await doubts()).join(), /^EXPRESSION_CHANGED: generated columns of public\.v /);
    const different = await move.run(["run", "--until", "verified"]);
    assert.equal(different.code, 12, different.stdout + different.stderr);
    assert.match((await doubts()).join(), /^EXPRESSION_CHANGED/);
    await query(move.targetDb, anew);
    assert.equal((await move.run(["run", "--until", "verified"])).code, 0);
    assert.deepEqual(await doubts(), []);
  });
});
