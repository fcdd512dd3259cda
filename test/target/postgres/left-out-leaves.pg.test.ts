import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import type { PghaulError } from "../../../src/errors/pghaul-error.ts";
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

  /** Rows of ours that the target's bounds would lead among rows that are not. */
  const ASTRAY = `create table ev (id int, day int, v text, primary key (id, day)) partition by range (day);
    create table ev_1 partition of ev for values from (0) to (10); create table "Other ""1""" partition of ev for values from (10) to (20); create table rest partition of ev default;
    insert into ev values (1, 1, 'kept'), (11, 11, 'theirs');`;
  const LEFT = ['Other "1"', "rest"].map((name) => ({ schema: "public", name }));
  const stray = row("5", "15", "ours");
  const beyond = row("6", "99", "ours");
  const manyRows = [...Array.from({ length: 60 }, (_, i) => row(String(100 + i), "5", "fine")), stray];
  const WRITES: Record<string, (bench: Bench, ev: Table) => Promise<unknown>> = {
    "a put": (bench, ev) => bench.apply((tx) => tx.apply(ev, { deletes: [], patches: [], puts: [stray] }, "strict")),
    "a put beyond all bounds": (bench, ev) => bench.apply((tx) => tx.apply(ev, { deletes: [], patches: [], puts: [beyond] }, "strict")),
    "many puts": (bench, ev) => bench.apply((tx) => tx.apply(ev, { deletes: [], patches: [], puts: manyRows }, "strict")),
    "many puts and a delete": (bench, ev) =>
      bench.apply((tx) => tx.apply(ev, { deletes: [["1", "1"]], patches: [], puts: manyRows }, "strict")),
    "a key that moves": (bench, ev) =>
      bench.apply((tx) =>
        tx.applyInOrder(tablesOf(ev), [{ kind: "update", table: ev.id, oldKey: ["1", "1"], row: ["1", "15", UNCHANGED] }], "strict"),
      ),
    "an insert in order": (bench, ev) =>
      bench.apply((tx) => tx.applyInOrder(tablesOf(ev), [{ kind: "insert", table: ev.id, row: stray }], "strict")),
    "a chunk": (bench, ev) => bench.target.transaction("load", (tx) => tx.insertAbsent(ev, chunk([stray]), [])),
    "a row read again": (bench, ev) => bench.target.transaction("load", (tx) => tx.replace(ev, [["5", "15"]], [stray])),
    "a whole table": (bench, ev) =>
      bench.target.transaction("load", async (tx) => {
        await bench.sql("delete from ev where v = 'kept'");
        await tx.loadWhole(
          { ...ev, key: null },
          (async function* () {
            yield* chunk(manyRows).copyText();
          })(),
        );
      }),
    "many inserts in order": (bench, ev) =>
      bench.apply((tx) =>
        tx.applyInOrder(
          tablesOf(ev),
          manyRows.map((one) => ({ kind: "insert", table: ev.id, row: one })),
          "strict",
        ),
      ),
    "a whole row": (bench, ev) =>
      bench.apply((tx) =>
        tx.applyInOrder(
          tablesOf({ ...ev, key: null }),
          [{ kind: "update-row", table: ev.id, old: row("1", "1", "kept"), row: stray }],
          "strict",
        ),
      ),
  };
  for (const [what, write] of Object.entries(WRITES)) {
    test(`${what} that the target's bounds lead into a leaf that is not ours is refused before it is written`, async () => {
      await using bench = await Bench.open(server, ASTRAY);
      const ev = { ...(await bench.table("public.ev", ["id", "day"])), leftOut: LEFT };
      await assert.rejects(write(bench, ev), (error: PghaulError) => {
        assert.deepEqual([error.code, error.context.table], ["TARGET_SCHEMA", "public.ev"], error.message);
        assert.match(
          error.message,
          /^a row of public\.ev belongs to (public\."Other ""1"""|public\.rest) at the target, which is not moved$/,
        );
        assert.match(error.suggestion ?? "", /^alter table public\.ev detach partition public\.("Other ""1"""|rest);/);
        return true;
      });
      assert.deepEqual((await bench.rows("ev")).at(-1), "(11,11,theirs)");
      assert.deepEqual(await bench.rows("(select * from ev where v = 'ours')"), []);
    });
  }

  test("with leaves that are not ours, rows of ours go where they belong, whatever brings them", async () => {
    await using bench = await Bench.open(server, ASTRAY);
    const ev = { ...(await bench.table("public.ev", ["id", "day"])), leftOut: LEFT };
    const fine = manyRows.slice(0, 60);
    await bench.apply((tx) => tx.apply(ev, { deletes: [], patches: [], puts: fine }, "strict"));
    assert.equal(await bench.target.transaction("load", (tx) => tx.insertAbsent(ev, chunk([...fine, row("7", "7", "merged")]), [])), 1);
    assert.deepEqual(await bench.rows("(select count(*) from only ev_1)"), ["(62)"]);
  });

  test("a foreign leaf that takes the place of ours between two transactions is seen by the next", async () => {
    await using bench = await Bench.open(server, TABLES);
    await bench.sql("alter table ev detach partition ev_far");
    const ev = await bench.table("public.ev", ["id", "day"]);
    const put = (id: string, day: string) =>
      bench.apply((tx) => tx.apply(ev, { deletes: [], patches: [], puts: [row(id, day, "put", null)] }, "strict"));
    await put("100", "15");
    await bench.sql(
      "alter table ev detach partition ev_2; create foreign table ev_else partition of ev for values from (10) to (20) server elsewhere",
    );
    await put("101", "5");
    await assert.rejects(put("102", "15"), (error: PghaulError) => /belongs to public\.ev_else at the target/.test(error.message));
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
