import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { assertEqualDatabases, compareDatabases } from "../compare.ts";
import { createDatabase, query, type TestDatabase } from "../database.ts";
import { type PgServer, startServer } from "../pg-server.ts";

// Two versions on purpose: what differs between the oldest's and the newest's printing must not count as a difference.
let oldest: PgServer;
let newest: PgServer;

before(async () => {
  [oldest, newest] = await Promise.all([startServer({ version: 13 }), startServer({ version: 18 })]);
});
after(async () => {
  await Promise.all([oldest[Symbol.asyncDispose](), newest[Symbol.asyncDispose]()]);
});

/** The same script on both sides; databases of the two versions. */
async function pair(script: string): Promise<{ source: TestDatabase; target: TestDatabase }> {
  const [source, target] = await Promise.all([createDatabase(oldest), createDatabase(newest)]);
  await Promise.all([query(source, script), query(target, script)]);
  return { source, target };
}

async function differencesAfter(schema: string, changeAtTarget: string) {
  const { source, target } = await pair(schema);
  await assertEqualDatabases(source.url, target.url);
  await query(target, changeAtTarget);
  const different = (await compareDatabases(source.url, target.url)).filter((result) => !result.equal);
  await assert.rejects(assertEqualDatabases(source.url, target.url), /of \d+ tables differ/);
  return different;
}

const KEYED = `
  create table t (id int primary key, v text, f float8, b bytea);
  insert into t select i, 'value ' || i, i, decode(md5(i::text), 'hex') from generate_series(1, 500) i;
  create table untouched (id int primary key);
  insert into untouched values (1), (2)`;
const KEYLESS = `
  create table k (a text, b text);
  alter table k replica identity full;
  insert into k values ('x', 'y'), ('x', 'y'), ('p', 'q')`;
const PARTITIONED = `
  create table p (id int primary key) partition by range (id);
  create table p1 partition of p for values from (0) to (100);
  create table p2 partition of p for values from (100) to (200);
  insert into p values (1), (2), (3), (150)`;

describe("the comparison notices", () => {
  test("one changed byte", async () => {
    const [only, ...more] = await differencesAfter(KEYED, "update t set b = set_byte(b, 7, (get_byte(b, 7) + 1) % 256) where id = 250");
    assert.equal(more.length, 0);
    assert.equal(only?.table, "public.t");
    assert.equal(only.onlyInSource.length, 1);
    assert.equal(only.onlyInTarget.length, 1);
    assert.match(only.onlyInSource[0] ?? "", /250/);
    assert.equal(only.problem, 'rows differ in "b"');
  });

  test("a missing row, by name", async () => {
    const [only] = await differencesAfter(KEYED, "delete from t where id = 77");
    assert.equal(only?.sourceRows, 500n);
    assert.equal(only.targetRows, 499n);
    assert.match(only.onlyInSource[0] ?? "", /value 77/);
    assert.deepEqual(only.onlyInTarget, []);
  });

  test("one more duplicate in a table without a key", async () => {
    const [only] = await differencesAfter(KEYLESS, "insert into k values ('x', 'y')");
    assert.equal(only?.targetRows, 4n);
    assert.match(only.onlyInTarget[0] ?? "", /x,y/);
    assert.deepEqual(only.onlyInSource, []);
  });

  test("the same number of rows with duplicates of another row", async () => {
    const [only] = await differencesAfter(
      KEYLESS,
      "delete from k where ctid = (select min(ctid) from k where a = 'x'); insert into k values ('p', 'q')",
    );
    assert.deepEqual(only?.onlyInSource, ["(x,y) (2 times, not 1)"]);
    assert.deepEqual(only.onlyInTarget, ["(p,q) (2 times, not 1)"]);
  });

  test("values that changed places between two rows", async () => {
    const schema = "create table t (id int primary key, v text); insert into t values (1, 'a'), (2, 'b')";
    const [only] = await differencesAfter(schema, "update t set v = case id when 1 then 'b' else 'a' end");
    assert.equal(only?.problem, "rows differ in how values are combined to rows");
    assert.deepEqual(only.onlyInTarget, ["(1,b)", "(2,a)"]);
  });

  for (const [what, schema, change] of [
    ["NULL where there was an empty string", "create table t (id int, v text); insert into t values (1, '')", "update t set v = null"],
    ["0 where there was -0", "create table t (id int, f float8); insert into t values (1, '-0')", "update t set f = 0"],
    ["1.0 where there was 1.00", "create table t (n numeric); insert into t values (1.00)", "update t set n = 1.0"],
    ["a different space in json", `create table t (j json); insert into t values ('{"a": 1}')`, `update t set j = '{"a":1}'`],
    ['a "char" above 127', `create table t (c "char"); insert into t values ((-56)::int::"char")`, `update t set c = (-57)::int::"char"`],
    [
      'a "char" above 127 in an array',
      `create table t (c "char"[]); insert into t values (array[(-56)::int::"char"])`,
      `update t set c = array[(-57)::int::"char"]`,
    ],
    ["two values that swapped columns", "create table t (a text, b text); insert into t values ('1', '2')", "update t set a = b, b = a"],
    [
      "values that only their commas tell apart",
      "create table t (a text, b text); insert into t values ('1,2', '3')",
      "update t set a = '1', b = '2,3'",
    ],
    ["a row that moved to another partition", PARTITIONED, "update p set id = id + 100 where id = 3"],
    ["another column type", "create table t (id int); insert into t values (1)", "alter table t alter id type bigint"],
    ["another column name", "create table t (id int); insert into t values (1)", 'alter table t rename id to "Id"'],
    ["a column too many", "create table t (id int)", "alter table t add x int"],
    ["a missing table", "create table t (id int); create table u ()", "drop table t"],
    ["an additional table", "create table t (id int)", "create schema other; create table other.u (id int)"],
    ["a row in a table without columns", "create table t (); insert into t default values", "insert into t default values"],
  ] as const) {
    test(what, async () => assert.equal((await differencesAfter(schema, change)).length, 1));
  }
});

