import assert from "node:assert/strict";
import { test } from "node:test";
import type { Table } from "../../src/model/table.ts";
import { ChunkStore } from "../../src/state/chunk-store.ts";
import { TableStore } from "../../src/state/table-store.ts";
import { temporaryState } from "./temporary-state.ts";

function table(name: string, leaves: readonly { rows: number; bytes: number }[]): Table {
  return {
    id: `public.${name}`,
    schema: "public",
    name,
    oid: 16384,
    columns: [{ name: "id", type: "numeric(12,2)", identityAlways: false, notNull: true }],
    key: [0],
    partitioned: true,
    leaves: leaves.map(({ rows, bytes }, index) => ({ id: String(index), schema: "public", name: `${name}_${index}`, rows, bytes })),
  };
}

test("tables come back in the planned order with the sum of their leaves; never analysed counts as nothing", async (t) => {
  const store = new TableStore(await temporaryState(t));
  const zebra = table("zebra", [
    { rows: 10, bytes: 1000 },
    { rows: 5.4, bytes: 500 },
  ]);
  const apple = table("apple", [{ rows: -1, bytes: 8192 }]);
  store.plan([zebra, apple], ["target"]);
  const tables = store.all();
  assert.deepEqual(
    tables.map((record) => record.table),
    [zebra, apple],
  );
  assert.deepEqual(
    tables.map(({ expectedRows, expectedBytes, phase }) => [expectedRows, expectedBytes, phase]),
    [
      [15, 1500, "pending"],
      [0, 8192, "pending"],
    ],
  );
});

test("progress is the sum of the merged chunks", async (t) => {
  const database = await temporaryState(t);
  const tables = new TableStore(database);
  const chunks = new ChunkStore(database, "target");
  tables.plan([table("a", []), table("b", [])], ["target"]);
  chunks.planChunks(
    "public.a",
    ["0", "1", "2"].map((leaf) => ({ leaf, from: null, to: null })),
  );
  chunks.chunkMerged(1, 10, 100);
  chunks.chunkMerged(3, 20, 200);
  const figures = tables.all().map(({ rows, bytes, chunksDone, chunksTotal }) => ({ rows, bytes, chunksDone, chunksTotal }));
  assert.deepEqual(figures, [
    { rows: 30, bytes: 300, chunksDone: 2, chunksTotal: 3 },
    { rows: 0, bytes: 0, chunksDone: 0, chunksTotal: 0 },
  ]);
});

test("phases carry their times; loading keeps its first one over a restart", async (t) => {
  const store = new TableStore(await temporaryState(t));
  store.plan([table("a", [])], ["target"]);
  store.reached("public.a", "loading", "target");
  const [first] = store.all();
  store.reached("public.a", "loaded", "target");
  store.reached("public.a", "loading", "target");
  const [again] = store.all();
  assert.equal(again?.phase, "loading");
  assert.match(again?.loadingAt ?? "", /^\d{4}-\d\d-\d\dT/);
  assert.equal(again?.loadingAt, first?.loadingAt);
  assert.notEqual(again?.loadedAt, null);
  assert.equal(again?.joinedAt, null);
});

test("planning again keeps phases and takes new definitions", async (t) => {
  const store = new TableStore(await temporaryState(t));
  store.plan([table("a", [])], ["target"]);
  store.reached("public.a", "joined", "target");
  const changed = { ...table("a", []), oid: 777 };
  store.plan([table("b", []), changed], ["target"]);
  assert.deepEqual(
    store.all().map(({ table: { id, oid }, phase }) => [id, oid, phase]),
    [
      ["public.b", 16384, "pending"],
      ["public.a", 777, "joined"],
    ],
  );
});

test("a table that was never planned cannot reach a phase", async (t) => {
  const store = new TableStore(await temporaryState(t));
  assert.throws(() => store.reached("public.gone", "live", "target"), /table public.gone was never planned/);
});
