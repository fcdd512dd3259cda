/**
 * One table at the simulated server: row versions under MVCC, row and unique-value locks that last until the writer has left the ProcArray,
 * and the table locks of TRUNCATE and of readers. A write that would have to wait is refused; the workload then does something else.
 */
import { type KeyText, keyText } from "../../../src/model/table.ts";
import { type PartialRow, type Row, UNCHANGED } from "../../../src/model/value.ts";
import { keyOf, rowText, type SimTable, uniqueValues } from "./tables.ts";
import { letsPass, type Transaction } from "./transaction.ts";

interface Version {
  readonly row: Row;
  readonly creator: Transaction;
  deleter: Transaction | null;
}

/** Values that start with this are stored out of line. */
export const LARGE = "B";

export class Heap {
  readonly sim: SimTable;
  /** Rows as the next writer finds them; a table without a key numbers them. */
  readonly live = new Map<KeyText, Version>();
  /** Chunk reads that hold ACCESS SHARE. */
  readers = 0;
  readonly #versions: Version[] = [];
  readonly #lastWriter = new Map<KeyText, Transaction>();
  readonly #uniqueWriter = new Map<string, Transaction>();
  readonly #uniqueOwner = new Map<string, KeyText>();
  readonly #writers = new Set<Transaction>();
  #truncater: Transaction | undefined;
  #nextRow = 0;

  constructor(sim: SimTable) {
    this.sim = sim;
  }

  /** Whether ACCESS SHARE must wait for a TRUNCATE. */
  isLocked(): boolean {
    return this.#truncater !== undefined && this.#truncater.left === null;
  }

  /** Rows that a snapshot sees, in no order. */
  rowsSeenBy(sees: (transaction: Transaction) => boolean): Row[] {
    return this.#versions
      .filter(
        ({ creator, deleter }) => creator.status === "committed" && sees(creator) && !(deleter?.status === "committed" && sees(deleter)),
      )
      .map(({ row }) => row);
  }

