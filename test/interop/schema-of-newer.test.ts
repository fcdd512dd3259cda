/** The schema of a 16, 17 and 18 is moved by pg_dump 18; the machines that tests run on have an older one. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MANY_ORIGINS, newMove, startPair } from "../scenario/move-bench.ts";
import { query } from "../support/database.ts";
import { deadline } from "../support/deadline.ts";
import { newestClientTools } from "./client-tools.ts";

const SCHEMA = `
  create type mood as enum ('sad', 'glad');
  create table t (id int primary key, m mood, v text unique nulls not distinct, twice int generated always as (id * 2) stored, check (id > 0));
  create index "ix\u2028" on t (lower(v)); create table child (id int primary key, t int not null references t) partition by range (id);
  create table "child\n1" partition of child for values from (0) to (100); create index on child (t);
  create materialized view late as select id, v, count(*) as n from t group by id; create view over_late as select * from late;
  create function touch() returns trigger language plpgsql as 'begin return new; end'; create trigger touch before update on t for each row execute function touch();
  insert into t select i, 'glad', i from generate_series(1, 50) i; insert into child select i, i from generate_series(1, 50) i; refresh materialized view late;`;

const OUTLINE = `
  select pg_get_indexdef(indexrelid) || indisvalid as line from pg_index i join pg_class c on c.oid = i.indexrelid where c.relnamespace = 'public'::regnamespace
  union all select conrelid::regclass || ' ' || pg_get_constraintdef(oid) || convalidated from pg_constraint where connamespace = 'public'::regnamespace and contype <> 'n'
  union all select pg_get_triggerdef(oid) from pg_trigger where not tgisinternal
  union all select 'late ' || l::text from over_late l order by 1`;

const tools = newestClientTools();
if ("missing" in tools) console.error(`NOT TESTED: moving the schema of PostgreSQL 16, 17 and 18. ${tools.missing}`);

describe("the schema of newer versions", { skip: "missing" in tools ? tools.missing : false, timeout: deadline(300_000) }, () => {
  for (const version of [16, 17, 18] as const) {
    it(`PostgreSQL ${version} to 18`, async () => {
      assert.ok("bin" in tools);
      await using pair = await startPair({ version, settings: MANY_ORIGINS }, { version: 18, settings: MANY_ORIGINS });
      const move = await newMove(pair, { sql: SCHEMA });
      const env = { PGHAUL_PG_BIN: tools.bin };
      const check = await move.run(["check"], env);
      assert.match(check.stdout, /client-tools.*\(18\)/);
      const run = await move.run(["run", "--until", "caught-up"], env);
      assert.equal(run.code, 0, run.stderr);
      assert.deepEqual(await query(move.targetDb, OUTLINE), await query(move.sourceDb, OUTLINE));
      assert.deepEqual(await query(move.targetDb, "select count(*)::int as n from child"), [{ n: 50 }]);
    });
  }
});
