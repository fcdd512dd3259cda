import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import type { Table } from "../../../src/model/table.ts";
import { analyze } from "../../../src/target/postgres/schema/analyze.ts";
import { readSequences, setSequences } from "../../../src/target/postgres/schema/sequences.ts";
import { requireEmpty, requireSameSchema, schemaDifferences, tablesWithRows } from "../../../src/target/postgres/schema/target-checks.ts";
import { createDatabase, query } from "../../support/database.ts";
import { describeTable, hasCode } from "./bench.ts";
import { type SchemaServers, startSchemaServers } from "./schema-bench.ts";

suite("what is beside the schema's move: sequences, and a schema that was there", () => {
  let servers: SchemaServers;
  before(async () => {
    servers = await startSchemaServers();
  });
  after(() => servers[Symbol.asyncDispose]());

  test("sequences are set ahead by steps of their own, within their limits, and never back", async () => {
    const ddl =
      "create sequence up increment 5; create sequence down increment -3; create sequence small as smallint maxvalue 50; create sequence turning maxvalue 10 cycle; create sequence unused; create sequence far; create sequence huge";
    const [from, to] = [await createDatabase(servers.source), await createDatabase(servers.target)];
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
    const [from, to] = [await createDatabase(servers.source), await createDatabase(servers.target)];
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
      'public.a."extra" does not exist at the source, and is NOT NULL without a default',
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
