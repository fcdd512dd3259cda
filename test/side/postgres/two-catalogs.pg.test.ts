import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type pg from "pg";
import { readAccess } from "../../../src/side/postgres/catalog/access-queries.ts";
import { askOf } from "../../../src/side/postgres/catalog/ask.ts";
import { compareAccess } from "../../../src/side/postgres/catalog/compare-access.ts";
import { missingObjects, objectTitle } from "../../../src/side/postgres/catalog/compare-objects.ts";
import { compareRoles } from "../../../src/side/postgres/catalog/compare-roles.ts";
import { readObjects } from "../../../src/side/postgres/catalog/object-queries.ts";
import { statementsOf } from "../../../src/side/postgres/catalog/object-statements.ts";
import { namedRoles, readRoles } from "../../../src/side/postgres/catalog/role-queries.ts";
import { applyAccess } from "../../../src/target/postgres/access/apply-access.ts";
import { createDatabase } from "../../support/database.ts";
import { type PgServer, startServer } from "../../support/pg-server.ts";

/** Made on both sides alike: an object of every kind that has an owner or grants. */
const OBJECTS = `
create extension citext;
create schema "My App";
create table "My App"."T ""q""" (id int primary key, "Secret" text, note text);
create table parted (id int, region text, primary key (region, id)) partition by list (region); create table parted_eu partition of parted for values in ('eu');
create view seen as select id, note from "My App"."T ""q"""; create materialized view counted as select count(*) as n from parted;
create sequence "Loose"; create table numbered (id serial primary key, always int generated always as identity);
create function plain(a int, b text default 'x') returns int language sql as 'select 1';
create procedure act(x int) language sql as 'select 1'; create aggregate total(int) (sfunc = int4pl, stype = int, initcond = '0');
create type mood as enum ('a'); create domain positive as int check (value > 0); create type pair as (a int, b int); create type spread as range (subtype = int4);
create foreign data wrapper w; create server s foreign data wrapper w; create foreign table far (id int) server s;
create operator === (function = int4eq, leftarg = int, rightarg = int); create collation mine (locale = 'C'); create statistics st on region, id from parted;
create text search configuration words (copy = simple); create text search dictionary dict (template = simple); create operator family fam using btree;
create function noted() returns event_trigger language plpgsql as 'begin end'; create event trigger watch on ddl_command_end execute function noted();
alter table numbered enable row level security`;

const ROLES = `create role owner_role; create role reader; create role "Odd ""R"""; create role app login in role reader; create role aloof noinherit login in role reader;`;

/** At the source only. */
const ACCESS = `
grant usage on schema "My App" to reader; grant create on schema "My App" to owner_role; grant create on schema public to reader;
grant select on "My App"."T ""q""" to reader with grant option; grant insert, update on "My App"."T ""q""" to "Odd ""R""";
grant select ("Secret"), update (note, id) on "My App"."T ""q""" to owner_role;
grant select on all tables in schema public to reader; grant usage, select on sequence "Loose" to reader; grant select on parted_eu to "Odd ""R""";
revoke execute on function plain(int, text) from public; grant execute on function plain(int, text) to reader; grant execute on procedure act(int) to reader;
revoke execute on function total(int) from public; grant usage on type mood to reader; revoke usage on domain positive from public;
grant usage on foreign data wrapper w to reader; grant usage on foreign server s to reader; revoke usage on language plpgsql from public; grant usage on language plpgsql to reader;
grant execute on function pg_catalog.pg_ls_dir(text) to reader; grant execute on function citext_eq(citext, citext) to reader;
revoke select on numbered from reader; revoke insert on numbered from postgres;
do $$ begin execute format('grant temporary on database %I to "Odd ""R"""', current_database()); end $$;
alter default privileges grant select on tables to reader; alter default privileges for role owner_role in schema "My App" grant execute on functions to "Odd ""R""";
alter default privileges for role owner_role revoke execute on functions from public;
create policy own on numbered as restrictive for update to reader, "Odd ""R""" using (id > 0) with check (id < 9); comment on policy own on numbered is 'it''s';
create policy every on numbered using (true);
alter schema "My App" owner to owner_role; alter table "My App"."T ""q""" owner to owner_role; alter view seen owner to owner_role; alter materialized view counted owner to owner_role;
alter sequence "Loose" owner to owner_role; alter table numbered owner to owner_role; alter function plain(int, text) owner to owner_role; alter procedure act(int) owner to owner_role;
alter aggregate total(int) owner to owner_role; alter type mood owner to owner_role; alter domain positive owner to owner_role; alter type pair owner to owner_role; alter type spread owner to owner_role;
alter server s owner to owner_role; alter foreign table far owner to owner_role; alter operator ===(int, int) owner to owner_role; alter collation mine owner to owner_role;
alter statistics st owner to owner_role; alter text search configuration words owner to owner_role; alter text search dictionary dict owner to owner_role; alter operator family fam using btree owner to owner_role`;

