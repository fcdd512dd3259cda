import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { PghaulError } from "../../src/errors/pghaul-error.ts";
import { isRetried } from "../../src/errors/policy.ts";
import type { CheckResult } from "../../src/model/check-result.ts";
import { connect } from "../../src/postgres/connect.ts";
import { resolveConnection } from "../../src/postgres/resolve-connection.ts";
import { query } from "../support/database.ts";
import { type PgServer, startServer } from "../support/pg-server.ts";
import { checkAll, checkRequest } from "./check-request.ts";

const SOURCE = `
create extension citext; create extension file_fdw; create schema ext; create extension hstore schema ext;
create table parent (id int primary key, twice int generated always as (id * 2) stored); create table child (primary key (id)) inherits (parent); update pg_attribute set attgenerated = '', atthasdef = false where attrelid = 'child'::regclass; delete from pg_attrdef where adrelid = 'child'::regclass;
create table squeezed (id int primary key, v text compression pglz);
create function in_c() returns int language c as 'regress_not_there', 'f';
create table a (id int primary key); create table b (id int primary key references a); create table not_moved (id int references a)`;

describe("what the schema asks of the target", () => {
  let source: PgServer;
  let target: PgServer;
  let results: ReadonlyMap<string, CheckResult>;
  before(async () => {
    // Old versions came to such a child by two parents; here the catalog is told so, as of the library.
    [source, target] = await Promise.all([startServer({ version: 14 }), startServer({ version: 18 })]);
    await query(
      source.url(),
      SOURCE.replace(/create function in_c.*;/, "set check_function_bodies = off; $&").replace(
        "in_c() returns int language c as 'regress_not_there', 'f'",
        "in_c() returns int language c as '$libdir/citext', 'citext_eq'",
      ),
    );
    await query(source.url(), "update pg_proc set probin = 'not_there' where proname = 'in_c'");
    await query(source.url(), "update pg_attribute set attcompression = 'l' where attname = 'v' and attrelid = 'squeezed'::regclass");
    await query(
      target.url(),
      `create role mover login connection limit 5; create schema ext; create extension hstore; alter database postgres set default_transaction_read_only = on;
      set default_transaction_read_only = off; create table a (id int primary key); create table b (id int primary key references a); insert into a values (1); grant select on a, b to mover`,
    );
    results = await checkAll(
      checkRequest(source.url(), target.url("postgres", "mover"), {
        selection: { include: ["public.*"], exclude: ["public.not_moved"] },
        schema: "existing",
      }),
    );
  });
  after(async () => {
    await Promise.all([source?.[Symbol.asyncDispose](), target?.[Symbol.asyncDispose]()]);
  });

  for (const [id, evidence, fix] of [
    [
      "target-read-only",
      /is on for the database/,
      /^set default_transaction_read_only = off;.*\nalter database postgres reset default_transaction_read_only;/,
    ],
    ["extension-schemas", /hstore is in ext, at the target in public/, /alter extension "hstore" set schema "ext";/],
    ["extension-privileges", /only a superuser may create file_fdw$/, /create extension "file_fdw" schema "public";.*as a superuser/],
    ["function-libraries", /at the target, only a superuser may create functions from not_there/, null],
    ["generated-children", /public\.child\.twice/, /alter table public\.child no inherit public\.parent;/],
    ["target-connection-limit", /role mover may have 5 sessions.*12 are needed/, /alter role "mover" connection limit 12;/],
    ["target-empty", /"public"."a"/, /^truncate (only )?"public"."a", only public\.b;/],
  ] as const) {
    test(`${id} says why, and the fix is one that works`, async () => {
      const result = results.get(id);
      assert.notEqual(result?.status, "pass", result?.evidence);
      assert.match(result?.evidence ?? "", evidence);
      if (fix === null) return;
      assert.match(result?.fix ?? "", fix);
      // As one pastes it: a statement after the other, in one session.
      const client = await (id === "generated-children" ? source : target).connect();
      for (const statement of result?.fix?.split(/;(?: {3}--.*)?(?:\n|$)/) ?? []) if (statement !== "") await client.query(statement);
      await client.end();
    });
  }

  test("and then they pass", async () => {
    await query(source.url(), "drop function in_c(); drop table not_moved");
    const again = await checkAll(
      checkRequest(source.url(), target.url("postgres", "mover"), {
        selection: { include: ["public.*"], exclude: [] },
        schema: "existing",
      }),
    );
    for (const id of [
      "extension-schemas",
      "extension-privileges",
      "function-libraries",
      "generated-children",
      "target-read-only",
      "target-connection-limit",
      "target-empty",
    ])
      assert.equal(again.get(id)?.status, "pass", `${id}: ${again.get(id)?.evidence}`);
  });

  test("a role that only reads at both sides may go on so; one that is to write at the target is named", async () => {
    const readOnly = async () => (await checkAll(checkRequest(source.url(), target.url()))).get("target-read-only");
    await query(target.url(), "create role looker; alter role looker set default_transaction_read_only = on");
    const found = await readOnly();
    assert.match(`${found?.status} ${found?.evidence}`, /^warn .* is on for role looker: /);
    await query(source.url(), "create role looker; alter role looker set default_transaction_read_only = on");
    assert.equal((await readOnly())?.status, "pass");
    await query(source.url(), "alter role looker reset default_transaction_read_only");
    for (const statement of found?.fix?.split(/;(?: {3}--.*)?(?:\n|$)/) ?? []) if (statement !== "") await query(target.url(), statement);
    assert.equal((await readOnly())?.status, "pass", "the advice helps");
  });

  test("a library that a superuser's target does not have", async () => {
    const mover = async () => checkAll(checkRequest(source.url(), target.url()));
    await query(
      source.url(),
      "set check_function_bodies = off; create function in_c() returns int language c as '$libdir/citext', 'citext_eq'",
    );
    assert.equal((await mover()).get("function-libraries")?.status, "pass");
    await query(source.url(), "update pg_proc set probin = 'not_there' where proname = 'in_c'");
    assert.match((await mover()).get("function-libraries")?.evidence ?? "", /lacks libraries of C functions: not_there/);
  });

  test("a compression that the target's version does not know, and the statement that takes it off", async () => {
    await using old = await startServer({ version: 13 });
    const compression = async () => (await checkAll(checkRequest(source.url(), old.url()))).get("compression");
    const found = await compression();
    assert.match(`${found?.status} ${found?.evidence}`, /^fail before version 14, .*public\.squeezed\.v \(lz4\)$/);
    await query(source.url(), (found?.fix ?? "").replace(/ {3}--.*$/m, ""));
    assert.equal((await compression())?.status, "pass");
  });

  test("the limit of the role is said with what raises it, and nobody goes on asking", async () => {
    await query(target.url(), "alter role mover connection limit 0");
    const spec = resolveConnection({ url: target.url("postgres", "mover") }, { env: {}, home: undefined, user: undefined, socketDirs: [] });
    const error = await connect(spec, { side: "target", purpose: "test" }).catch((thrown: unknown) => thrown);
    assert.ok(error instanceof PghaulError);
    assert.match(error.message, /too many connections for role/);
    assert.match(error.suggestion ?? "", /^alter role "mover" connection limit -1;/);
    assert.equal(isRetried(error), false);
    await query(target.url(), error.suggestion ?? "");
    await (await connect(spec, { side: "target", purpose: "test" })).end();
  });
});
