/**
 * Rolling a chunk forward: the rows of a snapshot plus every transaction that the snapshot does not contain and that committed before
 * the merge position give the source's rows at that position (research, section 3, step 4).
 *
 * Only keys that were read, or that a key change carries on from a key that was read, are followed. Keys that appear by INSERT alone
 * reach the target through the table's own cursor, which starts below the first chunk's snapshot.
 */
import type { Change, TransactionPiece } from "../../model/change.ts";
import { type KeyText, keyText, rowKey, type Table } from "../../model/table.ts";
import { carryForward, isComplete, type Row } from "../../model/value.ts";
import { keyValues } from "../fold.ts";
import type { ChunkRows, KeyLookup, ReadView } from "../ports.ts";

/** A chunk's rows at the merge position: `raw` as the source sent them, `rows` the few that changes touched. */
export interface RolledChunk {
  readonly raw: ChunkRows | null;
  readonly rows: readonly Row[];
  /** Every key followed, there or not: for a repair merge, what is not in `rows` is to be deleted. */
  readonly keys: readonly Row[];
}

/** What is rolled forward, and which transactions it holds already. */
interface Read {
  readonly view: ReadView;
  readonly rows: ChunkRows;
}

/**
 * Rolls `read` forward by the pieces (commit order, one table) that `view` does not contain. The table must have a key.
 * `asked`: keys to follow even if the read found no row for them (a point re-read must learn that they are gone).
 */
export function rollForward(table: Table, read: Read, pieces: readonly TransactionPiece[], asked: readonly Row[] = []): RolledChunk {
  const rolling = new RollForward(table, read, asked);
  for (const piece of pieces) rolling.look(piece);
  rolling.begin();
  for (const piece of pieces) rolling.apply(piece);
  return rolling.result();
}

/** The same over a stretch of the log that does not fit into memory: only the chunk's own rows are held, whatever a transaction changes. */
export async function rollForwardOver(
  table: Table,
  read: Read,
  pieces: () => AsyncIterable<TransactionPiece>,
  asked: readonly Row[] = [],
): Promise<RolledChunk> {
  const rolling = new RollForward(table, read, asked);
  for await (const piece of pieces()) rolling.look(piece);
  rolling.begin();
  for await (const piece of pieces()) rolling.apply(piece);
  return rolling.result();
}

/** If more keys are touched, they are no longer tracked one by one: every row of the chunk is followed. */
const TOLD_KEYS = 50_000;
export const EVERY_KEY: KeyLookup = { has: () => true, size: Number.POSITIVE_INFINITY };

/** Two walks over the same pieces: the first learns which keys are touched, and so which rows must be taken out of the raw chunk. */
class RollForward {
  readonly #key: readonly number[];
  readonly #read: Read;
  readonly #asked: readonly Row[];
  /** Null: too many to track. */
  #touched: Set<KeyText> | null = new Set();
  #truncates = 0;
  readonly #overlay: Overlay;
  #raw: ChunkRows | null;
  #isTouched = false;

  constructor({ id, key }: Table, read: Read, asked: readonly Row[]) {
    if (key === null) throw new Error(`roll forward: ${id} has no key`);
    this.#key = key;
    this.#read = read;
    this.#asked = asked;
    this.#overlay = new Overlay(key, asked);
    this.#raw = read.rows;
  }

  look({ header, changes }: TransactionPiece): void {
    if (this.#read.view.contains(header)) return;
    for (const change of changes) {
      this.#isTouched = true;
      if (change.kind === "truncate") {
        this.#truncates += 1;
        this.#touched = new Set();
      } else if (this.#touched !== null) {
        touch(this.#touched, this.#key, change);
        if (this.#touched.size > TOLD_KEYS) this.#touched = null;
      }
    }
  }

  begin(): void {
    if (this.#truncates > 0) {
      this.#raw = null;
      return;
    }
    if (!this.#isTouched && this.#asked.length === 0) return;
    for (const askedKey of this.#asked) this.#touched?.add(keyText(askedKey));
    const { taken, rest } = this.#read.rows.take(this.#key, this.#touched ?? EVERY_KEY);
    this.#raw = rest;
    for (const row of taken) this.#overlay.read(row);
  }

  apply({ header, changes }: TransactionPiece): void {
    if (this.#read.view.contains(header)) return;
    for (const change of changes) {
      if (change.kind === "truncate") this.#truncates -= 1;
      else if (this.#truncates === 0) this.#overlay.apply(change);
    }
  }

  result(): RolledChunk {
    return { raw: this.#raw, rows: this.#overlay.rows(), keys: this.#overlay.keys() };
  }
}

/** Adds the change's old and new key. */
function touch(keys: Set<KeyText>, key: readonly number[], change: Change): void {
  if (change.kind === "insert" || change.kind === "update") keys.add(rowKey(key, change.row));
  if (change.kind === "delete") keys.add(keyText(change.oldKey));
  if (change.kind === "update" && change.oldKey !== null) keys.add(keyText(change.oldKey));
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
