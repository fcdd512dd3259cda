import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { PghaulError } from "../../../src/errors/pghaul-error.ts";
import { encodeCopyLine } from "../../../src/postgres/copy-text.ts";
import { waitFor } from "../../support/database.ts";
import { type PgServer, startServer } from "../../support/pg-server.ts";
import { Bench, chunk, hasCode, row } from "./bench.ts";

const ITEMS =
  "create table items (id int generated always as identity primary key, name text unique, n int check (n < 1000)); insert into items overriding system value values (5, 'five', 5)";

suite("merge", () => {
  let server: PgServer;
  before(async () => {
    server = await startServer({ version: 17 });
  });
  after(() => server[Symbol.asyncDispose]());

  const rowsFrom = (first: number, count: number) =>
    Array.from({ length: count }, (_, index) => row(String(first + index), `name ${first + index}`, "1"));

  test("a chunk that meets no key is copied in whole", async () => {
    await using bench = await Bench.open(server, ITEMS);
    const items = await bench.table("public.items", ["id"]);
    const inserted = await bench.target.transaction("load", (tx) => tx.insertAbsent(items, chunk(rowsFrom(10, 100)), rowsFrom(200, 3)));
    assert.equal(inserted, 103);
    assert.equal((await bench.rows("items")).length, 104);
  });

  test("a key that is there keeps its row, and the transaction goes on", async () => {
    await using bench = await Bench.open(server, ITEMS);
    const items = await bench.table("public.items", ["id"]);
    await bench.target.transaction("load", async (tx) => {
      assert.equal(await tx.insertAbsent(items, chunk(rowsFrom(1, 10)), rowsFrom(20, 2)), 11);
      assert.equal(await tx.insertAbsent(items, chunk(rowsFrom(10, 3)), []), 2);
      assert.equal(await tx.insertAbsent(items, null, []), 0);
      assert.equal(await tx.insertAbsent(items, null, rowsFrom(1, 3)), 0);
    });
    assert.deepEqual(await bench.rows("(select * from items where id = 5)"), ["(5,five,5)"]);
    assert.equal((await bench.rows("items")).length, 14);
  });

  test("another unique constraint than the key's is no reason to leave a row out", async () => {
    await using bench = await Bench.open(server, ITEMS);
    const items = await bench.table("public.items", ["id"]);
    const work = bench.target.transaction("load", (tx) => tx.insertAbsent(items, null, [row("6", "five", "1")]));
    await assert.rejects(work, (error) => {
      assert.ok(error instanceof PghaulError);
      assert.equal(error.code, "TARGET_QUERY");
      assert.equal(error.context.constraint, "items_name_key");
      return true;
    });
    assert.equal((await bench.rows("items")).length, 1);
  });

  test("replace: rows exchange unique values, absent ones go", async () => {
    await using bench = await Bench.open(
      server,
      `${ITEMS}; insert into items overriding system value values (6, 'six', 6), (7, 'seven', 7), (8, 'eight', 8)`,
    );
    const items = await bench.table("public.items", ["id"]);
    await bench.apply((tx) =>
      tx.replace(items, [["5"], ["6"], ["7"], ["9"]], [row("5", "six", "1"), row("6", "five", "2"), row("9", "nine", "9")]),
    );
    assert.deepEqual(await bench.rows("items"), ["(5,six,1)", "(6,five,2)", "(8,eight,8)", "(9,nine,9)"]);
  });

  async function* text(count: number, fail?: Error) {
    for (let index = 0; index < count; index++) yield Buffer.from(encodeCopyLine([String(index % 3), "x".repeat(1000)]), "latin1");
    if (fail !== undefined) throw fail;
  }

  test("a whole table is streamed in, and only into an empty one", async () => {
    await using bench = await Bench.open(server, "create table logs (at int, what text)");
    const logs = await bench.table("public.logs", null);
    assert.equal(await bench.target.transaction("load", (tx) => tx.loadWhole(logs, text(30_000))), 30_000);
    await assert.rejects(
      bench.target.transaction("load", (tx) => tx.loadWhole(logs, text(1))),
      hasCode("TARGET_NOT_EMPTY"),
    );
    assert.equal((await bench.rows("logs")).length, 30_000);
  });

  test("rows of a child are not its parent's: the parent is empty until it is loaded itself", async () => {
    await using bench = await Bench.open(
      server,
      "create table logs (at int, what text); create table more_logs () inherits (logs); insert into more_logs values (1, 'child')",
    );
    const logs = await bench.table("public.logs", null);
    assert.equal(await bench.target.transaction("load", (tx) => tx.loadWhole(logs, text(2))), 2);
    await assert.rejects(
      bench.target.transaction("load", (tx) => tx.loadWhole(logs, text(1))),
      hasCode("TARGET_NOT_EMPTY"),
    );
  });

  test("a source that fails in the middle of a COPY keeps its own error; the connection lives", async () => {
    await using bench = await Bench.open(server, "create table logs (at int, what text)");
    const logs = await bench.table("public.logs", null);
    const lost = new PghaulError("SOURCE_LOST", "gone");
    await assert.rejects(
      bench.target.transaction("load", (tx) => tx.loadWhole(logs, text(20_000, lost))),
      (error) => error === lost,
    );
    assert.equal(await bench.target.transaction("load", (tx) => tx.loadWhole(logs, text(2))), 2);
  });

  test("rows that the target refuses: the error names table and column and holds no value", async () => {
    await using bench = await Bench.open(server, ITEMS);
    const items = await bench.table("public.items", ["id"]);
    for (const bad of [row("70", "secret-name", "4444"), row("70", "secret-name", "secret-4444"), row("70", "secret-name\u0000", "1")]) {
      await assert.rejects(
        bench.target.transaction("load", (tx) => tx.insertAbsent(items, chunk([...rowsFrom(100, 5000), bad, ...rowsFrom(9000, 5000)]), [])),
        (error) => {
          assert.ok(error instanceof PghaulError);
          assert.equal(error.code, "ROW_REFUSED");
          assert.equal(error.context.table, "public.items");
          const shown = JSON.stringify([error.message, error.context, error.suggestion, String(error.cause)]);
          assert.doesNotMatch(shown, /secret|4444/);
          return true;
        },
      );
    }
    assert.equal((await bench.rows("items")).length, 1);
  });

  test("a backend that is killed in the middle of a COPY is TARGET_LOST, and the next transaction has another", async () => {
    await using bench = await Bench.open(server, "create table logs (at int, what text)");
    const logs = await bench.table("public.logs", null);
    const admin = await server.connect(bench.database.name);
    async function* killed() {
      yield Buffer.from("1\tone\n");
      const kill = "select pg_terminate_backend(pid) from pg_stat_activity where query like 'copy%' and datname = current_database()";
      // The COPY is on its way, and the server may not have begun it.
      await waitFor(async () => ((await admin.query(kill)).rowCount ?? 0) > 0, { deadlineMs: 10_000, what: "the COPY to begin" });
      for (let index = 0; index < 20_000; index++) yield Buffer.from(`1\t${"y".repeat(1000)}\n`);
    }
    await assert.rejects(
      bench.target.transaction("load", (tx) => tx.loadWhole(logs, killed())),
      hasCode("TARGET_LOST"),
    );
    assert.equal(await bench.target.transaction("load", (tx) => tx.loadWhole(logs, text(2))), 2);
    await waitFor(
      async () => (await admin.query("select from pg_stat_activity where query like 'copy%' and state = 'active'")).rowCount === 0,
      { deadlineMs: 10_000, what: "the COPY to end" },
    );
    await admin.end();
  });
});
