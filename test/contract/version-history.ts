/** A small migration into a version target, driven as the engine drives it: from what the target remembers, until it is published. */
import type { VersionTarget } from "../../src/engine/ports/version-target.ts";
import type { ChunkRows } from "../../src/engine/ports.ts";
import { PghaulError } from "../../src/errors/pghaul-error.ts";
import type { TransactionPiece } from "../../src/model/change.ts";
import type { Lsn } from "../../src/model/lsn.ts";
import { type Row, UNCHANGED } from "../../src/model/value.ts";
import { NO_KEY, T, TABLES, transactionAt } from "../engine/rows.ts";

/** Values that a format may spoil: latin1 strings, one code unit a byte. */
export const ODD_VALUES: readonly (string | null)[] = [
  null,
  "",
  " ",
  "NULL",
  "\\N",
  "a\tb\nc\rd\\e",
  "\b\f\v\x01\x7f",
  `"quoted", 'and', {"json": [1]}`,
  "1e400",
  "0.10",
  "-0",
  "true",
  // "äö€😀" in UTF-8.
  "\xc3\xa4\xc3\xb6\xe2\x82\xac\xf0\x9f\x98\x80",
  "long ".repeat(5_000),
];

/** Bytes that are not UTF-8, of a database in another encoding. */
export const NOT_UTF8: readonly string[] = ["\xff\xfe", "caf\xe9"];

/** How a kind of target is handed rows. */
interface RowsForTarget {
  rows(...rows: Row[]): ChunkRows;
  copyText(...rows: Row[]): AsyncIterable<Uint8Array>;
}

const STRETCHES: readonly { readonly to: Lsn; readonly pieces: readonly TransactionPiece[] }[] = [
  {
    to: 30n,
    pieces: [
      transactionAt(
        10n,
        { kind: "insert", table: T.id, row: ["9", "i", "nine"] },
        { kind: "insert", table: NO_KEY.id, row: ["n", "n", "n"] },
      ),
      transactionAt(20n, { kind: "update", table: T.id, oldKey: ["1"], row: ["2", "moved", UNCHANGED] }),
    ],
  },
  { to: 35n, pieces: [] },
  {
    to: 60n,
    pieces: [
      transactionAt(40n, { kind: "update", table: T.id, oldKey: null, row: ["5", "later", UNCHANGED] }),
      transactionAt(50n, { kind: "insert", table: NO_KEY.id, row: ["m", "m", "m"] }, { kind: "delete", table: T.id, oldKey: ["9"] }),
    ],
  },
];
const START = 5n;

export const EXPECTED: readonly (readonly [typeof T, readonly Row[]])[] = [
  [
    T,
    [
      ["2", "moved", "one"],
      ["5", "later", "five"],
      ["6", "f", "six"],
    ],
  ],
  [
    NO_KEY,
    [
      ["b", "b", "b"],
      ["n", "n", "n"],
      ["m", "m", "m"],
    ],
  ],
];

/** Brings the target to the end of the history, opening it again after each call that was lost. */
export async function bringToTheEnd(store: RowsForTarget, open: () => Promise<VersionTarget>): Promise<void> {
  for (;;) {
    const target = await open();
    try {
      await goOn(store, target);
      return;
    } catch (error) {
      if (!(error instanceof PghaulError && error.code === "TARGET_LOST")) throw error;
    }
  }
}

async function goOn(store: RowsForTarget, target: VersionTarget): Promise<void> {
  const { accepted, loadedChunks, tables, pending } = await target.progress();
  // Read before and after the move: the old key's row is in neither.
  if (!loadedChunks.has(1)) await target.loadChunk(T, 1, { floor: 24n, hi: 25n, view: null }, store.rows(["5", "e", "five"]));
  if (!loadedChunks.has(2)) await target.loadChunk(T, 2, { floor: 6n, hi: 7n, view: null }, store.rows(["6", "f", "six"]));
  if (!loadedChunks.has(3))
    await target.loadWhole(NO_KEY, 3, store.copyText(["b", "b", "b"]), async () => ({ floor: 6n, hi: 7n, view: "5:5:" }));
  let from = accepted ?? START;
  const moves = [...pending];
  for (const { to, pieces } of STRETCHES) {
    if (to <= from) continue;
    const noted = from < 20n ? [{ table: T.id, key: ["2"], lsn: 20n }] : [];
    const changes = pieces.reduce((sum, piece) => sum + piece.changes.length, 0);
    await target.append(TABLES, from, each(pieces), () => ({ to, transactions: pieces.length, changes, pending: noted }));
    moves.push(...noted);
    from = to;
  }
  if (moves.length > 0) await target.loadKeys(T, { floor: 45n, hi: 55n, view: null }, [["2"]], [["2", "moved", "one"]]);
  const durable = await target.settle();
  for (const table of [T, NO_KEY]) {
    if ((tables.get(table.id)?.published ?? null) === null) await target.publish(table, durable ?? from);
  }
}

async function* each(pieces: readonly TransactionPiece[]): AsyncGenerator<TransactionPiece> {
  yield* pieces;
}