describe("the comparison does not mind", () => {
  test("another order of rows or columns, another partitioning, settings of the database, and our own schema", async () => {
    const { source, target } = await pair("select 1");
    await query(
      source,
      `create table t (id int, at timestamptz, m money, f float8, b bytea, i interval);
       insert into t select i, '2024-01-01 00:00+00'::timestamptz + i * interval '1 day', i, i / 3.0::float8, 'x', i * interval '1 hour'
         from generate_series(1, 50) i;
       create table p (id int); insert into p values (1), (2)`,
    );
    await query(
      target,
      `create schema pghaul; create table pghaul.progress (x int); insert into pghaul.progress values (1);
       create table t (i interval, b bytea, f float8, m money, at timestamptz, id int);
       insert into t (id, at, m, f, b, i)
         select i, '2024-01-01 00:00+00'::timestamptz + i * interval '1 day', i, i / 3.0::float8, 'x', i * interval '1 hour'
         from generate_series(50, 1, -1) i;
       create table p (id int) partition by list (id);
       create table p_rest partition of p default; insert into p values (1), (2);
       alter database ${target.name} set timezone = 'Asia/Tokyo';
       alter database ${target.name} set datestyle = 'German';
       alter database ${target.name} set intervalstyle = 'iso_8601';
       alter database ${target.name} set extra_float_digits = -5;
       alter database ${target.name} set bytea_output = 'escape'`,
    );
    const results = await assertEqualDatabases(source.url, target.url);
    assert.deepEqual(
      results.map(({ table, sourceRows, targetRows }) => [table, sourceRows, targetRows]),
      [
        ["public.p", 2n, 2n],
        ["public.t", 50n, 50n],
      ],
    );
  });

  test("what it was told to leave out", async () => {
    const { source, target } = await pair("create table a (id int); create table b (id int)");
    await query(target, "insert into b values (1)");
    const results = await compareDatabases(source.url, target.url, { exclude: /^public\.b$/g });
    assert.deepEqual(
      results.map(({ table, equal }) => ({ table, equal })),
      [{ table: "public.a", equal: true }],
    );
  });
});

test("two databases without tables are not called equal", async () => {
  const { source, target } = await pair("select 1");
  await assert.rejects(assertEqualDatabases(source.url, target.url), /nothing to compare/);
});
