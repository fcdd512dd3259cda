import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setImmediate } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { LogStretch } from "../../src/engine/log-stretch.ts";
import type { ChangeLog } from "../../src/engine/ports.ts";
import { type RolledChunk, rollForwardOver } from "../../src/engine/roll-forward.ts";
import type { TransactionPiece } from "../../src/model/change.ts";
import { headerAt, PlainRows, T, transactionAt, viewOf } from "./rows.ts";

const never = new AbortController().signal;
const CHANGES = 400_000;
const A_PIECE = 5_000;

/** One transaction that updates every row: pieces are made when they are asked for. */
async function* large(): AsyncGenerator<TransactionPiece> {
  for (let first = 0; first < CHANGES; first += A_PIECE) {
    await setImmediate();
    const changes = Array.from({ length: A_PIECE }, (_, n) => ({
      kind: "update" as const,
      table: T.id,
      oldKey: null,
      row: [String(first + n), `u${first + n}`, `new ${first + n}`],
    }));
    yield { header: headerAt(10n), firstOrdinal: first, last: first + A_PIECE >= CHANGES, changes };
  }
}

function logOf(pieces: () => AsyncIterable<TransactionPiece>): Pick<ChangeLog, "read"> {
  return {
    async *read({ from, to }) {
      for await (const piece of pieces()) if (piece.header.commitLsn >= from && piece.header.commitLsn < to) yield piece;
    },
  };
}

describe("a stretch of the log", () => {
  it(`of one transaction of ${CHANGES} changes is not held in memory, and rolls a chunk forward all the same`, async () => {
    const log = logOf(large) as ChangeLog;
    const before = await aliveBytes();
    const stretch = await LogStretch.of({ log }, T.id, { from: 0n, to: 20n }, never);
    assert.equal(stretch.isHeld, false);
    let most = 0;
    const watched = async function* (): AsyncGenerator<TransactionPiece> {
      for await (const piece of stretch.pieces(0n)) {
        yield piece;
        if (piece.firstOrdinal % (A_PIECE * 16) === 0) most = Math.max(most, (await aliveBytes()) - before);
      }
    };
    const chunk = new PlainRows(["7", "u", "old"], ["399999", "u", "old"], ["400000", "u", "old"]);
    const rolled = await rollForwardOver(T, { view: viewOf(), rows: chunk }, watched);
    assert.deepEqual(
      [...rolled.rows, ...(rolled.raw as PlainRows).rows],
      [
        ["7", "u7", "new 7"],
        ["399999", "u399999", "new 399999"],
        ["400000", "u", "old"],
      ],
    );
    assert.ok(most > 0 && most < 16 * 1024 * 1024, `${(most / 1024 / 1024).toFixed(1)} MB were alive`);
  });

  it("of a few large rows is not held either: in memory they stand beside every chunk that waits for the same round", async () => {
    const note = "n".repeat(1_000_000);
    const log = logOf(async function* () {
      for (let n = 1; n <= 40; n++) yield transactionAt(BigInt(n), { kind: "insert", table: T.id, row: [String(n), "u", note] });
    }) as ChangeLog;
    const { isHeld } = await LogStretch.of({ log }, T.id, { from: 0n, to: 50n }, never);
    assert.equal(isHeld, false);
  });

  it("of a few transactions is read once", async () => {
    let reads = 0;
    const log = logOf(async function* () {
      reads += 1;
      for (const lsn of [5n, 10n, 15n]) yield transactionAt(lsn, { kind: "delete", table: T.id, oldKey: [String(lsn)] });
    }) as ChangeLog;
    const stretch = await LogStretch.of({ log }, T.id, { from: 5n, to: 15n }, never);
    const found: bigint[] = [];
    for (const from of [0n, 6n]) for await (const { header } of stretch.pieces(from)) found.push(header.commitLsn);
    assert.deepEqual(found, [5n, 10n, 10n]);
    assert.deepEqual([stretch.isHeld, reads], [true, 1]);
  });

  it("too large to be held is the same from each place on, also where the view holds part of it or a table was truncated", async () => {
    const truncate = { kind: "truncate" as const, tables: [T.id] };
    const put = (id: string, mark: string) => ({ kind: "insert" as const, table: T.id, row: [id, mark, mark] });
    const pieces = [
      transactionAt(10n, put("1", "a"), put("2", "a")),
      transactionAt(20n, truncate),
      transactionAt(30n, put("1", "b")),
      transactionAt(40n, put("9", "c")),
    ];
    const log = logOf(async function* () {
      yield* pieces;
    }) as ChangeLog;
    const read = { view: viewOf(10n), rows: new PlainRows(["1", "x", "x"], ["3", "x", "x"]) };
    const results: RolledChunk[] = [];
    for (const limits of [{ changes: 0, bytes: 0 }, undefined]) {
      const stretch = await LogStretch.of({ log, ...(limits === undefined ? {} : { limits }) }, T.id, { from: 10n, to: 50n }, never);
      assert.equal(stretch.isHeld, limits === undefined);
      for (const asked of [[], [["1"], ["9"]]]) results.push(await rollForwardOver(T, read, () => stretch.pieces(10n), asked));
    }
    assert.deepEqual(results.slice(0, 2), results.slice(2));
    assert.deepEqual(results[0], { raw: null, rows: [], keys: [] });
    assert.deepEqual(results[1]?.rows, [
      ["1", "b", "b"],
      ["9", "c", "c"],
    ]);
  });
});

async function aliveBytes(): Promise<number> {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  collect();
  await setImmediate();
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
