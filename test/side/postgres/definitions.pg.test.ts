import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type pg from "pg";
import { readAccess } from "../../../src/side/postgres/catalog/access-queries.ts";
import { askOf } from "../../../src/side/postgres/catalog/ask.ts";
import { differingObjects, missingObjects, objectTitle } from "../../../src/side/postgres/catalog/compare-objects.ts";
import { readObjects } from "../../../src/side/postgres/catalog/object-queries.ts";
import { statementsAlike } from "../../../src/side/postgres/catalog/object-statements.ts";
import { readRoles } from "../../../src/side/postgres/catalog/role-queries.ts";
import { readSubscriptions } from "../../../src/side/postgres/catalog/subscriptions.ts";
import { createDatabase } from "../../support/database.ts";
import { type PgServer, startServer } from "../../support/pg-server.ts";

/** Made on both sides alike: of every kind that the server can print. */
const OBJECTS = `
create table parted (id int, region text, primary key (region, id)) partition by list (region); create table parted_eu partition of parted for values in ('eu');
create table notes (id int primary key, note text); alter table notes enable row level security; create type pair as (a int, b int);
create procedure act(x int) language sql as 'select 1'; create aggregate total(int) (sfunc = int4pl, stype = int, initcond = '0'); create statistics st on region, id from parted;
create function noted() returns event_trigger language plpgsql as 'begin end'; create event trigger watch on ddl_command_end execute function noted();
create table deed (id int primary key, owner text default 'x', at timestamptz, amount numeric(9,2), constraint sane check (amount > 0 and owner like 'a%')); create index deed_owner on deed (lower(owner)) where id > 3;
create function plpg(a int, b text default lower('X')) returns int language plpgsql as 'begin return a; end'; create function quiet() returns trigger language plpgsql as 'begin return new; end';
create view joined with (security_barrier) as select d.id, x.note, row_number() over (partition by d.owner order by d.id) as n from deed d left join notes x using (id) where d.at > now() - interval '1 day';
create view nested as with sums as (select owner, sum(amount) as total from deed group by owner having count(*) > 1) select s.owner, s.total, (select max(p.id) from parted p where p.region = s.owner) as most from sums s
  union all select region, id::numeric, null from parted where region in ('eu', 'us') and exists (select from deed where deed.id = parted.id);
create view plain_view as select deed.id, deed as whole, deed.owner || '.id' as "owner.id", case when amount > 1 then 'x' end as c from deed order by at desc nulls last limit 3; create view writable as select id, owner from deed where id > 0 with local check option;
create materialized view stored as select owner, count(*) as n from deed group by owner; create rule kept as on update to parted where new.id < 0 do also select new.id from deed where deed.id = old.id;
create trigger fires before update of owner on deed for each row when (old.owner is distinct from new.owner) execute function quiet(); create policy sees on deed for select using (owner = current_user and exists (select from parted p where p.id = deed.id));
create domain short as varchar(9) default 'none' check (value <> ''); create sequence steps increment 5 cycle maxvalue 100; create publication feed for table deed with (publish = 'insert')`;

/** Done at the target: every object still has its name. */
const UNLIKE = `
alter table deed enable row level security; alter table deed force row level security; alter table notes disable row level security;
alter view joined reset (security_barrier); alter view writable reset (check_option); create or replace view plain_view as select deed.id, deed as whole, deed.owner || '.ID' as "owner.id", case when amount > 1 then 'x' end as c from deed order by at desc nulls last limit 3;
drop materialized view stored; create materialized view stored as select owner, count(*) + 1 as n from deed group by owner;
alter table deed disable trigger fires; alter event trigger watch enable always; create or replace rule kept as on update to parted do also select 1;
create or replace function plpg(a int, b text default lower('X')) returns int language plpgsql security definer as 'begin return a; end'; alter function quiet() set work_mem = '1MB'; create or replace procedure act(x int) language sql as 'select 2';
alter table deed alter owner set default 'y'; alter table deed drop constraint sane, add constraint sane check (amount > 0); drop index deed_owner; create index deed_owner on deed (owner);
drop policy sees on deed; create policy sees on deed for select using (true); alter domain short drop constraint short_check; alter domain short add constraint short_check check (value <> 'x'); alter sequence steps increment 1;
drop publication feed; create publication feed for table deed; drop statistics st; create statistics st (ndistinct) on region, id from parted; alter type pair add attribute c int`;

