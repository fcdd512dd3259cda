import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, before, suite, test } from "node:test";
import type { PghaulError } from "../../../src/errors/pghaul-error.ts";
import { resolveConnection } from "../../../src/postgres/resolve-connection.ts";
import { findClientTools } from "../../../src/target/postgres/schema/archive/client-tools.ts";
import { SchemaMove, type SchemaMoveOptions } from "../../../src/target/postgres/schema/schema-move.ts";
import { query } from "../../support/database.ts";
import { hasCode } from "./bench.ts";
import { moveAll, openSides, RICH, type SchemaServers, type Sides, startSchemaServers } from "./schema-bench.ts";

suite("who may do what in a schema that was moved, and what moves it", () => {
  let servers: SchemaServers;
  before(async () => {
    servers = await startSchemaServers();
  });
  after(() => servers[Symbol.asyncDispose]());

  const sides = (overrides: Partial<SchemaMoveOptions> = {}, sql = RICH): Promise<Sides> => openSides(servers, overrides, sql);

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
    const move = await SchemaMove.open({ ...all.options, source: resolveConnection({ url: servers.source.url(all.from.name, "dumper") }) });
    await move.close();
    assert.deepEqual(readdirSync(all.options.dir), ["schema.dump"]);
    await query(all.from, "drop owned by dumper");
  });

  test("pg_dump's own words tell why the dump failed", async () => {
    const all = await sides();
    await assert.rejects(
      SchemaMove.open({ ...all.options, source: resolveConnection({ url: servers.source.url("no_such_database") }) }),
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
    await assert.rejects(findClientTools(13, { PGHAUL_PG_BIN: servers.home, PATH: process.env.PATH }), hasCode("TOOL_MISSING"));
    assert.ok((await findClientTools(13, process.env)).major >= 13);
  });
});
