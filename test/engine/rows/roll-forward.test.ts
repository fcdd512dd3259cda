import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { rollForward } from "../../../src/engine/rows/roll-forward.ts";
import type { Change, TransactionPiece } from "../../../src/model/change.ts";
import { type Row, UNCHANGED } from "../../../src/model/value.ts";
import { NO_KEY, PlainRows, T, transactionAt, viewOf } from "../rows.ts";

const table = T.id;
const READ: readonly Row[] = [
  ["1", "a", "x"],
  ["2", "b", "y"],
];

/** Rolls the two rows above forward by changes that each committed after the read. */
function roll(changes: readonly Change[], asked: readonly Row[] = []) {
  return rollForward(T, { view: viewOf(), rows: new PlainRows(...READ) }, [transactionAt(10n, ...changes)], asked);
}

/** What would reach the target: untouched rows and rolled ones. */
function result({ raw, rows }: ReturnType<typeof rollForward>): Row[] {
  return [...((raw as PlainRows | null)?.rows ?? []), ...rows].toSorted();
}

describe("rolling a chunk forward", () => {
  it("passes the read on as it is when nothing happened since", () => {
    const rows = new PlainRows(...READ);
    assert.equal(rollForward(T, { view: viewOf(), rows }, []).raw, rows);
  });

  it("leaves out what the read's view contains, wherever its commit lies, and takes what it does not", () => {
    const pieces: TransactionPiece[] = [
      transactionAt(5n, { kind: "update", table, oldKey: null, row: ["1", "late to be seen", "x"] }),
      transactionAt(9n, { kind: "delete", table, oldKey: ["2"] }),
    ];
    const rolled = rollForward(T, { view: viewOf(9n), rows: new PlainRows(...READ) }, pieces);
    assert.deepEqual(result(rolled), [
      ["1", "late to be seen", "x"],
      ["2", "b", "y"],
    ]);
  });

  const cases: readonly [string, readonly Change[], readonly Row[]][] = [
    [
      "updates and keeps an unchanged large value",
      [{ kind: "update", table, oldKey: null, row: ["1", "c", UNCHANGED] }],
      [["1", "c", "x"], READ[1] as Row],
    ],
    ["drops a deleted row", [{ kind: "delete", table, oldKey: ["1"] }], [READ[1] as Row]],
    [
      "takes a row that came back",
      [
        { kind: "delete", table, oldKey: ["1"] },
        { kind: "insert", table, row: ["1", "n", "z"] },
      ],
      [["1", "n", "z"], READ[1] as Row],
    ],
    [
      "carries a row to its new key",
      [{ kind: "update", table, oldKey: ["1"], row: ["7", "a", UNCHANGED] }],
      [READ[1] as Row, ["7", "a", "x"]],
    ],
    ["leaves a row that was only inserted to the stream", [{ kind: "insert", table, row: ["7", "n", "z"] }], READ],
    [
      "leaves a key to the stream that a row moved onto whose large value was not read",
      [
        { kind: "delete", table, oldKey: ["1"] },
        { kind: "update", table, oldKey: ["9"], row: ["1", "a", UNCHANGED] },
      ],
      [READ[1] as Row],
    ],
    [
      "keeps nothing of what was read before a TRUNCATE",
      [
        { kind: "truncate", tables: [table] },
        { kind: "insert", table, row: ["1", "n", "z"] },
      ],
      [],
    ],
  ];
  for (const [name, changes, expected] of cases) it(name, () => assert.deepEqual(result(roll(changes)), expected));

  it("tells a point re-read which of the keys asked for are gone", () => {
    const rolled = roll([{ kind: "delete", table, oldKey: ["1"] }], [["1"], ["2"], ["3"]]);
    assert.deepEqual(rolled.rows, [["2", "b", "y"]]);
    assert.deepEqual(rolled.keys.toSorted(), [["1"], ["2"], ["3"]]);
  });

  it("settles no key that took part of its row from an unread one", () => {
    const rolled = roll([{ kind: "update", table, oldKey: ["9"], row: ["3", "a", UNCHANGED] }], [["3"]]);
    assert.deepEqual(rolled.keys, []);
  });

  it("refuses a table without a key", () => {
    assert.throws(() => rollForward(NO_KEY, { view: viewOf(), rows: new PlainRows() }, []), /no key/);
  });
});
