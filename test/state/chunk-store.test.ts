import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { ChunkRange } from "../../src/engine/ports.ts";
import { ChunkStore } from "../../src/state/chunk-store.ts";
import { openState } from "../../src/state/open-state.ts";
import { temporaryDirectory, temporaryState } from "./temporary-state.ts";

const whole: ChunkRange = { leaf: "0", from: null, to: null };

test("a plan is made once; a second one changes nothing and returns the first", async (t) => {
  const store = new ChunkStore(await temporaryState(t), "target");
  const middle = { values: ["500"], inclusive: true };
  const planned = store.planChunks("public.a", [
    { leaf: "0", from: null, to: middle },
    { leaf: "1", from: { ...middle, inclusive: false }, to: null },
  ]);
  assert.deepEqual(planned, [
    { id: 1, table: "public.a", range: { leaf: "0", from: null, to: middle }, merged: false },
    { id: 2, table: "public.a", range: { leaf: "1", from: { values: ["500"], inclusive: false }, to: null }, merged: false },
  ]);
  assert.deepEqual(store.planChunks("public.a", [whole]), planned);
  assert.deepEqual(store.chunks("public.a"), planned);
});

test("ids are unique over all tables", async (t) => {
  const store = new ChunkStore(await temporaryState(t), "target");
  const ids = ["public.a", "public.b"].flatMap((table) => store.planChunks(table, [whole, whole])).map(({ id }) => id);
  assert.deepEqual(ids, [1, 2, 3, 4]);
  assert.deepEqual(store.chunks("public.c"), []);
});

test("a cut ends the chunk with the key and gives the rest an id of its own", async (t) => {
  const store = new ChunkStore(await temporaryState(t), "target");
  const to = { values: ["9", "z"], inclusive: false };
  store.planChunks("public.a", [{ leaf: "3", from: { values: ["1"], inclusive: true }, to }]);
  const rest = store.cutChunk(1, ["4", "m"]);
  assert.deepEqual(rest, {
    id: 2,
    table: "public.a",
    range: { leaf: "3", from: { values: ["4", "m"], inclusive: false }, to },
    merged: false,
  });
  assert.deepEqual(store.chunks("public.a"), [
    {
      id: 1,
      table: "public.a",
      range: { leaf: "3", from: { values: ["1"], inclusive: true }, to: { values: ["4", "m"], inclusive: true } },
      merged: false,
    },
    rest,
  ]);
});

test("a merged chunk is never cut, and an unknown one is a fault", async (t) => {
  const store = new ChunkStore(await temporaryState(t), "target");
  store.planChunks("public.a", [whole]);
  store.chunkMerged(1, 10, 100);
  assert.throws(() => store.cutChunk(1, ["4"]), /chunk 1 is merged and cannot be cut/);
  assert.throws(() => store.cutChunk(7, ["4"]), /there is no chunk 7/);
  assert.throws(() => store.chunkMerged(7, 0, 0), /there is no chunk 7/);
  assert.deepEqual(store.chunks("public.a"), [{ id: 1, table: "public.a", range: whole, merged: true }]);
});

test("a chunk whose merge the target has lost may be cut when it is read again", async (t) => {
  const store = new ChunkStore(await temporaryState(t), "target");
  store.planChunks("public.a", [whole]);
  store.chunkMerged(1, 10, 100);
  store.chunkLost(1);
  assert.deepEqual(store.chunks("public.a"), [{ id: 1, table: "public.a", range: whole, merged: false }]);
  const rest = store.cutChunk(1, ["4"]);
  store.chunkMerged(1, 4, 40);
  assert.deepEqual(
    store.chunks("public.a").map(({ merged }) => merged),
    [true, false],
  );
  assert.equal(rest.id, 2);
});

test("a merge repeated without counts on resume keeps the counts", async (t) => {
  const database = await temporaryState(t);
  const store = new ChunkStore(database, "target");
  store.planChunks("public.a", [whole]);
  store.chunkMerged(1, 10, 100);
  store.chunkMerged(1, 0, 0);
  assert.deepEqual(database.sqlite.prepare("select row_count, byte_count from chunk_merge").all(), [{ row_count: 10, byte_count: 100 }]);
});

test("bounds of any bytes come back exactly, after a restart too", async (t) => {
  const directory = temporaryDirectory(t);
  const first = await openState(directory);
  // Every byte but 0, which no PostgreSQL text holds; quotes, backslashes and what would be half a UTF-8 sequence among them.
  const bytes = fc.string({ unit: fc.integer({ min: 1, max: 255 }).map((code) => String.fromCharCode(code)), maxLength: 40 });
  const bound = fc.option(
    fc.record({ values: fc.array(fc.option(bytes), { minLength: 1, maxLength: 3 }), inclusive: fc.boolean() }, { noNullPrototype: true }),
  );
  const range = fc.record({ leaf: fc.string(), from: bound, to: bound }, { noNullPrototype: true });
  const plans: (readonly [string, readonly ChunkRange[]])[] = [];
  fc.assert(
    fc.property(fc.array(range, { minLength: 1, maxLength: 5 }), (ranges) => {
      const table = `public.t${plans.length}`;
      plans.push([table, ranges]);
      assert.deepEqual(
        new ChunkStore(first, "target").planChunks(table, ranges).map((chunk) => chunk.range),
        ranges,
      );
    }),
    { numRuns: 60 },
  );
  first.close();
  const second = await openState(directory);
  t.after(() => second.close());
  for (const [table, ranges] of plans)
    assert.deepEqual(
      new ChunkStore(second, "target").chunks(table).map((chunk) => chunk.range),
      ranges,
    );
});

test("cuts partition the range: walking the bounds from the start meets every cut once and ends at the old end", async (t) => {
  const database = await temporaryState(t);
  const store = new ChunkStore(database, "target");
  let tables = 0;
  fc.assert(
    fc.property(fc.uniqueArray(fc.integer({ min: 1, max: 999 }), { maxLength: 12 }), (cuts) => {
      const table = `public.t${tables++}`;
      let last = store.planChunks(table, [{ leaf: "0", from: null, to: { values: ["1000"], inclusive: true } }])[0];
      const ordered = [...cuts].sort((a, b) => a - b).map(String);
      for (const cut of ordered) last = store.cutChunk(last?.id ?? -1, [cut]);
      const byFrom = new Map(store.chunks(table).map((chunk) => [chunk.range.from?.values[0] ?? "", chunk.range]));
      const met: string[] = [];
      for (let range = byFrom.get(""); range !== undefined; range = byFrom.get(met.at(-1) ?? "")) met.push(range.to?.values[0] ?? "open");
      assert.deepEqual(met, [...ordered, "1000"]);
    }),
    { numRuns: 30 },
  );
});
