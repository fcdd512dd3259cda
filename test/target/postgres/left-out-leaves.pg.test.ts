import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import type { Change } from "../../../src/model/change.ts";
import type { Table } from "../../../src/model/table.ts";
import { type PartialRow, UNCHANGED } from "../../../src/model/value.ts";
import { type PgServer, startServer } from "../../support/pg-server.ts";
import { Bench, chunk, hasCode, row } from "./bench.ts";

/** A foreign table without a handler: a plan that names it fails. Beside one, a key can only be the leaves' own (manual: "CREATE FOREIGN TABLE"). */
const TABLES = `
  create foreign data wrapper nowhere; create server elsewhere foreign data wrapper nowhere;
  create table ev (id int, day int, v text, big text) partition by range (day);
  create table ev_1 partition of ev for values from (0) to (10);
  create table ev_2 partition of ev for values from (10) to (20);
  alter table ev_1 add primary key (id, day); alter table ev_2 add primary key (id, day);
  create foreign table ev_far partition of ev for values from (90) to (100) server elsewhere;
  create table bag (day int, v text) partition by range (day);
  create table bag_1 partition of bag for values from (0) to (10);
  create table bag_2 partition of bag for values from (10) to (20);
  create foreign table bag_far partition of bag for values from (90) to (100) server elsewhere;
  insert into ev select i, i, 'v', 'kept' from generate_series(1, 19) i;
  insert into bag select i, 'v' from unnest(array[1, 1, 2, 11]) i`;

suite("a partitioned table with leaves that are not ours", () => {
  let server: PgServer;
  before(async () => {
    server = await startServer({ version: 15 });
  });
  after(() => server[Symbol.asyncDispose]());

  const tablesOf = (...tables: Table[]): ReadonlyMap<string, Table> => new Map(tables.map((table) => [table.id, table]));

  for (const many of [false, true]) {
    test(`${many ? "staged" : "as literals"}: deletes, patches and puts reach our leaves alone`, async () => {
      await using bench = await Bench.open(server, TABLES);
      const ev = await bench.table("public.ev", ["id", "day"]);
      const puts = many ? Array.from({ length: 60 }, (_, i) => row(String(100 + i), "5", "put", null)) : [row("100", "5", "put", null)];
      const patches: PartialRow[] = [
        ["2", "2", "patched", UNCHANGED],
        ["12", "12", "patched", UNCHANGED],
        ["3", "3", UNCHANGED, UNCHANGED],
      ];
      await bench.apply((tx) =>
        tx.apply(
          ev,
          {
            deletes: [
              ["1", "1"],
              ["11", "11"],
            ],
            patches,
            puts,
          },
          "strict",
        ),
      );
      assert.deepEqual(await bench.rows("(select id, v, big from only ev_1 where id in (1, 2, 100))"), ["(100,put,)", "(2,patched,kept)"]);
      assert.deepEqual(await bench.rows("(select id, v, big from only ev_2 where id in (11, 12))"), ["(12,patched,kept)"]);
      await assert.rejects(
        bench.apply((tx) => tx.apply(ev, { deletes: [["1", "1"]], patches: [], puts: [] }, "strict")),
        hasCode("TARGET_DRIFT"),
      );
      const absent = await bench.apply((tx) => tx.apply(ev, { deletes: [], patches: [["1", "1", "x", UNCHANGED]], puts: [] }, "tolerant"));
      assert.deepEqual(absent, [["1", "1"]]);
    });
  }

  test("in order: keys and whole rows that move between leaves", async () => {
    await using bench = await Bench.open(server, TABLES);
    const [ev, bag] = [await bench.table("public.ev", ["id", "day"]), await bench.table("public.bag", null)];
    const changes: Change[] = [
      { kind: "update", table: ev.id, oldKey: ["1", "1"], row: ["1", "15", "moved", UNCHANGED] },
      { kind: "update", table: ev.id, oldKey: null, row: ["2", "2", "patched", UNCHANGED] },
      { kind: "delete", table: ev.id, oldKey: ["3", "3"] },
      { kind: "update-row", table: bag.id, old: row("1", "v"), row: row("15", "moved") },
      { kind: "update-row", table: bag.id, old: row("2", "v"), row: row("2", "w") },
      { kind: "delete-row", table: bag.id, old: row("11", "v") },
    ];
    await bench.apply((tx) => tx.applyInOrder(tablesOf(ev, bag), changes, "strict"));
    assert.deepEqual(await bench.rows("(select * from only ev_2 where id < 10)"), ["(1,15,moved,kept)"]);
    assert.deepEqual(await bench.rows("(select * from only ev_1 where id < 4)"), ["(2,2,patched,kept)"]);
    assert.deepEqual(await bench.rows("only bag_1"), ["(1,v)", "(2,w)"]);
    assert.deepEqual(await bench.rows("only bag_2"), ["(15,moved)"]);
  });

  test("merged chunks, re-reads and moves; and a leaf that comes while a session is open", async () => {
    await using bench = await Bench.open(server, TABLES);
    const ev = await bench.table("public.ev", ["id", "day"]);
    const merged = await bench.target.transaction("load", (tx) =>
      tx.insertAbsent(ev, chunk([row("1", "1", "x", "y"), row("50", "1", "x", "y")]), []),
    );
    assert.equal(merged, 1);
    await bench.target.transaction("load", (tx) =>
      tx.replace(
        ev,
        [
          ["2", "2"],
          ["77", "1"],
        ],
        [row("2", "2", "again", null)],
      ),
    );
    await bench.sql("create table ev_3 partition of ev for values from (20) to (30); insert into ev values (25, 25, 'v', 'kept')");
    assert.equal(await bench.apply((tx) => tx.move(ev, ["25", "25"], ["25", "5", UNCHANGED, UNCHANGED])), true);
    assert.deepEqual(await bench.rows("(select * from only ev_1 where id in (1, 2, 25))"), [
      "(1,1,v,kept)",
      "(2,2,again,)",
      "(25,5,v,kept)",
    ]);
  });

  test("a leaf of that name that is left out keeps its rows, whatever they look like", async () => {
    await using bench = await Bench.open(
      server,
      "create table bag (day int, v text) partition by range (day); create table bag_1 partition of bag for values from (0) to (10); create table bag_2 partition of bag for values from (10) to (20); insert into bag values (11, 'theirs')",
    );
    const bag = { ...(await bench.table("public.bag", null)), leftOut: [{ schema: "public", name: "bag_2" }] };
    const gone: Change = { kind: "delete-row", table: bag.id, old: row("11", "theirs") };
    await assert.rejects(
      bench.apply((tx) => tx.applyInOrder(tablesOf(bag), [gone], "strict")),
      hasCode("TARGET_DRIFT"),
    );
    assert.deepEqual(await bench.rows("bag"), ["(11,theirs)"]);
  });
});
