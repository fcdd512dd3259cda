/** One table at the simulated target: rows by key with a unique index that looks at every row, or a multiset. */
import type { KeyText } from "../../../src/model/table.ts";
import { keyText } from "../../../src/model/table.ts";
import type { Row } from "../../../src/model/value.ts";
import { keyOf, rowText, type SimTable, uniqueValues } from "../postgres/tables.ts";

/** A unique index, the primary key's or another, refused a row. */
export class UniqueViolation extends Error {}

export class TableRows {
  readonly sim: SimTable;
  readonly rows = new Map<KeyText, Row>();
  /** Copies of each row, of a table without a key. */
  readonly bag = new Map<string, number>();
  readonly #uniques = new Map<string, KeyText>();

  constructor(sim: SimTable) {
    this.sim = sim;
  }

  get empty(): boolean {
    return this.rows.size === 0 && this.bag.size === 0;
  }

  /** Throws what an insert of the row throws before anything else. */
  guard: (row: Row) => void = () => {};

  /** Inserts; `undo` hears how to take it back. Throws UniqueViolation. */
  insert(row: Row, undo: (step: () => void) => void): void {
    this.guard(row);
    if (this.sim.table.key === null) {
      this.#count(rowText(row), 1, undo);
      return;
    }
    const key = keyText(keyOf(this.sim, row));
    for (const value of uniqueValues(this.sim, row)) {
      const owner = this.#uniques.get(value);
      if (owner !== undefined) throw new UniqueViolation(`${this.sim.table.id}: key ${key} wants ${value}, which ${owner} has`);
    }
    this.#place(key, row);
    undo(() => this.#unplace(key, row));
  }

  /** Deletes by key; false when it is not there. */
  remove(key: KeyText, undo: (step: () => void) => void): Row | null {
    const row = this.rows.get(key);
    if (row === undefined) return null;
    this.#unplace(key, row);
    undo(() => this.#place(key, row));
    return row;
  }

  /** Deletes one copy of a row of a table without a key; false when there is none. */
  removeCopy(row: Row, undo: (step: () => void) => void): boolean {
    const text = rowText(row);
    if (!this.bag.has(text)) return false;
    this.#count(text, -1, undo);
    return true;
  }

  clear(undo: (step: () => void) => void): void {
    for (const key of [...this.rows.keys()]) this.remove(key, undo);
    for (const [text, copies] of [...this.bag]) this.#count(text, -copies, undo);
  }

  #count(text: string, by: number, undo: (step: () => void) => void): void {
    this.#add(text, by);
    undo(() => this.#add(text, -by));
  }

  #add(text: string, by: number): void {
    const copies = (this.bag.get(text) ?? 0) + by;
    if (copies === 0) this.bag.delete(text);
    else this.bag.set(text, copies);
  }

  #place(key: KeyText, row: Row): void {
    this.rows.set(key, row);
    for (const value of uniqueValues(this.sim, row)) this.#uniques.set(value, key);
  }

  #unplace(key: KeyText, row: Row): void {
    this.rows.delete(key);
    for (const value of uniqueValues(this.sim, row)) this.#uniques.delete(value);
  }
}
