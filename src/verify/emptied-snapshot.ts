import type { TransactionPiece } from "../model/change.ts";
import type { Digest, TableSnapshot } from "./ports.ts";

const NOTHING: Digest = { rows: 0n, sum: 0n };

/** What came after the last TRUNCATE of the table, and whether there was one: nothing from before it is left. */
export function afterTruncate(pieces: readonly TransactionPiece[]): {
  readonly rest: readonly TransactionPiece[];
  readonly truncated: boolean;
} {
  const last = pieces.findLastIndex(({ changes }) => changes.some(({ kind }) => kind === "truncate"));
  const piece = pieces[last];
  if (piece === undefined) return { rest: pieces, truncated: false };
  const changes = piece.changes.slice(piece.changes.findLastIndex(({ kind }) => kind === "truncate") + 1);
  return { rest: [{ ...piece, changes }, ...pieces.slice(last + 1)], truncated: true };
}

/** The same table without its rows: what a snapshot would show behind a TRUNCATE that it does not contain. */
export function emptied(snapshot: TableSnapshot): TableSnapshot {
  return {
    digest: () => Promise.resolve(NOTHING),
    digestOfKeys: () => Promise.resolve(NOTHING),
    buckets: () => Promise.resolve(new Map()),
    rowHashes: () => Promise.resolve([]),
    rows: () => Promise.resolve(new Map()),
    digestOfRows: (rows) => snapshot.digestOfRows(rows),
    keysInRange: (range, keys) => snapshot.keysInRange(range, keys),
    close: () => snapshot.close(),
  };
}
