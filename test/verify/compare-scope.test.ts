import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Change } from "../../src/model/change.ts";
import type { Table } from "../../src/model/table.ts";
import type { Row } from "../../src/model/value.ts";
import { type CompareParts, compareScope } from "../../src/verify/compare-scope.ts";
import { BAG, KEYED, partsOf } from "./fake-sides.ts";

const TRUNCATE: Change = { kind: "truncate", tables: ["s.t"] };
const insert = (...row: string[]): Change => ({ kind: "insert", table: "s.t", row });
const { signal } = new AbortController();

describe("compareScope over a TRUNCATE that the source's snapshot does not contain", () => {
  for (const table of [KEYED, BAG]) {
    const name = table.key === null ? "without a key" : "with a key";
    const cases: readonly [what: string, target: readonly Row[], equal: boolean][] = [
      ["what came after it is there", [["3", "c"]], true],
      [
        "a row from before it is left",
        [
          ["3", "c"],
          ["1", "a"],
        ],
        false,
      ],
      ["what came after it is missing", [], false],
    ];
    for (const [what, target, equal] of cases) {
      it(`${name}: ${what}`, async () => {
        const source: readonly Row[] = [
          ["1", "a"],
          ["2", "b"],
        ];
        const verdict = await compareScope(
          partsOf({ source, target, changes: [insert("2", "z"), TRUNCATE, insert("3", "c")] }),
          { table, range: null, limit: 0 },
          signal,
        );
        assert.deepEqual([verdict.equal, verdict.rows, verdict.targetRows], [equal, 1n, BigInt(target.length)]);
      });
    }
  }

  it("names a row that is left from before it", async () => {
    const { differences } = await compareScope(
      partsOf({
        source: [["1", "a"]],
        target: [
          ["1", "a"],
          ["3", "c"],
        ],
        changes: [TRUNCATE, insert("3", "c")],
      }),
      { table: KEYED, range: null, limit: 10 },
      signal,
    );
    assert.deepEqual(differences, [{ kind: "extra", key: ["1"], columns: [] }]);
  });
});

describe("compareScope while rows change", () => {
  const update: Change = { kind: "update", table: "s.t", oldKey: null, row: ["1", "new"] };
  const moved: Change = { kind: "update", table: "s.t", oldKey: ["1"], row: ["9", "a"] };
  const removed: Change = { kind: "delete", table: "s.t", oldKey: ["1"] };
  const bagRemoved: Change = { kind: "delete-row", table: "s.t", old: ["1", "a"] };
  const bagChanged: Change = { kind: "update-row", table: "s.t", old: ["1", "a"], row: ["1", "new"] };
  const OLD: readonly Row[] = [
    ["1", "a"],
    ["2", "b"],
  ];
  const NEW: readonly Row[] = [
    ["1", "new"],
    ["2", "b"],
  ];
  const REST: readonly Row[] = [["2", "b"]];
  const MOVED: readonly Row[] = [
    ["2", "b"],
    ["9", "a"],
  ];
  const cases: readonly [what: string, table: Table, changes: readonly Change[], target: readonly Row[], equal: boolean][] = [
    ["at rest, the same rows", KEYED, [], OLD, true],
    ["at rest, as many other rows", KEYED, [], NEW, false],
    ["at rest, as many other rows, without a key", BAG, [], NEW, false],
    ["an update that has arrived", KEYED, [update], NEW, true],
    ["an update that has not", KEYED, [update], OLD, false],
    [
      "an update that has arrived, beside a row that is wrong",
      KEYED,
      [update],
      [
        ["1", "new"],
        ["2", "wrong"],
      ],
      false,
    ],
    ["a delete that has arrived", KEYED, [removed], REST, true],
    ["a delete that has not", KEYED, [removed], OLD, false],
    ["a key that changed", KEYED, [moved], MOVED, true],
    ["a key that changed, with the old row left behind", KEYED, [moved], [...MOVED, ["1", "a"]], false],
    ["a delete that has arrived, without a key", BAG, [bagRemoved], REST, true],
    ["a delete that has not, without a key", BAG, [bagRemoved], OLD, false],
    ["an update that has arrived, without a key", BAG, [bagChanged], NEW, true],
    ["an update that has not, without a key", BAG, [bagChanged], OLD, false],
  ];
  for (const [what, table, changes, target, equal] of cases) {
    it(`${what}: ${equal ? "equal" : "different"}`, async () => {
      const verdict = await compareScope(partsOf({ source: OLD, target, changes }), { table, range: null, limit: 0 }, signal);
      assert.equal(verdict.equal, equal);
      assert.equal(verdict.targetRows, BigInt(target.length));
    });
  }

  for (const table of [KEYED, BAG]) {
    it(`takes a transaction that the snapshot holds once, ${table.key === null ? "without" : "with"} a key`, async () => {
      const parts = partsOf({ source: OLD, target: [...OLD, ["3", "c"]], seen: [insert("2", "b")], changes: [insert("3", "c")] });
      const verdict = await compareScope(parts, { table, range: null, limit: 0 }, signal);
      assert.deepEqual([verdict.equal, verdict.rows], [true, 3n]);
    });
  }

  it("names the columns of a row that is wrong, at rest and where it changed", async () => {
    const expected = [{ kind: "changed", key: ["1"], columns: ["v"] }];
    const request = { table: KEYED, range: null, limit: 10 };
    assert.deepEqual((await compareScope(partsOf({ source: OLD, target: NEW }), request, signal)).differences, expected);
    assert.deepEqual((await compareScope(partsOf({ source: OLD, target: OLD, changes: [update] }), request, signal)).differences, expected);
  });
});

describe("compareScope of a table with generated columns", () => {
  const computed = [{ name: "g", type: "text" }];
  const same: readonly Row[] = [["1", "a"]];
  const unread = async (table: Table, changes: readonly Change[]): Promise<bigint> => {
    const after: readonly Row[] = changes.length === 0 ? same : [...same, ["3", "c"]];
    const verdict = await compareScope(partsOf({ source: same, target: after, changes }), { table, range: null, limit: 0 }, signal);
    assert.equal(verdict.equal, true);
    return verdict.generatedUnread;
  };

  it("says of how many rows they were not compared", async () => {
    const written = [insert("3", "c")];
    assert.equal(await unread({ ...KEYED, computed }, []), 0n);
    assert.equal(await unread({ ...KEYED, computed }, written), 1n, "what was written meanwhile comes from the log");
    assert.equal(await unread({ ...BAG, computed }, []), 1n, "without a key all rows may");
    assert.equal(await unread({ ...BAG, computed }, written), 2n);
    assert.equal(await unread(KEYED, written), 0n, "there are none");
  });
});

describe("compareScope of a table that is written to faster than it is compared", () => {
  it("holds no more of the log than it may, tries again, and ends without a verdict", async () => {
    let waits = 0;
    const busy: CompareParts = {
      ...partsOf({ source: [], target: [], changes: [insert("1", "x".repeat(1_000))] }),
      memory: { mostBytes: 500 },
      sleep: async () => {
        waits += 1;
      },
    };
    await assert.rejects(compareScope(busy, { table: KEYED, range: null, limit: 0 }, signal), /so much was written to s\.t/);
    assert.equal(waits, 9);
    const quiet = await compareScope({ ...busy, memory: { mostBytes: 5_000 } }, { table: KEYED, range: null, limit: 0 }, signal);
    assert.equal(quiet.equal, false, "the row has not arrived");
  });
});
