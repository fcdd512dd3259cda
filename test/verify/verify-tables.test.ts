import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Row } from "../../src/model/value.ts";
import type { TableVerdict } from "../../src/verify/ports.ts";
import { verifyTables } from "../../src/verify/verify-tables.ts";
import { KEYED, partsOf } from "./fake-sides.ts";

const { signal } = new AbortController();

/** Compared in two ranges: keys that begin with `a`, and with `b`. */
async function verdictOf(target: readonly Row[]): Promise<TableVerdict | undefined> {
  const source: readonly Row[] = [
    ["a1", "x"],
    ["b1", "y"],
  ];
  const request = {
    tables: [KEYED],
    ranges: async () => ["a", "b"].map((leaf) => ({ leaf, from: null, to: null })),
    workers: 2,
    differences: 0,
    verdict: () => undefined,
    begun: () => undefined,
    now: () => 0,
  };
  const [verdict] = await verifyTables(partsOf({ source, target }), request, signal);
  return verdict;
}

describe("verifyTables", () => {
  it("finds a table equal when each of its ranges is", async () => {
    const verdict = await verdictOf([
      ["a1", "x"],
      ["b1", "y"],
    ]);
    assert.deepEqual([verdict?.equal, verdict?.rows, verdict?.targetRows, verdict?.chunks], [true, 2n, 2n, 2]);
  });

  for (const [what, target] of [
    [
      "first",
      [
        ["a1", "wrong"],
        ["b1", "y"],
      ],
    ],
    [
      "last",
      [
        ["a1", "x"],
        ["b1", "wrong"],
      ],
    ],
  ] as const) {
    it(`finds it different when the ${what} of them is`, async () => {
      assert.equal((await verdictOf(target))?.equal, false);
    });
  }
});
