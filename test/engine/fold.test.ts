import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Fold } from "../../src/engine/fold.ts";
import type { RowOps, Tolerance } from "../../src/engine/ports.ts";
import type { Change } from "../../src/model/change.ts";
import { UNCHANGED } from "../../src/model/value.ts";
import { NO_KEY, T, TABLES } from "./rows.ts";

type RowChange = Exclude<Change, { kind: "truncate" }>;
const table = T.id;
const insert = (...row: (string | null)[]): RowChange => ({ kind: "insert", table, row });
const update = (...row: (string | null | typeof UNCHANGED)[]): RowChange => ({ kind: "update", table, oldKey: null, row });
const moved = (from: string, ...row: (string | null | typeof UNCHANGED)[]): RowChange => ({ kind: "update", table, oldKey: [from], row });
const remove = (key: string): RowChange => ({ kind: "delete", table, oldKey: [key] });

function fold(tolerance: Tolerance, ...changes: RowChange[]): RowOps | null | undefined {
  const folding = new Fold(TABLES, tolerance);
  for (const change of changes) assert.ok(folding.add(change), `refused ${JSON.stringify(change)}`);
  assert.equal(folding.count, changes.length);
  return folding.drain()[0]?.ops;
}

describe("folding, strict", () => {
  const cases: readonly [string, readonly RowChange[], RowOps][] = [
    [
      "insert + update -> insert",
      [insert("1", "a", "x"), update("1", "b", UNCHANGED)],
      { deletes: [], patches: [], puts: [["1", "b", "x"]] },
    ],
    ["insert + delete -> nothing", [insert("1", "a", "x"), remove("1")], { deletes: [], patches: [], puts: [] }],
    [
      "update + update carries known columns forward",
      [update("1", "a", "x"), update("1", "b", UNCHANGED)],
      { deletes: [], patches: [["1", "b", "x"]], puts: [] },
    ],
    [
      "unchanged twice stays unchanged",
      [update("1", "a", UNCHANGED), update("1", "b", UNCHANGED)],
      { deletes: [], patches: [["1", "b", UNCHANGED]], puts: [] },
    ],
    [
      "a set NULL is not unchanged",
      [update("1", "a", null), update("1", "b", UNCHANGED)],
      { deletes: [], patches: [["1", "b", null]], puts: [] },
    ],
    ["update + delete -> delete", [update("1", "a", UNCHANGED), remove("1")], { deletes: [["1"]], patches: [], puts: [] }],
    ["delete + insert -> replace", [remove("1"), insert("1", "b", "y")], { deletes: [["1"]], patches: [], puts: [["1", "b", "y"]] }],
    ["delete + insert + delete -> delete", [remove("1"), insert("1", "b", "y"), remove("1")], { deletes: [["1"]], patches: [], puts: [] }],
    ["key change -> delete + insert", [moved("1", "2", "a", "x")], { deletes: [["1"]], patches: [], puts: [["2", "a", "x"]] }],
    [
      "key change of a row inserted here carries its large value",
      [insert("1", "a", "x"), moved("1", "2", "b", UNCHANGED)],
      { deletes: [], patches: [], puts: [["2", "b", "x"]] },
    ],
    [
      "key change onto a key deleted here replaces it",
      [remove("2"), moved("1", "2", "a", "x")],
      { deletes: [["2"], ["1"]], patches: [], puts: [["2", "a", "x"]] },
    ],
  ];
  for (const [name, changes, expected] of cases) it(name, () => assert.deepEqual(fold("strict", ...changes), expected));
});

describe("folding, tolerant", () => {
  it("an insert is an upsert: the row's chunk may have brought it", () => {
    assert.deepEqual(fold("tolerant", insert("1", "a", "x")), { deletes: [["1"]], patches: [], puts: [["1", "a", "x"]] });
  });
  it("a complete update is an upsert", () => {
    assert.deepEqual(fold("tolerant", update("1", "a", "x")), { deletes: [["1"]], patches: [], puts: [["1", "a", "x"]] });
  });
  it("an incomplete one stays a patch", () => {
    assert.deepEqual(fold("tolerant", update("1", "a", UNCHANGED)), { deletes: [], patches: [["1", "a", UNCHANGED]], puts: [] });
  });
  it("a row inserted and deleted here may still have come with a chunk", () => {
    assert.deepEqual(fold("tolerant", insert("1", "a", "x"), remove("1")), { deletes: [["1"]], patches: [], puts: [] });
  });
});

describe("what folding refuses", () => {
  it("a key change that leaves a large value of an unknown row unchanged", () => {
    for (const tolerance of ["strict", "tolerant"] as const)
      assert.equal(new Fold(TABLES, tolerance).add(moved("1", "2", "a", UNCHANGED)), false);
  });
  it("the same over a patch, and the patch is still there to be flushed first", () => {
    const folding = new Fold(TABLES, "strict");
    assert.ok(folding.add(update("1", "a", UNCHANGED)));
    assert.equal(folding.add(moved("1", "2", "b", UNCHANGED)), false);
    assert.deepEqual(folding.drain()[0]?.ops, { deletes: [], patches: [["1", "a", UNCHANGED]], puts: [] });
  });
});

it("a table without a key is only ever replayed in order", () => {
  const folding = new Fold(TABLES, "strict");
  const changes: RowChange[] = [
    { kind: "insert", table: NO_KEY.id, row: ["1", "a", "x"] },
    { kind: "delete-row", table: NO_KEY.id, old: ["1", "a", "x"] },
  ];
  for (const change of changes) assert.ok(folding.add(change));
  assert.deepEqual(folding.drain(), [{ table: NO_KEY, ops: null, changes }]);
  assert.deepEqual(folding.drain(), []);
  assert.equal(folding.bytes, 0);
});
