import assert from "node:assert/strict";
import { test } from "node:test";
import { CASTS_TO_OTHER_TEXT } from "../../../src/side/postgres/compare/digest-queries.ts";
import { assertEqualDatabases } from "../compare.ts";
import { createDatabase, query } from "../database.ts";
import { PG_VERSIONS, type PgVersion, startServer } from "../pg-server.ts";
import { changeTypes } from "../types/changes.ts";
import { createTypesSchema } from "../types-schema.ts";

/** Types that no table can hold a value of, or that accept no input. */
const WITHOUT_VALUES = [
  "gtsvector",
  "pg_node_tree",
  "pg_ndistinct",
  "pg_dependencies",
  "pg_mcv_list",
  "pg_brin_bloom_summary",
  "pg_brin_minmax_multi_summary",
  "pg_ddl_command",
];

for (const version of PG_VERSIONS) {
  test(`PostgreSQL ${version}: every built-in type that can hold a value has one, and edge values are what they claim`, async () => {
    await using server = await startServer({ version });
    const database = await createDatabase(server);
    const client = await database.connect();
    const schema = await createTypesSchema(client, { hugeRowBytes: 100_000 });
    assert.deepEqual(schema.missingExtensions, []);
    const uncovered = await query<{ type: string }>(
      client,
      `select t.oid::regtype::text as type from pg_type t
        where t.typnamespace = 'pg_catalog'::regnamespace and t.typtype in ('b', 'r', 'm')
          and not exists (select from pg_type element where element.typarray = t.oid) and not t.typname = any ($1)
          and not exists (select from pg_attribute a where a.attrelid = 'types.every_type'::regclass and a.atttypid = t.oid)
        order by 1`,
      [WITHOUT_VALUES],
    );
    assert.deepEqual(
      uncovered.map(({ type }) => type),
      [],
    );
    const cast = await query<{ type: string }>(
      client,
      `select castsource::regtype::text as type from pg_cast join pg_type t on t.oid = castsource
        where casttarget = 'text'::regtype and castmethod <> 'i' and t.typnamespace = 'pg_catalog'::regnamespace
          and t.typname <> all ($1) and t.typname <> 'varchar'`,
      [WITHOUT_VALUES],
    );
    assert.deepEqual(
      cast.map(({ type }) => type).sort(),
      [...CASTS_TO_OTHER_TEXT].sort(),
      "whose cast to text is not known to be its output",
    );
    const [edges] = await query(client, EDGES);
    assert.deepEqual(edges, {
      bytes: 256,
      digits: 2001,
      denormal: "5e-324",
      negative_zero: "-0",
      empty_and_null: 1,
      lower_bound: 0,
      long_key: 1600,
      long_key_of_elephants: 1600,
      wide: 400,
      huge_on_disk: true,
      no_attribute: true,
    });
    await client.end();
  });
}

const EDGES = `select
  (select max(octet_length(t_bytea)) from types.every_type) as bytes,
  (select max(length(t_numeric::text)) from types.every_type) as digits,
  (select min(t_double_precision)::text from types.every_type where t_double_precision > 0) as denormal,
  (select min(t_double_precision::text) from types.every_type where t_double_precision = 0) as negative_zero,
  (select count(*)::int from types.every_type where t_text = '') as empty_and_null,
  (select min(array_lower(t_text_array, 1)) from types.every_type) as lower_bound,
  (select max(octet_length(id)) from types.long_keys where id not like '%\u{1F418}%') as long_key,
  (select max(octet_length(id)) from types.long_keys where id like '%\u{1F418}%') as long_key_of_elephants,
  (select count(*)::int from pg_attribute where attrelid = 'types.wide'::regclass and attnum > 0) as wide,
  (select min(pg_column_size(body) + pg_column_size(raw)) > 99000 from types.huge) as huge_on_disk,
  (select attmissingval is not null from pg_attribute where attrelid = 'types.altered'::regclass and attname = 'added') as no_attribute`;

test("the oldest and the newest version print every value of the oldest alike", async () => {
  await using oldest = await startServer({ version: 13 });
  await using newest = await startServer({ version: 18 });
  const [source, target] = [await createDatabase(oldest), await createDatabase(newest)];
  for (const database of [source, target]) {
    const client = await database.connect();
    await createTypesSchema(client, { forVersion: 13, hugeRowBytes: 0 });
    await client.end();
  }
  const results = await assertEqualDatabases(source.url, target.url);
  assert.ok(results.length > 60);
  await query(target, "update types.every_type set t_real = t_real where false; update types.key_real set id = 0 where id = 0");
  await assert.rejects(assertEqualDatabases(source.url, target.url), /1 of \d+ tables differ\ntypes\.key_real/);
});

for (const version of [13, 18] satisfies PgVersion[]) {
  test(`PostgreSQL ${version}: the changes reach every table that has rows and a key`, async () => {
    await using server = await startServer({ version });
    const database = await createDatabase(server);
    const client = await database.connect();
    await createTypesSchema(client);
    await query(client, "select pg_create_logical_replication_slot('watch', 'test_decoding')");
    await changeTypes(client);
    const decoded = await query<{ data: string }>(
      client,
      "select left(data, 2000) as data from pg_logical_slot_get_changes('watch', null, null)",
    );
    const tables = await query<{ name: string }>(
      client,
      `select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname = 'types' and tablename <> 'empty_table'`,
    );
    const untouched = tables.filter(({ name }) => !decoded.some(({ data }) => data.startsWith(`table ${name}: `)));
    assert.deepEqual(untouched, []);
    assert.ok(decoded.some(({ data }) => /^table types\.huge: UPDATE: old-key.*unchanged-toast-datum/.test(data)));
    assert.ok(
      decoded.some(({ data }) =>
        /^table types\.key_numeric: UPDATE: old-key: id\[numeric\]:1\.10 new-tuple: id\[numeric\]:1\.1000 /.test(data),
      ),
    );
    await client.end();
  });
}
