import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, suite, test } from "node:test";
import type { PghaulError } from "../../../src/errors/pghaul-error.ts";
import type { Table } from "../../../src/model/table.ts";
import { resolveConnection } from "../../../src/postgres/resolve-connection.ts";
import type { AccessDifference } from "../../../src/side/postgres/catalog/compare-access.ts";
import { analyze } from "../../../src/target/postgres/schema/analyze.ts";
import { findClientTools } from "../../../src/target/postgres/schema/archive/client-tools.ts";
import { SchemaMove, type SchemaMoveOptions, type SchemaProgress } from "../../../src/target/postgres/schema/schema-move.ts";
import { readSequences, setSequences } from "../../../src/target/postgres/schema/sequences.ts";
import { requireEmpty, requireSameSchema, schemaDifferences, tablesWithRows } from "../../../src/target/postgres/schema/target-checks.ts";
import { createDatabase, query, type TestDatabase } from "../../support/database.ts";
import { type PgServer, startServer } from "../../support/pg-server.ts";
import { describeTable, hasCode } from "./bench.ts";

/** Everything that has ever broken a schema move: order, names, quoting, objects of one kind that look like another. */
const RICH = `
create extension citext;
create schema "Sales Dept";
create domain "Sales Dept".email as citext check (value like '%@%');
create type "Sales Dept".state as enum ('new', 'it''s done');
create type pair as (a int, "B" text);
create function touch() returns trigger language plpgsql as $fn$
-- Name: evil; Type: TABLE; Schema: public; Owner: -
-- SET transaction_timeout = 0;
begin new.note := 'touched; --'; return new; end $fn$;
create table "Sales Dept"."Customers" (id bigint generated always as identity primary key, mail "Sales Dept".email not null unique,
  state "Sales Dept".state default 'new', tags text[], p pair, upper_mail text generated always as (upper(mail::text)) stored, note text);
create table orders (region text, id bigint, customer bigint not null references "Sales Dept"."Customers" on delete cascade deferrable initially deferred,
  total numeric(12,2) check (total >= 0), span int4range, primary key (region, id)) partition by list (region);
create table orders_eu partition of orders for values in ('eu');
create table orders_rest partition of orders default partition by hash (id);
create table orders_rest_0 partition of orders_rest for values with (modulus 2, remainder 0);
create table orders_rest_1 partition of orders_rest for values with (modulus 2, remainder 1);
create index orders_total on orders (total) include (customer);
create index on orders_eu (lower(region)) where total > 10;
create table slots (room int, during int4range, code text not null, exclude using gist (during with &&));
create unique index slots_code on slots (code);
alter table slots replica identity using index slots_code;
create table lines (id serial primary key, customer bigint references "Sales Dept"."Customers", slot text references slots (code), unlogged_note text);
create table logs (what text); alter table logs replica identity full;
create unlogged table scratch (id int primary key);
create table old_stuff (id int primary key);
alter table lines add constraint positive check (id > 0) not valid;
create view customer_names as select id, mail from "Sales Dept"."Customers";
create view grouped as select id, mail, count(*) from "Sales Dept"."Customers" c group by id;
create materialized view totals as select customer, sum(total) as total from orders group by customer;
create unique index on totals (customer);
create materialized view more_totals as select sum(total) as total from totals;
create trigger touch before update on "Sales Dept"."Customers" for each row execute function touch();
alter table "Sales Dept"."Customers" enable always trigger touch;
create rule no_delete as on delete to logs do instead nothing;
alter table lines enable row level security;
create policy mine on lines using (customer > 0);
create statistics line_stats on id, customer from lines;
create sequence "Odd Seq" as smallint increment -2 minvalue -100 maxvalue 5 start 5 cycle;
comment on table orders is 'the orders';
comment on index orders_total is 'by total';
comment on column lines.slot is 'semi;colon';
create function noted() returns event_trigger language plpgsql as 'begin end';
create event trigger watch on ddl_command_end execute function noted();
create publication not_ours for table lines;
create schema pghaul; create table pghaul.marker_m (id text);
insert into "Sales Dept"."Customers" (mail) select i || '@x' from generate_series(1, 20) i;
insert into orders select case when i % 2 = 0 then 'eu' else 'r' || i end, i, i, i from generate_series(1, 20) i;
refresh materialized view totals; refresh materialized view more_totals;
select nextval('"Odd Seq"'), setval('lines_id_seq', 41);`;

