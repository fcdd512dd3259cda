import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Change, TransactionPiece } from "../../src/model/change.ts";
import { rowKey, type Table } from "../../src/model/table.ts";
import type { Row } from "../../src/model/value.ts";
import { type CompareParts, compareScope } from "../../src/verify/compare-scope.ts";
import type { Digest, TableSnapshot } from "../../src/verify/ports.ts";

const COLUMNS = ["id", "v"].map((name) => ({ name, type: "text", identityAlways: false, notNull: true }));
const KEYED: Table = { id: "s.t", schema: "s", name: "t", oid: 1, columns: COLUMNS, key: [0], partitioned: false, leaves: [] };
const BAG: Table = { ...KEYED, key: null };
const TRUNCATE: Change = { kind: "truncate", tables: ["s.t"] };
const insert = (...row: string[]): Change => ({ kind: "insert", table: "s.t", row });

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
          parts(source, target, [insert("2", "z"), TRUNCATE, insert("3", "c")]),
          { table, range: null, limit: 0 },
          signal,
        );
        assert.deepEqual([verdict.equal, verdict.rows, verdict.targetRows], [equal, 1n, BigInt(target.length)]);
      });
    }
  }

  it("names a row that is left from before it", async () => {
    const { differences } = await compareScope(
      parts(
        [["1", "a"]],
        [
          ["1", "a"],
          ["3", "c"],
        ],
        [TRUNCATE, insert("3", "c")],
      ),
      { table: KEYED, range: null, limit: 10 },
      signal,
    );
    assert.deepEqual(differences, [{ kind: "extra", key: ["1"], columns: [] }]);
  });
});

describe("compareScope of a table with generated columns", () => {
  const computed = [{ name: "g", type: "text" }];
  const same: readonly Row[] = [["1", "a"]];
  const unread = async (table: Table, changes: readonly Change[]): Promise<bigint> => {
    const after: readonly Row[] = changes.length === 0 ? same : [...same, ["3", "c"]];
    const verdict = await compareScope(parts(same, after, changes), { table, range: null, limit: 0 }, signal);
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
      ...parts([], [], [insert("1", "x".repeat(1_000))]),
      memory: { mostBytes: 500 },
      sleep: async () => {
        waits += 1;
      },
    };
    await assert.rejects(compareScope(busy, { table: KEYED, range: null, limit: 0 }, signal), /s\.t was written to so much/);
    assert.equal(waits, 9);
    const quiet = await compareScope({ ...busy, memory: { mostBytes: 5_000 } }, { table: KEYED, range: null, limit: 0 }, signal);
    assert.equal(quiet.equal, false, "the row has not arrived");
  });
});

const { signal } = new AbortController();

function parts(source: readonly Row[], target: readonly Row[], changes: readonly Change[]): CompareParts {
  const header = { xid: 5n, commitLsn: 50n, endLsn: 51n, commitMicros: 0n, origin: null };
  const pieces: readonly TransactionPiece[] = [{ header, firstOrdinal: 0, last: true, changes }];
  const view = { text: "5:5:", contains: () => false };
  return {
    origin: { open: () => Promise.resolve({ snapshot: snapshotOf(source), view, hi: 40n }) },
    replica: { reach: () => Promise.resolve(), openAt: () => Promise.resolve({ snapshot: snapshotOf(target), position: 60n }) },
    log: {
      waitPassed: () => Promise.resolve(),
      async *read() {
        yield* pieces;
      },
    },
    closeBy: () => Promise.resolve(),
    floor: () => Promise.resolve(0n),
    sleep: () => Promise.reject(new Error("there was nothing to wait for")),
  };
}

function snapshotOf(rows: readonly Row[]): TableSnapshot {
  const among = (keys: readonly Row[]): readonly Row[] => rows.filter((row) => keys.some(([key]) => key === row[0]));
  return {
    digest: () => Promise.resolve(digest(rows)),
    digestOfRows: (given) => Promise.resolve(digest(given)),
    digestOfKeys: (_, keys) => Promise.resolve(digest(among(keys))),
    buckets: () => Promise.resolve(rows.length === 0 ? new Map() : new Map([[0, digest(rows)]])),
    rowHashes: () => Promise.resolve(rows.map((row) => ({ key: [row[0] ?? ""], hash: row.join() }))),
    rows: (keys) => Promise.resolve(new Map(among(keys).map((row) => [rowKey([0], row), row]))),
    keysInRange: () => Promise.reject(new Error("no range was asked for")),
    close: () => Promise.resolve(),
  };
}

/** Any sum will do that tells these rows apart. */
function digest(rows: readonly Row[]): Digest {
  return {
    rows: BigInt(rows.length),
    sum: rows.reduce((sum, [id = "", v = ""]) => sum + BigInt(`0x${Buffer.from(`${id}${v}`).toString("hex")}`), 0n),
  };
}
