import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { ChunkRange } from "../../src/engine/ports.ts";
import type { Table } from "../../src/model/table.ts";
import { type LeafValues, planChunks } from "../../src/plan/plan-chunks.ts";

const tableOf = (key: Table["key"], leafBytes: number[]): Table => ({
  id: "public.t",
  schema: "public",
  name: "t",
  oid: 1,
  key,
  columns: [{ name: "id", type: "bigint", identityAlways: false, notNull: true }],
  partitioned: true,
  leaves: leafBytes.map((bytes, leaf) => ({ id: String(leaf), schema: "public", name: `t${leaf}`, bytes, rows: 1 })),
});

const plan = (table: Table, samples: readonly LeafValues[], chunkBytes: number) => planChunks(table, table.leaves, samples, chunkBytes);

const holds = ({ from, to }: ChunkRange, key: bigint): boolean =>
  (from === null || key >= BigInt(from.values[0] ?? "")) && (to === null || key < BigInt(to.values[0] ?? ""));

test("a table without a key is one range over all of it", () => {
  assert.deepEqual(plan(tableOf(null, [1e12, 1e12]), [], 1e6), [{ leaf: "", from: null, to: null }]);
});

test("without knowledge, or when small, a leaf is one range", () => {
  const open = { from: null, to: null };
  assert.deepEqual(plan(tableOf([0], [1e12, 10]), [], 1e6), [
    { leaf: "0", ...open },
    { leaf: "1", ...open },
  ]);
  assert.deepEqual(plan(tableOf([0], [1e12]), [{ values: [], extremes: null }], 1e6), [{ leaf: "0", ...open }]);
  assert.deepEqual(plan(tableOf([0], [10]), [{ values: ["1", "2", "3"], extremes: null }], 1e6), [{ leaf: "0", ...open }]);
  assert.deepEqual(plan(tableOf([0], []), [], 1e6), []);
});

test("the ranges are as many as the size asks for, at most 64 a leaf", () => {
  const values = Array.from({ length: 101 }, (_, place) => String(place * 10));
  assert.equal(plan(tableOf([0], [4e6]), [{ values, extremes: null }], 1e6).length, 4);
  assert.equal(plan(tableOf([0], [1e15]), [{ values, extremes: null }], 1e6).length, 64);
  assert.equal(plan(tableOf([0], [1e15]), [{ values: [], extremes: { min: 0n, max: 1n << 62n } }], 1e6).length, 64);
  assert.equal(plan(tableOf([0], [1e15]), [{ values: [], extremes: { min: 5n, max: 7n } }], 1e6).length, 3, "no more ranges than values");
});

test("every key lies in exactly one range, and none of them is empty by construction", () => {
  const sample = fc.oneof(
    fc.record({
      values: fc.uniqueArray(fc.bigInt(-1000n, 1000n)).map((all) => all.sort((a, b) => (a < b ? -1 : 1)).map(String)),
      extremes: fc.constant(null),
    }),
    fc
      .tuple(fc.bigInt(-(1n << 63n), (1n << 63n) - 1n), fc.bigInt(0n, 5000n))
      .map(([min, more]) => ({ values: [], extremes: { min, max: min + more } })),
  );
  fc.assert(
    fc.property(sample, fc.nat(200e6), fc.array(fc.bigInt(-6000n, 6000n), { minLength: 1 }), (leaf, bytes, offsets) => {
      const ranges = plan(tableOf([0], [bytes]), [leaf], 1e6);
      const base = leaf.extremes?.min ?? 0n;
      for (const offset of offsets) assert.equal(ranges.filter((range) => holds(range, base + offset)).length, 1);
      const starts = ranges.flatMap(({ from }) => (from === null ? [] : [BigInt(from.values[0] ?? "")]));
      for (const [place, start] of starts.entries()) assert.ok(place === 0 || start > (starts[place - 1] ?? 0n));
    }),
  );
});