/** Materialized views that lean on a key, read by plain views, by another view in a function, and by one that comes before them. */
const LATE = `
create table t (id int primary key, v text);
create materialized view late as select id, v, count(*) as n from t group by id;
create view over_late as select * from late; comment on view over_late is 'over';
create function in_late() returns bigint language plpgsql as 'begin return (select count(*) from public.reads_late); end';
create materialized view reads_late as select count(*) as n from over_late;
create materialized view a_called as select in_late() + 1 as n with no data;
create unique index on late (id);
create view rich as select l.*, r.n as all_of_them from over_late l cross join reads_late r;
insert into t values (1, 'a'); refresh materialized view late; refresh materialized view reads_late; refresh materialized view a_called`;

suite("schema move from 14 to 15", () => {
  let source: PgServer;
  let target: PgServer;
  let home: string;
  before(async () => {
    home = await mkdtemp(path.join(tmpdir(), "schema-move-"));
    [source, target] = await Promise.all([
      startServer({ version: 14, passwords: { dumper: "p:a\\ss w'ord" } }),
      startServer({ version: 15 }),
    ]);
  });
  after(async () => {
    await Promise.all([source[Symbol.asyncDispose](), target[Symbol.asyncDispose]()]);
    await rm(home, { recursive: true });
  });

  interface Sides {
    readonly from: TestDatabase;
    readonly to: TestDatabase;
    readonly tables: readonly Table[];
    readonly options: SchemaMoveOptions;
  }

  async function sides(overrides: Partial<SchemaMoveOptions> = {}, sql = RICH): Promise<Sides> {
    const [from, to] = [await createDatabase(source), await createDatabase(target)];
    await query(from, sql);
    const tables =
      sql !== RICH
        ? []
        : await Promise.all([
            describeTable(from, "Sales Dept.Customers", ["id"]),
            describeTable(from, "public.orders", ["region", "id"]),
            describeTable(from, "public.slots", ["code"]),
            describeTable(from, "public.lines", ["id"]),
            describeTable(from, "public.logs", null),
          ]);
    const options: SchemaMoveOptions = {
      source: resolveConnection({ url: from.url }),
      connect: (side) => (side === "source" ? from : to).connect(),
      searchPath: "public",
      dir: path.join(home, from.name),
      migration: "m",
      dumpOptions: [],
      excludeTables: [{ schema: "public", name: "old_stuff" }],
      owners: true,
      privileges: true,
      indexWorkers: 2,
      env: process.env,
      signal: new AbortController().signal,
      ...overrides,
    };
    return { from, to, tables, options };
  }

  async function copyRows({ from, to }: Sides): Promise<void> {
    const rows = await query<{ id: string; mail: string }>(from, `select id, mail::text from "Sales Dept"."Customers"`);
    await query(
      to,
      `insert into "Sales Dept"."Customers" (id, mail) overriding system value select * from unnest($1::bigint[], $2::text[])`,
      [rows.map(({ id }) => id), rows.map(({ mail }) => mail)],
    );
    const orders = await query<{ region: string; id: string }>(from, "select region, id from orders");
    await query(to, "insert into orders select region, id, id, id from unnest($1::text[], $2::bigint[]) as o(region, id)", [
      orders.map(({ region }) => region),
      orders.map(({ id }) => id),
    ]);
  }

  async function copyRich(sides: Sides): Promise<void> {
    if ((await query(sides.to, `select from "Sales Dept"."Customers" limit 1`)).length === 0) await copyRows(sides);
  }

  async function moveAll(
    sides: Sides,
    stopAt?: (progress: SchemaProgress) => void,
    fill = () => copyRich(sides),
  ): Promise<readonly AccessDifference[]> {
    const move = await SchemaMove.open(sides.options);
    try {
      await move.preData(stopAt);
      await move.keyIndexes(sides.tables, stopAt);
      await fill();
      for (const table of sides.tables) await move.tableIndexes(table, stopAt);
      return await move.finish(stopAt);
    } finally {
      await move.close();
    }
  }

  /** What makes up a schema, as the catalog tells it: one text for each object. */
  async function outline(database: TestDatabase, rowsOf = "more_totals"): Promise<string[]> {
    const rows = await query<{ line: string }>(
      database,
      `
      select 'column ' || a.attrelid::regclass || '.' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod) || ' ' || a.attnotnull || a.attidentity::text || a.attgenerated::text
             || coalesce(' default ' || pg_get_expr(d.adbin, d.adrelid), '') as line
        from pg_attribute a join pg_class c on c.oid = a.attrelid left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
       where a.attnum > 0 and c.relnamespace::regnamespace::text not in ('pg_catalog', 'information_schema', 'pg_toast', 'pghaul')
      union all select 'relation ' || c.oid::regclass || ' ' || c.relkind::text || c.relreplident::text || c.relpersistence::text || c.relrowsecurity || coalesce(c.relispopulated::text, '') || coalesce(pg_get_expr(c.relpartbound, c.oid), '')
        from pg_class c where c.relnamespace::regnamespace::text not in ('pg_catalog', 'information_schema', 'pg_toast', 'pghaul')
      union all select 'index ' || pg_get_indexdef(i.indexrelid) || ' ' || i.indisvalid || i.indisreplident || coalesce((select inhparent::regclass::text from pg_inherits where inhrelid = i.indexrelid), '')
        from pg_index i join pg_class c on c.oid = i.indexrelid where c.relnamespace::regnamespace::text not in ('pg_catalog', 'pg_toast', 'pghaul')
      union all select 'constraint ' || coalesce(conrelid::regclass::text, '') || ' ' || conname || ' ' || pg_get_constraintdef(oid) || convalidated from pg_constraint
        where connamespace::regnamespace::text not in ('pg_catalog', 'information_schema', 'pghaul')
      union all select 'trigger ' || pg_get_triggerdef(oid) || tgenabled::text from pg_trigger where not tgisinternal
      union all select 'event trigger ' || evtname from pg_event_trigger
      union all select 'rule ' || pg_get_ruledef(r.oid) from pg_rewrite r join pg_class c on c.oid = r.ev_class where c.relnamespace::regnamespace::text not in ('pg_catalog', 'information_schema')
      union all select 'policy ' || polname || pg_get_expr(polqual, polrelid) from pg_policy
      union all select 'function ' || pg_get_functiondef(oid) from pg_proc where pronamespace::regnamespace::text in ('public', '"Sales Dept"') and prolang <> (select oid from pg_language where lanname = 'c') and probin is null and prokind = 'f' and proname not like '%citext%'
      union all select 'statistics ' || pg_get_statisticsobjdef(oid) from pg_statistic_ext
      union all select 'comment ' || description from pg_description where classoid in ('pg_class'::regclass) and objoid > 16384
      union all select 'view row ' || t::text from ${rowsOf} t
      union all select 'extension ' || extname from pg_extension
      order by 1`,
    );
    return rows.map(({ line }) => line);
  }

  function withoutExcluded(lines: readonly string[]): string[] {
    return lines.filter((line) => !line.includes("old_stuff"));
  }

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
        /it tries: refresh materialized view public\."Broken";$/.test((error as PghaulError).suggestion ?? ""),
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

  test("a role that the target does not have costs what names it, and nothing else", async () => {
    const all = await sides();
    await query(
      all.from,
      'create role "Only Here"; create role clerk; grant select on lines to "Only Here", clerk; alter table orders owner to clerk',
    );
    await query(all.from, "create policy theirs on lines to \"Only Here\"; comment on policy theirs on lines is 'its comment'");
    await query(all.to, "create role clerk");
    const left = await moveAll(all);
    assert.deepEqual(
      left.map(({ kind, statement, obstacle }) => [kind, statement, obstacle]),
      [
        ["grant", 'grant select on table public.lines to "Only Here"', 'the target has no role "Only Here"'],
        [
          "policy",
          "create policy theirs on public.lines as permissive for all to \"Only Here\"; comment on policy theirs on public.lines is 'its comment'",
          'the target has no role "Only Here"',
        ],
      ],
    );
    const [found] = await query(
      all.to,
      "select has_table_privilege('clerk', 'lines', 'select') as given, (select relowner::regrole::text from pg_class where relname = 'orders') as owner, array(select polname::text from pg_policy) as policies",
    );
    assert.deepEqual(found, { given: true, owner: "clerk", policies: ["mine"] });
    await query(all.from, 'drop owned by "Only Here", clerk cascade; drop role "Only Here", clerk');
    await query(all.to, "drop owned by clerk cascade; drop role clerk");
  });

  for (const [owners, privileges] of [
    [false, true],
    [true, false],
  ] as const) {
    test(`owners are ${owners ? "kept" : "dropped"} and grants ${privileges ? "kept" : "dropped"}, each as asked`, async () => {
      const all = await sides({ owners, privileges });
      for (const side of [all.from, all.to]) await query(side, "create role clerk");
      await query(all.from, "alter table lines owner to clerk; grant select on orders to clerk");
      await moveAll(all);
      const [owner] = await query(all.to, "select pg_get_userbyid(relowner)::text as name from pg_class where relname = 'lines'");
      const [grant] = await query(all.to, "select has_table_privilege('clerk', 'orders', 'select') as given");
      assert.deepEqual([owner, grant], [{ name: owners ? "clerk" : "postgres" }, { given: privileges }]);
      for (const side of [all.from, all.to]) await query(side, "drop owned by clerk cascade; drop role clerk");
    });
  }

  test("a password reaches pg_dump by a file, and the file goes, a killed run's too", async () => {
    const all = await sides();
    await query(all.from, 'grant usage on schema "Sales Dept", pghaul to dumper; grant pg_read_all_data to dumper');
    const left = path.join(all.options.dir, "schema.dump.connection");
    mkdirSync(left, { recursive: true });
    writeFileSync(path.join(left, "passfile"), "of a killed run");
    const move = await SchemaMove.open({ ...all.options, source: resolveConnection({ url: source.url(all.from.name, "dumper") }) });
    await move.close();
    assert.deepEqual(readdirSync(all.options.dir), ["schema.dump"]);
    await query(all.from, "drop owned by dumper");
  });

  test("pg_dump's own words tell why the dump failed", async () => {
    const all = await sides();
    await assert.rejects(
      SchemaMove.open({ ...all.options, source: resolveConnection({ url: source.url("no_such_database") }) }),
      (error) => hasCode("SOURCE_QUERY")(error) && /no_such_database/.test(String(error)),
    );
    assert.ok(!existsSync(path.join(all.options.dir, "schema.dump")));
  });

  test("no pg_dump that is new enough: TOOL_MISSING names version and package", async () => {
    await assert.rejects(
      findClientTools(99, process.env),
      (error) =>
        hasCode("TOOL_MISSING")(error) &&
        /needs pg_dump 99/.test(String(error)) &&
        /postgresql-client-99/.test((error as PghaulError).suggestion ?? ""),
    );
    await assert.rejects(findClientTools(13, { PGHAUL_PG_BIN: home, PATH: process.env.PATH }), hasCode("TOOL_MISSING"));
    assert.ok((await findClientTools(13, process.env)).major >= 13);
  });

  test("sequences are set ahead by steps of their own, within their limits, and never back", async () => {
    const ddl =
      "create sequence up increment 5; create sequence down increment -3; create sequence small as smallint maxvalue 50; create sequence turning maxvalue 10 cycle; create sequence unused; create sequence far; create sequence huge";
    const [from, to] = [await createDatabase(source), await createDatabase(target)];
    await query(
      from,
      `${ddl}; select setval('up', 101), setval('down', -10), setval('small', 45), setval('turning', 9), setval('far', 3), setval('huge', 9223372036854775806)`,
    );
    await query(to, `${ddl}; select setval('far', 1000)`);
    const [read, write] = [await from.connect(), await to.connect()];
    const states = await readSequences(read);
    assert.equal(states.length, 6);
    assert.deepEqual(await setSequences(write, [...states, { schema: "public", name: "gone", lastValue: "1" }], 10), [
      { schema: "public", name: "gone", lastValue: "1" },
    ]);
    const { rows } = await write.query(
      "select sequencename as name, last_value::text as last from pg_sequences where last_value is not null order by 1",
    );
    assert.deepEqual(rows, [
      { name: "down", last: "-40" },
      { name: "far", last: "1000" },
      { name: "huge", last: "9223372036854775807" },
      { name: "small", last: "50" },
      { name: "turning", last: "9" },
      { name: "up", last: "151" },
    ]);
    await Promise.all([read.end(), write.end()]);
  });

  test("a schema that the operator made is compared, and rows that are there are found", async () => {
    const [from, to] = [await createDatabase(source), await createDatabase(target)];
    await query(
      from,
      "create table a (id int primary key, v text not null, w numeric(5,2)); create table b (id int primary key); create table c (id int primary key)",
    );
    await query(
      to,
      "create domain num as numeric(5,2); create table a (id int, v varchar(9), w num, extra int not null, filled int not null default 1); create view b as select 1; insert into a values (1, 'x', 1, 1)",
    );
    const tables = await Promise.all(["a", "b", "c"].map((name) => describeTable(from, `public.${name}`, ["id"])));
    const client = await to.connect();
    assert.deepEqual(await schemaDifferences(client, tables), [
      'public.a."v" is character varying(9), at the source text',
      'public.a."extra" is not at the source, and is not null without a default',
      'public.a has no unique index on ("id")',
      "public.b is not a table",
      "public.c is missing",
    ]);
    await assert.rejects(requireSameSchema(client, tables), hasCode("TARGET_SCHEMA"));
    const [a] = tables as [Table];
    assert.deepEqual(await tablesWithRows(client, [a]), ["public.a"]);
    await assert.rejects(requireEmpty(client, [a]), hasCode("TARGET_NOT_EMPTY"));
    await client.query("truncate a; create unique index on a (id)");
    await requireEmpty(client, [a]);
    assert.equal((await schemaDifferences(client, [a])).length, 2);
    await analyze(client, a);
    assert.deepEqual((await client.query("select reltuples from pg_class where relname = 'a'")).rows, [{ reltuples: 0 }]);
    await client.end();
  });
});
