import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { CheckResult } from "../../src/model/check-result.ts";
import { readCatalog } from "../../src/source/catalog.ts";
import { requireEmpty } from "../../src/target/postgres/schema/target-checks.ts";
import { query } from "../support/database.ts";
import { type PgServer, startServer } from "../support/pg-server.ts";
import { checkAll, checkRequest } from "./check-request.ts";

const wide = Array.from({ length: 1600 }, (_, index) => `c${index} bool`).join(", ");

/** What a restore, or a load into what it made, refuses. */
const REFUSED = `
create schema app; set search_path = app, public;
create table parent (id int primary key); create table child (id int primary key, parent int constraint to_parent references parent on delete cascade);
create table pair (a int, b text, primary key (a, b)); create table of_pair (id int primary key, a int, b text, constraint to_pair foreign key (a, b) references pair);
insert into pair values (1, 'x'); insert into of_pair values (1, 1, 'x'), (2, null, 'y');
set session_replication_role = replica; insert into child values (1, 7); reset session_replication_role;
create schema aside; create table aside.unselected (id int primary key); create table leads (id int primary key, u int constraint leads_out references aside.unselected);
create table idle (id int primary key, u int constraint idle_out references aside.unselected); insert into aside.unselected values (1); insert into leads values (1, 1); insert into idle values (1, null);
create table hollow (); alter table hollow replica identity full;
create table derived (); alter table derived replica identity full; alter table derived add g int generated always as (1) stored;
create table wide (${wide}); alter table wide replica identity full;
create function fold(v text) returns text language sql immutable as 'select lower($1)';
create function folded(v text) returns text language sql immutable as 'select fold($1)';
create table names (id int primary key, v text); insert into names values (1, 'A'); alter table names add constraint is_folded check (folded(v) <> '');
create function pathed(v text) returns text language sql immutable set search_path = app as 'select fold($1)';
create index by_pathed on names (pathed(v));
create function qualified(v text) returns text language sql immutable as 'select app.fold($1)';
create index by_qualified on names (qualified(v));
create function known(i int) returns bool language plpgsql stable as 'begin return exists (select from app.parent p where p.id = i); end';
create table knowing (id int primary key, p int constraint is_known check (known(p)));
create function harmless(i int) returns bool language plpgsql immutable as 'begin return i > 0; end';
create table sober (id int primary key, p int constraint positive check (harmless(p)));
create table logs (at int) partition by range (at); create table logs_1 partition of logs for values from (0) to (1);
create table logs_2 partition of logs for values from (1) to (2); create table logs_3 partition of logs for values from (2) to (3);
create table base (v text); alter table base replica identity full; create table beside (v text) inherits (base); alter table beside replica identity full;
insert into beside values ('of the child')`;

