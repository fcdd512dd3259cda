import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { after, before, suite, test } from "node:test";
import type { PghaulError } from "../../../src/errors/pghaul-error.ts";
import { SchemaMove, type SchemaMoveOptions } from "../../../src/target/postgres/schema/schema-move.ts";
import { requireSameSchema } from "../../../src/target/postgres/schema/target-checks.ts";
import { query } from "../../support/database.ts";
import { describeTable, hasCode } from "./bench.ts";
import {
  LATE,
  moveAll,
  openSides,
  outline,
  RICH,
  type SchemaServers,
  type Sides,
  startSchemaServers,
  withoutExcluded,
} from "./schema-bench.ts";

suite("schema move from 14 to 15", () => {
  let servers: SchemaServers;
  before(async () => {
    servers = await startSchemaServers();
  });
  after(() => servers[Symbol.asyncDispose]());

  const sides = (overrides: Partial<SchemaMoveOptions> = {}, sql = RICH): Promise<Sides> => openSides(servers, overrides, sql);

  test("a rich schema arrives whole, in the order the load needs", async () => {
    const all = await sides();
    assert.deepEqual(await moveAll(all), []);
    assert.deepEqual(await outline(all.to), withoutExcluded(await outline(all.from)));
    assert.deepEqual(await query(all.to, "select from pg_publication"), []);
    await requireSameSchema(
      { query: (text, values) => query(all.to, text, values ?? []).then((rows) => ({ rows, rowCount: rows.length }) as never) },
      all.tables,
    );
    assert.deepEqual(readdirSync(all.options.dir), ["schema.dump"]);
  });

  test("before the rows come: keys and replica identities, and nothing else", async () => {
    const all = await sides();
    const move = await SchemaMove.open(all.options);
    const names: string[] = [];
    await move.preData();
    await move.keyIndexes(all.tables, ({ name, done, total }) => names.push(`${done}/${total} ${name}`));
    await move.close();
    assert.match(
      names.join("\n"),
      /CONSTRAINT Sales Dept Customers Customers_pkey[\s\S]*INDEX public slots_code[\s\S]*INDEX ATTACH public orders_eu_pkey/,
    );
    const indexes = await query<{ name: string }>(
      all.to,
      "select indexrelid::regclass::text as name from pg_index i join pg_class c on c.oid = i.indexrelid where c.relnamespace = 'public'::regnamespace order by 1",
    );
    assert.deepEqual(
      indexes.map(({ name }) => name),
      ["lines_pkey", "orders_eu_pkey", "orders_pkey", "orders_rest_0_pkey", "orders_rest_1_pkey", "orders_rest_pkey", "slots_code"],
    );
    assert.deepEqual(
      await query(
        all.to,
        "select distinct indisvalid from pg_index i join pg_class c on c.oid = i.indexrelid where c.relname like 'orders%'",
      ),
      [{ indisvalid: true }],
    );
    assert.deepEqual(await query(all.to, "select relreplident from pg_class where relname = 'slots'"), [{ relreplident: "i" }]);
    assert.deepEqual(await query(all.to, "select from pg_trigger where not tgisinternal"), []);
  });

  test("a partition's key that is attached to a mere unique index of the root is attached once that is there", async () => {
    const all = await sides(
      {},
      `create table root (id int not null, v text) partition by range (id); create table part (id int primary key, v text);
      alter table root attach partition part for values from (0) to (100); create unique index root_id on only root (id); alter index root_id attach partition part_pkey`,
    );
    await moveAll({ ...all, tables: [await describeTable(all.from, "public.root", ["id"])] }, undefined, () => Promise.resolve());
    assert.deepEqual(
      await query(
        all.to,
        "select indexrelid::regclass::text as name from pg_index where not indisvalid and indrelid::regclass::text in ('root', 'part')",
      ),
      [],
    );
    assert.deepEqual(await outline(all.to, "pg_am"), await outline(all.from, "pg_am"));
  });

  test("killed after every few objects and begun again, it ends the same", async () => {
    const all = await sides();
    let rounds = 0;
    const seen = new Set<string>();
    for (let finished = false; !finished; rounds++) {
      assert.ok(rounds < 200);
      let left = 4;
      const crash = new Error("killed");
      await moveAll(all, ({ name }) => {
        if (seen.has(name)) return;
        seen.add(name);
        left -= 1;
        if (left === 0) throw crash;
      }).then(
        () => (finished = true),
        (error: unknown) => assert.equal(error, crash),
      );
    }
    assert.ok(rounds > 5, `${rounds} rounds`);
    assert.deepEqual(await outline(all.to), withoutExcluded(await outline(all.from)));
  });

  test("a backend that dies in the middle of an object leaves nothing of it", async () => {
    const all = await sides();
    let killed = false;
    await assert.rejects(
      moveAll(all, ({ name }) => {
        if (killed || !name.includes("orders_total")) return;
        killed = true;
        void query(
          all.to,
          "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()",
        );
        throw new Error("killed");
      }),
    );
    assert.ok(killed);
    await moveAll(all);
    assert.deepEqual(await outline(all.to), withoutExcluded(await outline(all.from)));
  });

  test("an object that somebody else made is an error with advice, never skipped", async () => {
    const all = await sides();
    await query(all.to, "create table slots (mine int)");
    await assert.rejects(
      moveAll(all),
      (error) =>
        hasCode("TARGET_SCHEMA")(error) &&
        /already exists/.test(String(error)) &&
        /schema: existing/.test((error as PghaulError).suggestion ?? ""),
    );
  });

  test("what pg_dump postpones behind a key comes there, and each materialized view is filled after those it reads", async () => {
    const all = await sides({}, LATE);
    await moveAll(all, undefined, () =>
      query(all.to, "insert into t values (1, 'a'), (2, 'b') on conflict do nothing").then(() => undefined),
    );
    assert.deepEqual(
      await query(
        all.to,
        "select (select count(*)::int from late) as late, (select n::int from reads_late) as reads, (select n::int from a_called) as called",
      ),
      [{ late: 2, reads: 2, called: 2 }],
    );
    assert.deepEqual(await outline(all.to, "pg_am"), await outline(all.from, "pg_am"));
  });

  test("a materialized view that cannot be filled is named with its statement, and the others are filled", async () => {
    const all = await sides({}, `${LATE}; create materialized view "Broken" as select 1 / (select count(*) - 2 from t) as v`);
    const fill = (): Promise<void> => query(all.to, "insert into t values (1, 'a'), (2, 'b') on conflict do nothing").then(() => undefined);
    await assert.rejects(
      moveAll(all, undefined, fill),
      (error) =>
        hasCode("TARGET_SCHEMA")(error) &&
        /"refresh materialized view public\."Broken"" failed: .*division by zero/.test(String(error)) &&
        /It tries: refresh materialized view public\."Broken";$/.test((error as PghaulError).suggestion ?? ""),
    );
    assert.deepEqual(await query(all.to, "select n::int from reads_late"), [{ n: 2 }]);
    // A cause that goes at the source is seen by the next run.
    await query(all.from, 'drop materialized view "Broken"');
    await moveAll(all, undefined, fill);
  });

  test("names with line ends and separators in them are names like others", async () => {
    const odd = ["two\nlines", "car\rriage", "sep\u2028arator", "par\u2029agraph", "ne\u0085xt", " ", "a b", "a\nb"];
    const quoted = odd.map((name) => `"${name}"`);
    const all = await sides(
      {},
      `create table root (id int primary key, v text) partition by range (id);
      ${quoted.map((name, i) => `create table ${name} partition of root for values from (${i}) to (${i + 1}); create index "ix${name.slice(1)} on ${name} (v);`).join("\n")}
      create index on root (v);
      ${quoted.map((name) => `create view "v${name.slice(1)} as select 1 as ${name}; comment on view "v${name.slice(1)} is 'x'; create function "f${name.slice(1)}() returns int language sql as 'select 1'; create sequence "s${name.slice(1)}; create type "t${name.slice(1)} as enum ('x');`).join("\n")}`,
    );
    const tables = [await describeTable(all.from, "public.root", ["id"])];
    const filled = (): Promise<void> => query(all.to, "insert into root select i, i from generate_series(0, 7) i").then(() => undefined);
    await moveAll({ ...all, tables }, undefined, filled);
    assert.deepEqual(await outline(all.to, "pg_am"), await outline(all.from, "pg_am"));
    assert.deepEqual(
      await query(all.to, "select relname from pg_class c join pg_index i on i.indexrelid = c.oid where not indisvalid"),
      [],
    );
  });

  test("one failed object among a hundred is named, and its cause is seen by the next run when it goes at the source", async () => {
    const views = Array.from({ length: 60 }, (_, i) => `create view v${i} as select id from t;`).join(" ");
    const all = await sides(
      {},
      `create table t (id int primary key); ${views} create view bad as select citext('x') as c from t; create extension citext`
        .replace(/^/, "create extension citext; ")
        .replace("; create extension citext", ""),
    );
    await query(all.to, "create schema elsewhere; create extension citext schema elsewhere");
    const fill = (): Promise<void> => Promise.resolve();
    await assert.rejects(
      moveAll({ ...all, tables: [] }, undefined, fill),
      (error) => hasCode("TARGET_SCHEMA")(error) && /^PghaulError: "VIEW public bad postgres" could not be created: /.test(String(error)),
    );
    await query(all.from, "drop view bad");
    await moveAll({ ...all, tables: [] }, undefined, fill);
    assert.deepEqual(await query(all.to, "select count(*)::int as n from pg_views where schemaname = 'public'"), [{ n: 60 }]);
  });
});
