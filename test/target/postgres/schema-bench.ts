/** Two servers between which schemas move, and schemas with something of everything. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Table } from "../../../src/model/table.ts";
import { resolveConnection } from "../../../src/postgres/resolve-connection.ts";
import type { AccessDifference } from "../../../src/side/postgres/catalog/compare-access.ts";
import { SchemaMove, type SchemaMoveOptions, type SchemaProgress } from "../../../src/target/postgres/schema/schema-move.ts";
import { createDatabase, query, type TestDatabase } from "../../support/database.ts";
import { type PgServer, startServer } from "../../support/pg-server.ts";
import { describeTable } from "./bench.ts";

/** Everything that has ever broken a schema move: order, names, quoting, objects of one kind that look like another. */
export const RICH = `
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
export const LATE = `
create table t (id int primary key, v text);
create materialized view late as select id, v, count(*) as n from t group by id;
create view over_late as select * from late; comment on view over_late is 'over';
create function in_late() returns bigint language plpgsql as 'begin return (select count(*) from public.reads_late); end';
create materialized view reads_late as select count(*) as n from over_late;
create materialized view a_called as select in_late() + 1 as n with no data;
create unique index on late (id);
create view rich as select l.*, r.n as all_of_them from over_late l cross join reads_late r;
insert into t values (1, 'a'); refresh materialized view late; refresh materialized view reads_late; refresh materialized view a_called`;

export interface SchemaServers extends AsyncDisposable {
  readonly source: PgServer;
  readonly target: PgServer;
  /** Holds what the moves keep. */
  readonly home: string;
}

export async function startSchemaServers(): Promise<SchemaServers> {
  const home = await mkdtemp(path.join(tmpdir(), "schema-move-"));
  const [source, target] = await Promise.all([
    startServer({ version: 14, passwords: { dumper: "p:a\\ss w'ord" } }),
    startServer({ version: 15 }),
  ]);
  return {
    source,
    target,
    home,
    async [Symbol.asyncDispose]() {
      await Promise.all([source[Symbol.asyncDispose](), target[Symbol.asyncDispose]()]);
      await rm(home, { recursive: true });
    },
  };
}

export interface Sides {
  readonly from: TestDatabase;
  readonly to: TestDatabase;
  readonly tables: readonly Table[];
  readonly options: SchemaMoveOptions;
}

/** Two databases, the first with the schema, and what moves it. */
export async function openSides(
  { source, target, home }: SchemaServers,
  overrides: Partial<SchemaMoveOptions> = {},
  sql = RICH,
): Promise<Sides> {
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
    again: false,
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

export async function moveAll(
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
export async function outline(database: TestDatabase, rowsOf = "more_totals"): Promise<string[]> {
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

export function withoutExcluded(lines: readonly string[]): string[] {
  return lines.filter((line) => !line.includes("old_stuff"));
}