  insert(transaction: Transaction, row: Row): boolean {
    const id = this.#idOf(row);
    if (!this.#hasLeafFor(row)) return false;
    if (!this.#mayWrite(transaction, id) || this.live.has(id) || !this.#uniqueFree(transaction, row, id)) return false;
    this.#add(transaction, id, row);
    transaction.changes.push({ kind: "insert", table: this.sim.table.id, row });
    this.#effect(transaction, null, row);
    return true;
  }

  remove(transaction: Transaction, id: KeyText): boolean {
    const version = this.live.get(id);
    if (version === undefined || !this.#mayWrite(transaction, id) || !this.#mayFree(transaction, version.row)) return false;
    this.#drop(transaction, id, version);
    const table = this.sim.table.id;
    if (this.sim.table.key === null) transaction.changes.push({ kind: "delete-row", table, old: version.row });
    else transaction.changes.push({ kind: "delete", table, oldKey: keyOf(this.sim, version.row) });
    this.#effect(transaction, version.row, null);
    return true;
  }

  update(transaction: Transaction, id: KeyText, row: Row): boolean {
    const version = this.live.get(id);
    if (version === undefined || !this.#mayWrite(transaction, id) || !this.#mayFree(transaction, version.row)) return false;
    const newId = this.sim.table.key === null ? id : this.#idOf(row);
    if (!this.#hasLeafFor(row)) return false;
    if (newId !== id && (this.live.has(newId) || !this.#mayWrite(transaction, newId))) return false;
    if (!this.#uniqueFree(transaction, row, id)) return false;
    this.#drop(transaction, id, version);
    this.#add(transaction, newId, row);
    this.#logUpdate(transaction, version.row, row);
    this.#effect(transaction, version.row, row);
    return true;
  }

  mayTruncate(transaction: Transaction): boolean {
    const others = [...this.#writers].some((writer) => !letsPass(writer, transaction));
    return this.readers === 0 && !others && letsPass(this.#truncater, transaction);
  }

  /** The caller writes the one TRUNCATE event of all tables. */
  truncate(transaction: Transaction): void {
    this.#lockExclusively(transaction);
    for (const [id, version] of [...this.live]) this.#drop(transaction, id, version);
    transaction.effects.push({ kind: "clear", table: this.sim.table.id });
  }

  /** Makes the place's leaf, or detaches it and attaches it again: no row changes, and nothing is streamed. */
  remakeLeaf(transaction: Transaction, place: number): void {
    this.#lockExclusively(transaction);
    this.sim.leaves.make(transaction, place);
  }

  #hasLeafFor(row: Row): boolean {
    return this.sim.table.key === null || this.sim.leaves.has(this.sim.placeOf(keyOf(this.sim, row)));
  }

  #lockExclusively(transaction: Transaction): void {
    const before = this.#truncater;
    this.#truncater = transaction;
    transaction.undo.push(() => {
      this.#truncater = before;
    });
  }

  #mayWrite(transaction: Transaction, id: KeyText): boolean {
    return letsPass(this.#truncater, transaction) && letsPass(this.#lastWriter.get(id), transaction);
  }

  #mayFree(transaction: Transaction, row: Row): boolean {
    return uniqueValues(this.sim, row).every((value) => letsPass(this.#uniqueWriter.get(value), transaction));
  }

  #uniqueFree(transaction: Transaction, row: Row, id: KeyText): boolean {
    return uniqueValues(this.sim, row).every((value) => {
      const owner = this.#uniqueOwner.get(value);
      return (owner === undefined || owner === id) && letsPass(this.#uniqueWriter.get(value), transaction);
    });
  }

  #idOf(row: Row): KeyText {
    return this.sim.table.key === null ? `row ${this.#nextRow++}` : keyText(keyOf(this.sim, row));
  }

  #add(transaction: Transaction, id: KeyText, row: Row): void {
    const version = { row, creator: transaction, deleter: null };
    this.#versions.push(version);
    this.live.set(id, version);
    this.#touch(transaction, id, row);
    const values = uniqueValues(this.sim, row);
    for (const value of values) this.#uniqueOwner.set(value, id);
    transaction.undo.push(() => {
      this.#versions.splice(this.#versions.indexOf(version), 1);
      this.live.delete(id);
      for (const value of values) this.#uniqueOwner.delete(value);
    });
  }

  #drop(transaction: Transaction, id: KeyText, version: Version): void {
    version.deleter = transaction;
    this.live.delete(id);
    this.#touch(transaction, id, version.row);
    const values = uniqueValues(this.sim, version.row);
    for (const value of values) this.#uniqueOwner.delete(value);
    transaction.undo.push(() => {
      version.deleter = null;
      this.live.set(id, version);
      for (const value of values) this.#uniqueOwner.set(value, id);
    });
  }

  /** Locks outlive a rollback to a savepoint here; that only makes others wait longer. */
  #touch(transaction: Transaction, id: KeyText, row: Row): void {
    this.#writers.add(transaction);
    this.#lastWriter.set(id, transaction);
    for (const value of uniqueValues(this.sim, row)) this.#uniqueWriter.set(value, transaction);
  }

  #logUpdate(transaction: Transaction, old: Row, row: Row): void {
    const { table } = this.sim;
    if (table.key === null) {
      transaction.changes.push({ kind: "update-row", table: table.id, old, row });
      return;
    }
    const oldKey = keyOf(this.sim, old);
    const newKey = keyOf(this.sim, row);
    // A row that changes partition is deleted in one and inserted in the other, and is sent so.
    if (this.sim.placeOf(oldKey) !== this.sim.placeOf(newKey)) {
      transaction.changes.push({ kind: "delete", table: table.id, oldKey }, { kind: "insert", table: table.id, row });
      return;
    }
    const { big } = this.sim;
    const unchanged = row[big] === old[big] && row[big]?.startsWith(LARGE) === true;
    const sent: PartialRow = unchanged ? row.with(big, UNCHANGED as never) : row;
    const moved = rowText(oldKey) !== rowText(newKey);
    transaction.changes.push({ kind: "update", table: table.id, oldKey: moved ? oldKey : null, row: sent });
  }

  #effect(transaction: Transaction, remove: Row | null, add: Row | null): void {
    const table = this.sim.table.id;
    if (this.sim.table.key === null) {
      transaction.effects.push({ kind: "bag", table, remove, add });
      return;
    }
    const oldKey = remove === null ? null : keyText(keyOf(this.sim, remove));
    const newKey = add === null ? null : keyText(keyOf(this.sim, add));
    if (oldKey !== null && oldKey !== newKey) transaction.effects.push({ kind: "row", table, key: oldKey, row: null });
    if (newKey !== null) transaction.effects.push({ kind: "row", table, key: newKey, row: add });
  }
}
