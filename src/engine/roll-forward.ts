/**
 * Rolling a chunk forward: the rows of a snapshot plus every transaction that the snapshot does not contain and that committed before
 * the merge position give the source's rows at that position (research, section 3, step 4).
 *
 * Only keys that were read, or that a key change carries on from a key that was read, are followed. Keys that appear by INSERT alone
 * reach the target through the table's own cursor, which starts below the first chunk's snapshot.
 */
import type { Change, TransactionPiece } from "../model/change.ts";
import { type KeyText, keyText, rowKey, type Table } from "../model/table.ts";
import { carryForward, isComplete, type Row } from "../model/value.ts";
import { keyValues } from "./fold.ts";
import type { ChunkRows, ReadView } from "./ports.ts";

/** A chunk's rows at the merge position: `raw` as the source sent them, `rows` the few that changes touched. */
export interface RolledChunk {
  readonly raw: ChunkRows | null;
  readonly rows: readonly Row[];
  /** Every key followed, there or not: for a repair merge, what is not in `rows` is to be deleted. */
  readonly keys: readonly Row[];
}

/**
 * Rolls `read` forward by the pieces (commit order, one table) that `view` does not contain. The table must have a key.
 * `asked`: keys to follow even where the read found no row (a point re-read must learn that they are gone).
 */
export function rollForward(
  table: Table,
  { view, rows: read }: { readonly view: ReadView; readonly rows: ChunkRows },
  pieces: readonly TransactionPiece[],
  asked: readonly Row[] = [],
): RolledChunk {
  const key = table.key;
  if (key === null) throw new Error(`roll forward: ${table.id} has no key`);
  const changes: Change[] = [];
  for (const piece of pieces) if (!view.contains(piece.header)) changes.push(...piece.changes);
  const truncated = changes.findLastIndex((change) => change.kind === "truncate");
  const after = changes.slice(truncated + 1);
  if (truncated < 0 && after.length === 0 && asked.length === 0) return { raw: read, rows: [], keys: [] };

  const keys = touchedKeys(key, after);
  for (const askedKey of asked) keys.add(keyText(askedKey));
  const { taken, rest } = read.take(key, keys);
  const overlay = new Overlay(key, asked);
  if (truncated < 0) for (const row of taken) overlay.read(row);
  for (const change of after) overlay.apply(change);
  return {
    raw: truncated < 0 ? rest : null,
    rows: overlay.rows(),
    keys: overlay.keys(),
  };
}

/** Old and new keys of every change. */
function touchedKeys(key: readonly number[], changes: readonly Change[]): Set<KeyText> {
  const keys = new Set<KeyText>();
  for (const change of changes) {
    if (change.kind === "insert" || change.kind === "update") keys.add(rowKey(key, change.row));
    if (change.kind === "delete") keys.add(keyText(change.oldKey));
    if (change.kind === "update" && change.oldKey !== null) keys.add(keyText(change.oldKey));
  }
  return keys;
}

class Overlay {
  readonly #key: readonly number[];
  /** Followed keys; a null row is a key that is gone. */
  readonly #followed = new Map<KeyText, { readonly key: Row; readonly row: Row | null }>();

  constructor(key: readonly number[], asked: readonly Row[]) {
    this.#key = key;
    for (const askedKey of asked) this.#set(askedKey, null);
  }

  read(row: Row): void {
    this.#set(keyValues(this.#key, row), row);
  }

  apply(change: Change): void {
    switch (change.kind) {
      case "insert":
        if (this.#followed.has(rowKey(this.#key, change.row))) this.read(change.row);
        return;
      case "delete":
        if (this.#followed.has(keyText(change.oldKey))) this.#set(change.oldKey, null);
        return;
      case "update":
        this.#update(change);
        return;
      default:
        throw new Error(`roll forward: unexpected ${change.kind}`);
    }
  }

  rows(): Row[] {
    return [...this.#followed.values()].flatMap(({ row }) => (row === null ? [] : [row]));
  }

  keys(): Row[] {
    return [...this.#followed.values()].map(({ key }) => key);
  }

  #update(change: Extract<Change, { kind: "update" }>): void {
    const newKey = keyValues(this.#key, change.row);
    const previous = this.#followed.get(keyText(change.oldKey ?? newKey));
    if (change.oldKey !== null && previous !== undefined) this.#set(change.oldKey, null);
    if (isComplete(change.row)) {
      if (previous !== undefined || this.#followed.has(keyText(newKey))) this.#set(newKey, change.row);
    } else if (previous?.row != null) {
      this.#set(newKey, carryForward(previous.row, change.row));
    } else {
      // Part of the row comes from a key that was not read: only the target (which moves it) or a point re-read can know it.
      this.#followed.delete(keyText(newKey));
    }
  }

  #set(key: Row, row: Row | null): void {
    this.#followed.set(keyText(key), { key, row });
  }
}
