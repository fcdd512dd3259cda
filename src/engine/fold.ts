/**
 * Folding: many changes of a batch become at most one operation per key, so that the target works in sets.
 *
 * insert + update -> insert; update + update -> update with columns carried forward; delete + insert -> replace; a key change -> delete +
 * insert. What cannot be folded without knowing the target's row (a key change that leaves a TOASTed column unchanged, TRUNCATE) is
 * refused: the caller flushes and runs it by itself.
 */
import type { Change } from "../model/change.ts";
import { type KeyText, keyText, rowKey, type Table } from "../model/table.ts";
import { carryForward, carryPartial, isComplete, type PartialRow, type Row } from "../model/value.ts";
import type { RowOps, Tolerance } from "./ports.ts";

/** What the batch makes of one key. `existed`: the target may hold the key from before the batch, so it must be deleted first. */
type Entry =
  | {
      readonly state: "put";
      readonly existed: boolean;
      readonly key: Row;
      readonly row: Row;
    }
  | {
      readonly state: "patch";
      readonly existed: true;
      readonly key: Row;
      readonly row: PartialRow;
    }
  | { readonly state: "gone"; readonly existed: boolean; readonly key: Row };

interface TableFold {
  readonly table: Table;
  readonly entries: Map<KeyText, Entry>;
  /** The same changes as they came, for replay in source order. */
  readonly changes: Change[];
}

/** A table's part of a batch. `ops` is null for a table without a key: only `changes`, in order, is exact there. */
export interface FoldedTable {
  readonly table: Table;
  readonly ops: RowOps | null;
  readonly changes: readonly Change[];
}

export class Fold {
  readonly #tables: ReadonlyMap<string, Table>;
  readonly #tolerance: Tolerance;
  #folds = new Map<string, TableFold>();
  #count = 0;
  #bytes = 0;

  constructor(tables: ReadonlyMap<string, Table>, tolerance: Tolerance) {
    this.#tables = tables;
    this.#tolerance = tolerance;
  }

  /** Changes taken in since the last drain. */
  get count(): number {
    return this.#count;
  }

  /** Rough bytes held by them. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Takes a change in, or returns false when it must run by itself after a flush. The change's table must be known. */
  add(change: Exclude<Change, { kind: "truncate" }>): boolean {
    const fold = this.#foldOf(change.table);
    if (fold.table.key !== null && !this.#addKeyed(fold, fold.table.key, change)) return false;
    fold.changes.push(change);
    this.#count += 1;
    this.#bytes += changeBytes(change);
    return true;
  }

  /** Hands over what was folded and starts over. */
  drain(): FoldedTable[] {
    // A refused change leaves its table's part empty.
    const filled = [...this.#folds.values()].filter(({ changes }) => changes.length > 0);
    const drained = filled.map(({ table, entries, changes }) => ({
      table,
      ops: table.key === null ? null : toOps(entries.values()),
      changes,
    }));
    this.#folds = new Map();
    this.#count = 0;
    this.#bytes = 0;
    return drained;
  }

  #foldOf(id: string): TableFold {
    let fold = this.#folds.get(id);
    if (fold === undefined) {
      const table = this.#tables.get(id);
      if (table === undefined) throw new Error(`fold: unknown table ${id}`);
      fold = { table, entries: new Map(), changes: [] };
      this.#folds.set(id, fold);
    }
    return fold;
  }

  #addKeyed(fold: TableFold, key: readonly number[], change: Change): boolean {
    switch (change.kind) {
      case "insert":
        this.#put(fold, key, change.row);
        return true;
      case "delete":
        this.#remove(fold, change.oldKey);
        return true;
      case "update":
        return change.oldKey === null ? this.#update(fold, key, change.row) : this.#rekey(fold, key, change.oldKey, change.row);
      default:
        return false;
    }
  }

  #put(fold: TableFold, key: readonly number[], row: Row): void {
    const text = rowKey(key, row);
    const before = fold.entries.get(text);
    // While a table loads, a key may be there already (its chunk came first): deleting it first makes the insert an upsert.
    const existed = before?.existed ?? this.#tolerance === "tolerant";
    fold.entries.set(text, {
      state: "put",
      existed,
      key: keyValues(key, row),
      row,
    });
  }

  #remove(fold: TableFold, oldKey: Row): void {
    const text = keyText(oldKey);
    const before = fold.entries.get(text);
    if (before !== undefined && !before.existed) fold.entries.delete(text);
    else fold.entries.set(text, { state: "gone", existed: true, key: oldKey });
  }

  #update(fold: TableFold, key: readonly number[], row: PartialRow): boolean {
    const text = rowKey(key, row);
    const before = fold.entries.get(text);
    if (before?.state === "gone") return false;
    if (before?.state === "put") {
      fold.entries.set(text, { ...before, row: carryForward(before.row, row) });
      return true;
    }
    const merged = before === undefined ? row : carryPartial(before.row, row);
    const keyOf = keyValues(key, merged);
    if (this.#tolerance === "tolerant" && isComplete(merged)) {
      fold.entries.set(text, {
        state: "put",
        existed: true,
        key: keyOf,
        row: merged,
      });
    } else {
      fold.entries.set(text, {
        state: "patch",
        existed: true,
        key: keyOf,
        row: merged,
      });
    }
    return true;
  }

  #rekey(fold: TableFold, key: readonly number[], oldKey: Row, row: PartialRow): boolean {
    const before = fold.entries.get(keyText(oldKey));
    const complete = before?.state === "put" ? carryForward(before.row, row) : row;
    if (!isComplete(complete)) return false;
    this.#remove(fold, oldKey);
    this.#put(fold, key, complete);
    return true;
  }
}

function toOps(entries: Iterable<Entry>): RowOps {
  const deletes: Row[] = [];
  const patches: PartialRow[] = [];
  const puts: Row[] = [];
  for (const entry of entries) {
    if (entry.state === "patch") {
      patches.push(entry.row);
      continue;
    }
    if (entry.existed) deletes.push(entry.key);
    if (entry.state === "put") puts.push(entry.row);
  }
  return { deletes, patches, puts };
}

/** The key columns' values of a row; they are always known. */
export function keyValues(key: readonly number[], row: PartialRow): Row {
  return key.map((index) => row[index] as string);
}

/** Rough bytes that a change takes in memory. */
export function changeBytes(change: Change): number {
  if (change.kind === "truncate") return 0;
  let bytes = 64;
  const row = "row" in change ? change.row : change.kind === "delete" ? change.oldKey : change.old;
  for (const value of row) bytes += typeof value === "string" ? value.length + 16 : 8;
  return bytes;
}
