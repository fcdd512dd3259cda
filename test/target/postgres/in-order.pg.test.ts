import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import type { Change } from "../../../src/model/change.ts";
import type { Table } from "../../../src/model/table.ts";
import { UNCHANGED } from "../../../src/model/value.ts";
import { type PgServer, startServer } from "../../support/pg-server.ts";
import { Bench, describeTable, hasCode, openTarget, row } from "./bench.ts";

const ITEMS =
  "create table items (id int primary key, name text unique, note text); insert into items values (1, 'a', 'x'), (2, 'b', 'y'), (3, 'c', null)";
/** json has no equality, point no btree; a domain must not stand in the way of comparing records. */
const LOGS = "create domain level as int check (value < 100); create table logs (at int, what json, place point, l level)";

suite("apply in order", () => {
  let server: PgServer;
  before(async () => {
    server = await startServer({ version: 14 });
  });
  after(() => server[Symbol.asyncDispose]());

  const tablesOf = (...tables: Table[]): ReadonlyMap<string, Table> => new Map(tables.map((table) => [table.id, table]));

  test("strict: every kind of change, in the order of the source", async () => {
    await using bench = await Bench.open(server, ITEMS);
    const items = await bench.table("public.items", ["id"]);
    const of = { table: items.id } as const;
    const changes: Change[] = [
      { kind: "insert", ...of, row: row("4", "d", "new") },
      { kind: "update", ...of, oldKey: null, row: ["1", "one", UNCHANGED] },
      { kind: "delete", ...of, oldKey: ["2"] },
      { kind: "insert", ...of, row: row("2", "a", "takes the freed name") },
      { kind: "update", ...of, oldKey: ["3"], row: ["30", UNCHANGED, "moved"] },
      { kind: "update", ...of, oldKey: ["4"], row: row("40", "d", "moved whole") },
      { kind: "update", ...of, oldKey: null, row: ["40", UNCHANGED, UNCHANGED] },
    ];
    assert.deepEqual(await bench.apply((tx) => tx.applyInOrder(tablesOf(items), changes, "strict")), []);
    assert.deepEqual(await bench.rows("items"), ["(1,one,x)", '(2,a,"takes the freed name")', "(30,c,moved)", '(40,d,"moved whole")']);
  });

  for (const tolerance of ["strict", "tolerant"] as const) {
    test(`${tolerance}: an identity column that the source set to its default changes, with a key and without`, async () => {
      await using bench = await Bench.open(
        server,
        `create table t (id int primary key, nr int generated always as identity, big text); insert into t values (1, default, 'kept'), (2, default, 'kept');
      create table bag (nr int generated always as identity, v text); insert into bag (v) values ('a'), ('a')`,
      );
      const [t, bag] = [await bench.table("public.t", ["id"]), await bench.table("public.bag", null)];
      const changes: Change[] = [
        { kind: "update", table: t.id, oldKey: null, row: ["1", "11", UNCHANGED] },
        { kind: "update", table: t.id, oldKey: ["2"], row: ["3", "13", UNCHANGED] },
        { kind: "update-row", table: bag.id, old: row("2", "a"), row: row("9", "b") },
        { kind: "update-row", table: bag.id, old: row("1", "a"), row: row("1", "c") },
      ];
      await bench.apply((tx) => tx.applyInOrder(tablesOf(t, bag), changes, tolerance));
      assert.deepEqual(await bench.rows("t"), ["(1,11,kept)", "(3,13,kept)"]);
      assert.deepEqual(await bench.rows("bag"), ["(1,c)", "(9,b)"]);
      const missing: Change = { kind: "update-row", table: bag.id, old: row("5", "a"), row: row("6", "a") };
      await assert.rejects(
        bench.apply((tx) => tx.applyInOrder(tablesOf(bag), [missing], tolerance)),
        hasCode("TARGET_DRIFT"),
      );
    });
  }

  for (const change of [
    { kind: "update", table: "public.items", oldKey: null, row: ["9", "z", UNCHANGED] },
    { kind: "update", table: "public.items", oldKey: null, row: ["9", UNCHANGED, UNCHANGED] },
    { kind: "update", table: "public.items", oldKey: ["9"], row: ["10", "z", null] },
    { kind: "delete", table: "public.items", oldKey: ["9"] },
  ] as const satisfies Change[]) {
    test(`strict: a ${change.kind} of ${JSON.stringify(change, (_, value: unknown) => (typeof value === "symbol" ? "?" : value))} that finds no row is drift`, async () => {
      await using bench = await Bench.open(server, ITEMS);
      const items = await bench.table("public.items", ["id"]);
      const work = bench.apply((tx) =>
        tx.applyInOrder(tablesOf(items), [{ kind: "delete", table: items.id, oldKey: ["1"] }, change], "strict"),
      );
      await assert.rejects(work, hasCode("TARGET_DRIFT"));
      assert.equal((await bench.rows("items")).length, 3);
    });
  }

  test("tolerant: complete rows are upserts, deletes may miss, incomplete rows without one are pending", async () => {
    await using bench = await Bench.open(server, ITEMS);
    const items = await bench.table("public.items", ["id"]);
    const of = { table: items.id } as const;
    const pending = await bench.apply((tx) =>
      tx.applyInOrder(
        tablesOf(items),
        [
          { kind: "insert", ...of, row: row("1", "a", "again") },
          { kind: "insert", ...of, row: row("5", "e", "new") },
          { kind: "delete", ...of, oldKey: ["77"] },
          { kind: "update", ...of, oldKey: null, row: row("6", "f", "not there yet") },
          { kind: "update", ...of, oldKey: null, row: ["7", "g", UNCHANGED] },
          { kind: "update", ...of, oldKey: null, row: ["2", "B", UNCHANGED] },
          { kind: "update", ...of, oldKey: ["3"], row: ["33", UNCHANGED, "moved"] },
          { kind: "update", ...of, oldKey: ["8"], row: ["88", UNCHANGED, "?"] },
          { kind: "update", ...of, oldKey: ["5"], row: row("6", "e", "over 6") },
        ],
        "tolerant",
      ),
    );
    assert.deepEqual(pending, [
      { table: items.id, key: ["7"] },
      { table: items.id, key: ["88"] },
    ]);
    assert.deepEqual(await bench.rows("items"), ["(1,a,again)", "(2,B,y)", "(33,c,moved)", '(6,e,"over 6")']);
  });

  test("several tables, and a truncate between them", async () => {
    await using bench = await Bench.open(server, `${ITEMS}; create table other (id int primary key)`);
    const items = await bench.table("public.items", ["id"]);
    const other = await bench.table("public.other", ["id"]);
    const many: Change[] = Array.from({ length: 500 }, (_, index) => ({ kind: "insert", table: other.id, row: [String(index)] }));
    await bench.apply((tx) =>
      tx.applyInOrder(
        tablesOf(items, other),
        [
          ...many,
          { kind: "insert", table: items.id, row: row("9", "i", null) },
          { kind: "truncate", tables: [items.id, "not.migrated"] },
          { kind: "insert", table: items.id, row: row("1", "a", null) },
        ],
        "strict",
      ),
    );
    assert.deepEqual(await bench.rows("items"), ["(1,a,)"]);
    assert.equal((await bench.rows("other")).length, 500);
  });

  test("rows too large for a statement, and more statements than one round trip takes", async () => {
    await using bench = await Bench.open(server, ITEMS);
    const items = await bench.table("public.items", ["id"]);
    const of = { table: items.id } as const;
    const updates: Change[] = Array.from({ length: 450 }, (_, index) => ({
      kind: "update",
      ...of,
      oldKey: null,
      row: ["2", UNCHANGED, `round ${index}`],
    }));
    const large = "\u00e9".repeat(100_000);
    await bench.apply((tx) =>
      tx.applyInOrder(
        tablesOf(items),
        [
          ...updates,
          { kind: "update", ...of, oldKey: null, row: ["3", UNCHANGED, row(large)[0] as string] },
          { kind: "update", ...of, oldKey: ["3"], row: ["4", UNCHANGED, row(`${large}!`)[0] as string] },
          { kind: "update", ...of, oldKey: null, row: ["1", UNCHANGED, "last"] },
        ],
        "strict",
      ),
    );
    assert.deepEqual(await bench.sql("select id, length(note) as l from items order by id"), [
      { id: 1, l: 4 },
      { id: 2, l: 9 },
      { id: 4, l: 100_001 },
    ]);
  });

  for (const kind of ["plain", "partitioned", "indexed"] as const) {
    test(`without a key, ${kind}: one copy of a duplicate at a time`, async () => {
      const partitions =
        "create domain level as int check (value < 100); create table logs (at int, what json, place point, l level) partition by range (at);" +
        "create table logs_1 partition of logs for values from (0) to (10); create table logs_2 partition of logs for values from (10) to (20)";
      const ddl = { plain: LOGS, partitioned: partitions, indexed: `${LOGS}; create index on logs (at); create index on logs (l)` }[kind];
      await using bench = await Bench.open(server, ddl);
      const logs = await bench.table("public.logs", null);
      const of = { table: logs.id } as const;
      const twin = row("1", '{"a": 1}', "(1,2)", "5");
      const spaced = row("1", '{"a":  1}', "(1,2)", "5");
      const nulls = row("2", null, null, null);
      const rest = Array.from({ length: 100 }, (_, index): Change => ({ kind: "insert", ...of, row: row("11", `[${index}]`, null, "6") }));
      await bench.apply((tx) =>
        tx.applyInOrder(
          tablesOf(logs),
          [
            ...[twin, twin, twin, spaced, nulls, nulls].map((one): Change => ({ kind: "insert", ...of, row: one })),
            ...rest,
            { kind: "delete-row", ...of, old: twin },
            { kind: "update-row", ...of, old: twin, row: row("12", "{}", "(0,0)", "7") },
            { kind: "delete-row", ...of, old: nulls },
            { kind: "insert", ...of, row: spaced },
            { kind: "delete-row", ...of, old: row("11", "[99]", null, "6") },
          ],
          "strict",
        ),
      );
      const rows = await bench.rows("(select * from logs where at <> 11)");
      assert.deepEqual(
        rows,
        ['(1,"{""a"":  1}","(1,2)",5)', '(1,"{""a"":  1}","(1,2)",5)', '(1,"{""a"": 1}","(1,2)",5)', '(12,{},"(0,0)",7)', "(2,,,)"].sort(
          (a, b) => rows.indexOf(a) - rows.indexOf(b),
        ),
      );
      assert.equal((await bench.rows("logs")).length, 5 + 99);
      for (const tolerance of ["strict", "tolerant"] as const) {
        const gone = bench.apply((tx) =>
          tx.applyInOrder(tablesOf(logs), [{ kind: "delete-row", ...of, old: row("3", null, null, null) }], tolerance),
        );
        await assert.rejects(gone, hasCode("TARGET_DRIFT"));
      }
    });
  }

  test("bytes that are no UTF-8 pass where the databases have no encoding", async () => {
    const admin = await server.connect();
    await admin.query("create database raw_bytes template template0 encoding 'SQL_ASCII' locale 'C'");
    await admin.end();
    const raw = { name: "raw_bytes", url: server.url("raw_bytes"), connect: (user?: string) => server.connect("raw_bytes", user) };
    const setup = await raw.connect();
    await setup.query(ITEMS);
    const target = await openTarget(raw);
    const items = await describeTable(raw, "public.items", ["id"]);
    await target.transaction("stream", async (tx) => {
      await tx.apply(items, { deletes: [], patches: [["1", UNCHANGED, "\xff\xfe"]], puts: [["8", "\x80", null]] }, "strict");
      await tx.applyInOrder(tablesOf(items), [{ kind: "update", table: items.id, oldKey: null, row: ["2", "\xe4", UNCHANGED] }], "strict");
      await tx.addPending(items.id, [["\xff"], ['a"b']]);
    });
    const { pending } = await target.progress();
    assert.deepEqual(new Set(pending.get(items.id)?.map((key) => key[0])), new Set(["\xff", 'a"b']));
    const { rows } = await setup.query(
      "select id, encode(name::bytea, 'hex') as n, encode(note::bytea, 'hex') as t from items where id <> 3 order by id",
    );
    assert.deepEqual(rows, [
      { id: 1, n: "61", t: "fffe" },
      { id: 2, n: "e4", t: "79" },
      { id: 8, n: "80", t: null },
    ]);
    await target.close();
    await setup.end();
  });
});