const SCOPE = {
  tables: [
    { schema: "My App", name: 'T "q"' },
    { schema: "public", name: "parted" },
    { schema: "public", name: "numbered" },
  ],
  notNeeded: [],
};

/** Made at the source after the schema was copied. What hangs on an unselected table is nobody's business. */
const LATER = `
create schema "Late"; create table "Late".unselected (id int primary key check (id > 0) default 3); create view "Late".late_view as select id from "Late".unselected;
create materialized view "Late".late_stored as select 1 as one; create index late_stored_key on "Late".late_stored (one);
create function "Late".late_fn(a int, variadic b text[]) returns int language sql as 'select 1'; create procedure late_proc() language sql as 'select 1';
create trigger late_trigger before update on "My App"."T ""q""" for each row execute function suppress_redundant_updates_trigger();
alter table parted add constraint late_check check (id < 1000); alter table numbered add constraint late_key unique (always); alter table numbered add foreign key (id) references "My App"."T ""q""" not valid;
create index late_index on parted (id) where id > 3; alter table parted alter region set default 'eu';
create rule late_rule as on delete to numbered do instead nothing; create policy late_policy on numbered; create statistics late_stats on id, always from numbered;
create type "Late".state as enum ('it''s', 'done'); alter type mood add value 'b' before 'a'; create domain "Late".small as smallint; alter domain positive add constraint late_domain_check check (value < 9);
create sequence late_seq increment -2 minvalue -9 maxvalue 7 start 5 cycle; create event trigger late_event on sql_drop when tag in ('DROP TABLE') execute function noted();
create cast (mood as "Late".small) with inout; create operator <<<>>> (function = int4eq, leftarg = int, rightarg = int); create text search template late_template (lexize = dsimple_lexize);
create user mapping for app server s; create publication late_pub for table numbered, parted with (publish = 'insert, truncate'); create publication late_all for all tables;
create subscription late_sub connection 'host=nowhere' publication other with (connect = false); create publication pghaul_ours; create extension lo`;

const LATER_TITLES = [
  `cast (public.mood AS "Late".small)`,
  "default value for public.parted.region",
  "domain constraint late_domain_check on public.positive",
  "enum label 'b' of public.mood",
  "event trigger late_event",
  "extension lo",
  `function "Late".late_fn(integer,pg_catalog.text[])`,
  `index "Late".late_stored_key`,
  "index public.late_index",
  `materialized view "Late".late_stored`,
  "operator public.<<<>>>(integer,integer)",
  "policy late_policy on public.numbered",
  "procedure public.late_proc()",
  "publication late_all",
  "publication late_pub",
  "rule late_rule on public.numbered",
  `schema "Late"`,
  "sequence public.late_seq",
  "statistics object public.late_stats",
  "subscription late_sub",
  "table constraint late_check on public.parted",
  "table constraint late_key on public.numbered",
  "table constraint numbered_id_fkey on public.numbered",
  "text search template public.late_template",
  `trigger late_trigger on "My App"."T ""q"""`,
  `type "Late".small`,
  `type "Late".state`,
  "user mapping for app on server s",
  `view "Late".late_view`,
];

const EVERYTHING = { owners: true, privileges: true, takeBack: true, grants: true, policies: true };

/** Of each role, what it may do with each relation, column, function, schema and type of these databases. */
const EFFECTIVE = `
  select r.rolname || ' ' || p.privilege || ' ' || o.name as may from pg_roles r
   cross join (
     select 'table ' || c.oid::regclass as name, c.oid, 'r' as kind from pg_class c where c.relkind in ('r', 'p', 'v', 'm', 'f')
     union all select 'sequence ' || c.oid::regclass, c.oid, 'S' from pg_class c where c.relkind = 'S'
     union all select 'column ' || a.attrelid::regclass || '.' || a.attname, a.attrelid, 'c' || a.attnum from pg_attribute a where a.attnum > 0
     union all select 'function ' || oid::regprocedure, oid, 'f' from pg_proc union all select 'schema ' || nspname, oid, 'n' from pg_namespace
     union all select 'type ' || oid::regtype, oid, 't' from pg_type) as o
   cross join lateral (
     select privilege from unnest(array['select', 'insert', 'update', 'delete', 'truncate', 'references', 'trigger']) as privilege where o.kind = 'r' and has_table_privilege(r.oid, o.oid, privilege)
     union all select privilege from unnest(array['usage', 'select', 'update']) as privilege where case when o.kind = 'S' then has_sequence_privilege(r.oid, o.oid, privilege) end
     union all select privilege from unnest(array['select', 'update']) as privilege where case when o.kind like 'c%' then has_column_privilege(r.oid, o.oid, substr(o.kind, 2)::int2, privilege) end
     union all select 'execute' where case when o.kind = 'f' then has_function_privilege(r.oid, o.oid, 'execute') end
     union all select privilege from unnest(array['usage', 'create']) as privilege where case when o.kind = 'n' then has_schema_privilege(r.oid, o.oid, privilege) end
     union all select 'usage' where case when o.kind = 't' then has_type_privilege(r.oid, o.oid, 'usage') end) as p
   where r.rolname in ('owner_role', 'reader', 'Odd "R"', 'app', 'stranger') and (o.oid >= 16384 or o.name in ('schema public', 'function pg_ls_dir(text)'))
     and o.name !~ 'pg_toast|citext|multirange|type .*(Loose|_seq)' order by 1`;

