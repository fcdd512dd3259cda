import type { ChangeLog, LogRange, ReadView } from "../engine/ports.ts";
import type { Change, TransactionPiece } from "../model/change.ts";
import type { PartialRow } from "../model/value.ts";

/** What a comparison holds of the log at most, in bytes of values; two workers may each hold that much. */
const MOST_BYTES = 256 * 2 ** 20;
/** A value's own cost in memory beside its text. */
const VALUE_BYTES = 16;

export interface Stretch {
  readonly log: Pick<ChangeLog, "read">;
  readonly table: string;
  readonly range: LogRange;
  /** What the view contains is left out. */
  readonly view: ReadView;
  readonly mostBytes?: number;
}

/**
 * The changes of one table between a snapshot and a position, in commit order. Null when they are more than may be held in memory: the two
 * snapshots are too far apart, and a later pair may be closer.
 */
export async function piecesBetween(
  { log, table, range, view, mostBytes = MOST_BYTES }: Stretch,
  signal: AbortSignal,
): Promise<readonly TransactionPiece[] | null> {
  const pieces: TransactionPiece[] = [];
  let bytes = 0;
  for await (const piece of log.read(range, new Set([table]), signal)) {
    if (view.contains(piece.header)) continue;
    bytes += piece.changes.reduce((sum, change) => sum + bytesOf(change), 0);
    if (bytes > mostBytes) return null;
    pieces.push(piece);
  }
  return pieces;
}

function bytesOf(change: Change): number {
  switch (change.kind) {
    case "insert":
      return rowBytes(change.row);
    case "update":
      return rowBytes(change.row) + rowBytes(change.oldKey ?? []);
    case "delete":
      return rowBytes(change.oldKey);
    case "update-row":
      return rowBytes(change.row) + rowBytes(change.old);
    case "delete-row":
      return rowBytes(change.old);
    case "truncate":
      return VALUE_BYTES;
  }
}

function rowBytes(row: PartialRow): number {
  return row.reduce<number>((sum, value) => sum + VALUE_BYTES + (typeof value === "string" ? value.length : 0), 0);
}