for (const version of [13, 18] as const) {
  describe(`what the target's schema will refuse, PostgreSQL ${version}`, () => {
    let server: PgServer;
    let results: ReadonlyMap<string, CheckResult>;
    const check = (schema: "move" | "existing" = "move") =>
      checkAll(
        checkRequest(server.url(), server.url("there"), {
          selection: { include: ["app.*"], exclude: [] },
          schema,
        }),
      );
    const found = (id: string) => {
      const result = results.get(id);
      assert.ok(result, `${id} did not run`);
      return result;
    };

    before(async () => {
      server = await startServer({ version, settings: { max_prepared_transactions: "10" } });
      await query(server.url(), "create database there template template0");
      await query(server.url(), REFUSED);
      await query(
        server.url("there"),
        `create schema app; create table app.base (v text); create table app.beside (v text) inherits (app.base); insert into app.beside values ('of the child');
        create schema pghaul; create table pghaul.table_progress (migration text, table_id text); insert into pghaul.table_progress values ('m', 'app.beside')`,
      );
      results = await check();
    });
    after(async () => {
      await server?.[Symbol.asyncDispose]();
    });

    test("rows without a parent are found, and the fix keeps them and the key", async () => {
      const { status, evidence, fix } = found("foreign-key-orphans");
      assert.equal(status, "fail", evidence);
      assert.match(evidence, /has rows without a parent.*: to_parent on app\.child$/);
      const existing = (await check("existing")).get("foreign-key-orphans");
      assert.equal(existing?.status, "warn", "keys of a schema that is there check no row that is copied");
      await query(server.url(), fix ?? "");
      assert.deepEqual(
        await query(server.url(), "select convalidated, confdeltype::text as on_delete from pg_constraint where conname = 'to_parent'"),
        [{ convalidated: false, on_delete: "c" }],
      );
      assert.equal((await check()).get("foreign-key-orphans")?.status, "pass");
    });

    test("a key that leads out of what is selected is named", async () => {
      const { status, evidence, fix } = found("foreign-keys-out");
      assert.deepEqual(
        [status, evidence],
        [
          "fail",
          "refers to a table that is not selected, whose rows the target will not have: leads_out on app.leads (to aside.unselected)",
        ],
      );
      assert.equal((await check("existing")).get("foreign-keys-out")?.status, "warn");
      await query(server.url(), fix ?? "");
      const unused = (await check()).get("foreign-keys-out");
      assert.equal(unused?.status, "warn", "null leads nowhere");
      assert.match(unused?.evidence ?? "", /no row uses it yet.*: idle_out on app\.idle \(to aside\.unselected\)$/);
      await query(server.url(), unused?.fix ?? "");
      assert.equal((await check()).get("foreign-keys-out")?.status, "pass");
    });

    test("a function that needs a search path is named with what uses it, and the fix gives it one", async () => {
      const { status, evidence, fix } = found("function-search-path");
      assert.equal(status, "warn", evidence);
      assert.match(evidence, /app\.folded\(text\), used by check is_folded on app\.names \(refers to fold\)$/);
      assert.equal(fix, "alter function app.folded(text) set search_path = app, pg_temp;");
      await query(server.url(), fix ?? "");
      await query(server.url(), "set search_path = ''; insert into app.names values (2, 'B')");
      assert.equal((await check()).get("function-search-path")?.status, "pass");
    });

    test("a CHECK that reads another table is named, with the statement that drops it", async () => {
      const { status, evidence, fix } = found("check-reads-tables");
      assert.equal(status, "warn", evidence);
      assert.match(evidence, /: check is_known on app\.knowing \(app\.known\(integer\) reads parent\)$/);
      await query(server.url(), fix ?? "");
      assert.equal((await check()).get("check-reads-tables")?.status, "pass");
    });

    test("tables without a column to copy, and those with too many, are named", async () => {
      assert.match(found("column-count").evidence, /no column that could be copied: app\.derived, app\.hollow$/);
      await query(server.url(), "drop table app.hollow, app.derived");
      const many = (await check()).get("column-count");
      assert.deepEqual([many?.status, many?.evidence.split(": ")[1]], ["fail", "app.wide"]);
    });

    test("all partitions without a key are named at once, and one paste is enough", async () => {
      const { status, evidence, fix } = found("replica-identity");
      assert.equal(status, "fail");
      assert.match(evidence, /app\.logs has no primary key.*; 3 more of its partitions have a similar fault/);
      await query(server.url(), fix ?? "");
      assert.equal((await check()).get("replica-identity")?.status, "pass");
    });

    test("rows of a child that is loaded are not its parent's", async () => {
      assert.equal(found("target-empty").status, "pass", found("target-empty").evidence);
      const source = await server.connect();
      const target = await server.connect("there");
      try {
        const { tables } = await readCatalog(source, { include: ["app.base"], exclude: [] });
        await requireEmpty(target, tables);
        await target.query("insert into app.base values ('its own')");
        await assert.rejects(requireEmpty(target, tables), /tables at the target already hold rows: app\.base/);
        const full = (await check()).get("target-empty");
        assert.match(full?.evidence ?? "", /already hold rows: "app"."base"$/);
        await target.query(full?.fix ?? "");
        assert.deepEqual((await target.query("select v from app.base")).rows, [{ v: "of the child" }]);
      } finally {
        await Promise.all([source.end(), target.end()]);
      }
    });

    test("another migration of a selected table is told, ours is not, nor is one of other tables", async () => {
      assert.equal(found("source-other-migrations").status, "pass");
      await query(server.url(), "create schema pghaul; create table pghaul.claim (table_id text primary key, migration text)");
      await query(server.url(), "insert into pghaul.claim values ('app.names', 'm'), ('elsewhere.names', 'second')");
      assert.equal((await check()).get("source-other-migrations")?.status, "pass");
      await query(server.url(), "insert into pghaul.claim values ('app.parent', 'second')");
      const second = (await check()).get("source-other-migrations");
      assert.equal(second?.status, "fail");
      assert.match(second?.evidence ?? "", /app\.parent \(second\)$/);
    });

    test("bytes that the target's encoding refuses are found", async () => {
      await query(server.url(), "create database bytes template template0 encoding 'SQL_ASCII' lc_collate 'C' lc_ctype 'C'");
      await query(
        server.url("bytes"),
        String.raw`create table notes (id int primary key, v text); insert into notes values (1, E'\xc3\xa9')`,
      );
      const encodingOf = async (target: string) => (await checkAll(checkRequest(server.url("bytes"), server.url(target)))).get("encoding");
      assert.equal((await encodingOf("there"))?.status, "warn");
      await query(server.url("bytes"), String.raw`insert into notes values (2, E'caf\xe9')`);
      const refused = await encodingOf("there");
      assert.equal(refused?.status, "fail", refused?.evidence);
      assert.match(refused?.evidence ?? "", /refuses bytes in public\.notes \(invalid byte sequence for encoding "UTF8": 0xe9/);
      await query(server.url(), "create database as_is encoding 'SQL_ASCII' lc_collate 'C' lc_ctype 'C' template template0");
      assert.equal((await encodingOf("as_is"))?.status, "pass");
    });

    test("a list is set as a list", async () => {
      await query(
        server.url("there"),
        `alter database there set search_path = app, public; alter database there set "DateStyle" = 'German'; alter database postgres set search_path = "$user", app, public`,
      );
      const result = (await check()).get("parameters");
      assert.match(result?.fix ?? "", /alter system set search_path = '\$user', 'app', 'public';/);
      for (const statement of (result?.fix ?? "").split("\n")) await query(server.url("there"), statement);
      await query(server.url("there"), "alter database there reset all; select pg_reload_conf()");
      assert.deepEqual(
        await query(server.url("there"), "select pg_catalog.array_to_string(pg_catalog.current_schemas(false), ',') as path"),
        [{ path: "app,public" }],
      );
    });
  });
}
