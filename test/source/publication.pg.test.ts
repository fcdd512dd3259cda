import assert from "node:assert/strict";
import { test } from "node:test";
import { PghaulError } from "../../src/errors/pghaul-error.ts";
import { readTables } from "../../src/source/catalog.ts";
import { ensurePublication } from "../../src/source/publication.ts";
import { startServer } from "../support/pg-server.ts";
import { sessionsAt } from "./source-session.ts";

const SCHEMA = `create schema "Odd";
create table "Odd"."A b" (id int primary key); create table b (id int primary key, v int);
create table parent (id int primary key); create table child (primary key (id)) inherits (parent);
create table root (id int primary key) partition by range (id); create table leaf partition of root for values from (0) to (9)`;

for (const version of [13, 15, 18] as const) {
  test(`on PostgreSQL ${version} a publication is made, altered to fit and never made anew`, async () => {
    await using server = await startServer({ version });
    const client = await sessionsAt(server.url())("publication");
    await client.query(SCHEMA);
    const tables = async (...include: string[]) => readTables(client, { include, exclude: [] });
    const published = async () =>
      (
        await client.query<{ t: string }>("select tablename::text as t from pg_publication_tables where pubname = 'p 1' order by 1")
      ).rows.map(({ t }) => t);
    const oid = async () =>
      (await client.query<{ oid: string }>("select oid::text from pg_publication where pubname = 'p 1'")).rows[0]?.oid;

    assert.equal(
      await ensurePublication(client, { side: "source", name: "p 1" }, await tables("Odd.*", "public.parent", "public.root")),
      true,
    );
    const made = await oid();
    assert.deepEqual(await published(), ["A b", "parent", "root"], "neither the child nor the partition came along");
    assert.equal(
      await ensurePublication(client, { side: "source", name: "p 1" }, await tables("Odd.*", "public.parent", "public.root")),
      false,
      "nothing to do",
    );

    assert.equal(await ensurePublication(client, { side: "source", name: "p 1" }, await tables("public.b", "public.root")), true);
    assert.deepEqual(await published(), ["b", "root"]);

    await client.query(`alter publication "p 1" set (publish = 'insert', publish_via_partition_root = false)`);
    assert.equal(await ensurePublication(client, { side: "source", name: "p 1" }, await tables("public.b", "public.root")), true);
    assert.equal(await ensurePublication(client, { side: "source", name: "p 1" }, await tables("public.b", "public.root")), false);
    const options = await client.query("select 1 from pg_publication where pubname = 'p 1' and pubdelete and pubtruncate and pubviaroot");
    assert.equal(options.rowCount, 1);

    if (version >= 15) {
      await client.query(`alter publication "p 1" set table only b (id) where (id > 5), only root`);
      assert.equal(await ensurePublication(client, { side: "source", name: "p 1" }, await tables("public.b", "public.root")), true);
      const partial = await client.query("select 1 from pg_publication_rel where prqual is not null or prattrs is not null");
      assert.equal(partial.rowCount, 0, "filters and column lists are gone");
    }
    assert.equal(await oid(), made, "the publication itself is the one made first");

    await client.query("create publication everything for all tables");
    await assert.rejects(ensurePublication(client, { side: "source", name: "everything" }, await tables("public.b")), /FOR ALL TABLES/);

    await client.query('create role mover login; grant create on database postgres to mover; grant usage on schema "Odd" to mover');
    const mover = await sessionsAt(server.url("postgres", "mover"))("publication");
    let suggestion = "";
    await assert.rejects(ensurePublication(mover, { side: "source", name: "p2" }, await tables("public.b", "Odd.*")), (error) => {
      assert.ok(error instanceof PghaulError && error.code === "SOURCE_PRIVILEGE");
      assert.match(error.message, /must be owner of table/);
      suggestion = error.suggestion ?? "";
      return true;
    });
    await client.query(suggestion);
    assert.equal(
      await ensurePublication(mover, { side: "source", name: "p2" }, await tables("public.b", "Odd.*")),
      false,
      "the owner ran the statement: nothing is left to do",
    );
    await mover.end();
    await client.end();
  });
}