for (const [from, to] of [
  [13, 18],
  [18, 13],
] as const) {
  describe(`owners, grants and policies from ${from} to ${to}`, () => {
    let servers: readonly PgServer[];
    let source: pg.Client;
    let target: pg.Client;
    before(async () => {
      servers = await Promise.all([startServer({ version: from }), startServer({ version: to })]);
      [source, target] = (await Promise.all(servers.map(async (server) => (await createDatabase(server)).connect()))) as [
        pg.Client,
        pg.Client,
      ];
      // The source's public schema is open to everybody, on every version.
      await source.query(`${ROLES} create role stranger login; grant create on schema public to public; ${OBJECTS}`);
      await target.query(
        "create role stranger login; alter default privileges grant all on tables to stranger; alter default privileges grant execute on functions to stranger",
      );
      await target.query(OBJECTS);
      await source.query(ACCESS);
    });
    after(async () => {
      await Promise.all([source?.end(), target?.end()]);
      await Promise.all((servers ?? []).map((server) => server[Symbol.asyncDispose]()));
    });

    const apply = (change: Partial<typeof EVERYTHING> = {}) => applyAccess({ source: askOf(source), target, ...EVERYTHING, ...change });
    const may = async (client: pg.Client): Promise<string[]> => (await client.query(EFFECTIVE)).rows.map((row: { may: string }) => row.may);

    test("a role that is missing is named with what names it; nothing else is left, and what default privileges gave is gone", async () => {
      await target.query('create role reader; create role "Odd ""R"""');
      const left = await apply();
      assert.ok(left.length > 10);
      for (const { roles, obstacle, what } of left) {
        assert.match(`${what}: ${obstacle}`, /no role "owner_role"/);
        assert.ok(roles.includes("owner_role"));
      }
      assert.deepEqual(
        (await may(target)).filter((line) => /^stranger .*(table|plain)/.test(line)),
        [],
      );
      assert.ok((await may(target)).includes('reader select table "My App"."T ""q"""'));
    });

    test("the same again when the role has been made: nothing is left, and every role may do the same at both sides", async () => {
      await target.query("create role owner_role");
      assert.deepEqual(await apply(), []);
      await target.query("create role app login in role reader");
      assert.deepEqual(await may(target), await may(source));
      const policies =
        "select polname, polpermissive, polcmd, pg_get_expr(polqual, polrelid) as qual, obj_description(oid, 'pg_policy') as comment from pg_policy order by 1";
      assert.deepEqual((await target.query(policies)).rows, (await source.query(policies)).rows);
      const owned = "select count(*)::int as n from pg_class where relowner = 'owner_role'::regrole";
      assert.deepEqual((await target.query(owned)).rows, (await source.query(owned)).rows);
      await target.query("set role owner_role; create function \"My App\".later() returns int language sql as 'select 1'; reset role");
      const [later] = (
        await target.query(
          `select has_function_privilege('Odd "R"', '"My App".later()', 'execute') as odd, has_function_privilege('stranger', '"My App".later()', 'execute') as stranger`,
        )
      ).rows;
      assert.deepEqual(later, { odd: true, stranger: false }, "default privileges are the source's");
    });

    test("a right that only the target gives is found, and taken back only when asked for", async () => {
      await target.query(
        'grant delete on "My App"."T ""q""" to public; grant select (id) on numbered to "Odd ""R"""; create policy more on numbered to reader using (true)',
      );
      assert.deepEqual(await apply({ takeBack: false }), []);
      const access = await Promise.all([readAccess(askOf(source)), readAccess(askOf(target))]);
      assert.deepEqual(
        compareAccess(...access, EVERYTHING).map(({ kind, statement }) => [kind, statement]),
        [
          ["extra", 'revoke delete on table "My App"."T ""q""" from public'],
          ["extra", 'revoke select (id) on table public.numbered from "Odd ""R"""'],
          ["extra", "drop policy more on public.numbered"],
        ],
      );
      assert.deepEqual(await apply(), []);
    });

    test("a grant on a function that only the source's version has is named, and closes nothing that nobody can open", async () => {
      const own = from === 13 ? "pg_catalog.pg_start_backup(text,boolean,boolean)" : "pg_catalog.pg_get_acl(oid,oid,integer)";
      await source.query(`grant execute on function ${own} to reader`);
      try {
        const here = await readAccess(askOf(source));
        const found = compareAccess(here, await readAccess(askOf(target), here), EVERYTHING);
        assert.deepEqual(
          found.map(({ kind, what, statement }) => [kind, what.replaceAll("pg_catalog.", ""), statement]),
          [["grant", `function ${own.replaceAll("pg_catalog.", "")}`, null]],
        );
      } finally {
        await source.query(`revoke execute on function ${own} from reader`);
      }
    });

    test("objects: what is on both sides is not missed, whatever a version makes and names by itself", async () => {
      const [here, there] = [await readObjects(askOf(source)), await readObjects(askOf(target))];
      assert.ok(here.length > 30, String(here.length));
      assert.deepEqual(missingObjects(here, there, SCOPE).map(objectTitle), []);
      assert.deepEqual(missingObjects(there, here, SCOPE).map(objectTitle), ['function "My App".later()']);
    });

    test("objects: what the target lacks is named, and the statement that is shown makes it", async () => {
      await source.query(LATER);
      const missing = async () => missingObjects(await readObjects(askOf(source)), await readObjects(askOf(target)), SCOPE);
      const found = await missing();
      assert.deepEqual(found.map(objectTitle).sort(), LATER_TITLES);
      const statements = await statementsOf(askOf(source), found);
      const unknown = found.filter((_, index) => statements[index] === null).map(({ kind }) => kind);
      assert.deepEqual(unknown.sort(), ["cast", "operator", "text search template"]);
      // The view's table is not selected, so it is not missed.
      await target.query('create schema "Late"; create table "Late".unselected (id int)');
      for (const statement of statements) if (statement !== null && !statement.startsWith("create schema")) await target.query(statement);
      assert.deepEqual((await missing()).map(({ kind }) => kind).sort(), ["cast", "operator", "text search template"]);
      const notNeeded = ["cast *", "operator public.*", "text search template public.late_template"];
      assert.deepEqual(missingObjects(await missing(), [], { ...SCOPE, notNeeded }), []);
    });

    test("roles: who is missing, and who is no member any more", async () => {
      const access = await readAccess(askOf(source));
      const named = namedRoles(access, EVERYTHING);
      const rolesOf = async (client: pg.Client) => readRoles(askOf(client), [...named]);
      const { missing, memberships } = compareRoles({
        source: await rolesOf(source),
        target: await rolesOf(target),
        named,
        self: access.self,
      });
      assert.deepEqual(missing, [{ name: "aloof", statement: 'create role "aloof" login' }]);
      assert.deepEqual(
        memberships.map(({ statement }) => statement),
        ['grant "reader" to "aloof"'],
      );
      for (const statement of [...missing, ...memberships]) await target.query(statement.statement as string);
      const again = compareRoles({ source: await rolesOf(source), target: await rolesOf(target), named, self: access.self });
      assert.deepEqual([again.missing, again.memberships], [[], []]);
      await target.query('alter role app bypassrls; alter role "Odd ""R""" createdb');
      await source.query("alter role app createrole");
      const { attributes } = compareRoles({ source: await rolesOf(source), target: await rolesOf(target), named, self: access.self });
      assert.deepEqual(
        attributes.map(({ title }) => title),
        ['Odd "R" has createdb at the target only', "app has createrole at the source only", "app has bypassrls at the target only"],
      );
      for (const { statement } of attributes) await target.query(statement as string);
      assert.deepEqual(
        compareRoles({ source: await rolesOf(source), target: await rolesOf(target), named, self: access.self }).attributes,
        [],
      );
      const dropped = namedRoles(access, { owners: false, privileges: true });
      assert.deepEqual(
        [dropped.has("reader"), namedRoles(access, { owners: true, privileges: false }).has("reader")],
        [true, true],
        "a policy names it",
      );
      assert.deepEqual([...named].sort(), ['Odd "R"', "owner_role", "postgres", "reader"]);
    });
  });
}