const UNLIKE_TITLES = [
  "default value for public.deed.owner",
  "domain constraint short_check on public.short",
  "event trigger watch",
  "function public.plpg(integer,pg_catalog.text)",
  "function public.quiet()",
  "index public.deed_owner",
  "materialized view public.stored",
  "policy sees on public.deed",
  "procedure public.act(integer)",
  "publication feed",
  "row security public.deed",
  "row security public.notes",
  "rule kept on public.parted",
  "sequence public.steps",
  "statistics object public.st",
  "table constraint sane on public.deed",
  "trigger fires on public.deed",
  "type public.pair",
  "view public.joined",
  "view public.plain_view",
  "view public.writable",
];

const SCOPE = { tables: ["parted", "notes", "deed"].map((name) => ({ schema: "public", name })), notNeeded: [] };

for (const [from, to] of [
  [13, 18],
  [18, 13],
] as const) {
  describe(`what objects do, from ${from} to ${to}`, () => {
    let servers: readonly PgServer[];
    let source: pg.Client;
    let target: pg.Client;
    before(async () => {
      servers = await Promise.all([startServer({ version: from }), startServer({ version: to })]);
      const clients = await Promise.all(servers.map(async (server) => (await createDatabase(server)).connect()));
      [source, target] = clients as [pg.Client, pg.Client];
      for (const client of clients) await client.query(OBJECTS);
    });
    after(async () => {
      await Promise.all([source?.end(), target?.end()]);
      await Promise.all((servers ?? []).map((server) => server[Symbol.asyncDispose]()));
    });

    const both = async () => [await readObjects(askOf(source)), await readObjects(askOf(target))] as const;
    const differing = async (notNeeded: readonly string[] = []) => differingObjects(...(await both()), { ...SCOPE, notNeeded });

    test("the same is the same, however a version prints it", async () => {
      assert.deepEqual(missingObjects(...(await both()), SCOPE).map(objectTitle), []);
      assert.deepEqual((await differing()).map(objectTitle), []);
    });

    test("what has the same name and does something else is named, and the statement that is shown makes it alike", async () => {
      await target.query(UNLIKE);
      const found = await differing();
      assert.deepEqual(found.map(objectTitle).sort(), UNLIKE_TITLES);
      const statements = await statementsAlike(askOf(source), found);
      for (const statement of statements) if (statement !== null) await target.query(statement);
      assert.deepEqual((await differing()).map(objectTitle), ["type public.pair"], "what uses a type keeps it from being made anew");
      assert.deepEqual(await differing(["type public.*"]), []);
    });

    test("a role that is no superuser is answered the same", async () => {
      await source.query("create role plain; create subscription feed connection 'host=nowhere' publication p with (connect = false)");
      const asked = async () => [
        await readObjects(askOf(source)),
        (await readAccess(askOf(source))).objects,
        await readSubscriptions(askOf(source), SCOPE.tables),
        (await readRoles(askOf(source), ["plain"])).members,
      ];
      const whole = await asked();
      await source.query("set role plain");
      assert.deepEqual(await asked(), whole);
      await source.query("reset role; alter subscription feed set (slot_name = none); drop subscription feed; drop role plain");
    });

    test("a constraint that the source never checked may be a checked one at the target, and not the other way round", async () => {
      await source.query("alter table deed add constraint soft check (id > 0) not valid, add constraint hard check (id > 1)");
      await target.query("alter table deed add constraint soft check (id > 0), add constraint hard check (id > 1) not valid");
      assert.deepEqual((await differing(["type public.*"])).map(objectTitle), ["table constraint hard on public.deed"]);
    });
  });
}
