/** The application: a few transactions open at once over few keys, so that everything that can meet does. */
import type { Row } from "../../../src/model/value.ts";
import type { Random } from "../random.ts";
import type { Actor } from "../scheduler.ts";
import { type Heap, LARGE } from "./heap.ts";
import type { Server } from "./server.ts";
import { keyOf } from "./tables.ts";
import { Transaction } from "./transaction.ts";

/** How a seed's application behaves. */
interface Habits {
  readonly openAtOnce: number;
  readonly commits: number;
  readonly exposes: number;
  readonly asynchronous: number;
  readonly truncates: number;
  readonly leaves: number;
  readonly moves: number;
  readonly savepoints: number;
  readonly quiet: number;
  readonly standbyFails: number;
}

export class Workload implements Actor {
  readonly name = "workload";
  readonly #server: Server;
  readonly #random: Random;
  readonly #habits: Habits;
  readonly #note: (what: string) => void;
  readonly #weight: number;
  #transactions: Transaction[] = [];
  #movesLeft: number;
  #quiet = false;
  /** A synchronous standby is awaited: nothing that waits for it becomes visible, for as long as it takes. */
  #standbyDown = false;
  #values = 0;

  constructor(server: Server, random: Random, note: (what: string) => void) {
    this.#note = note;
    this.#server = server;
    this.#random = random;
    this.#habits = {
      openAtOnce: random.between(1, 5),
      commits: random.pick([0.05, 0.15, 0.4]),
      exposes: random.pick([0.05, 0.3, 0.8]),
      asynchronous: random.pick([0, 0.2, 0.6]),
      truncates: random.pick([0, 0, 0.05, 0.15]),
      leaves: random.pick([0, 0.02, 0.1]),
      moves: random.pick([0.1, 0.3]),
      savepoints: random.pick([0, 0.1]),
      quiet: random.pick([0, 0.02, 0.1]),
      standbyFails: random.pick([0, 0.01, 0.05]),
    };
    this.#weight = 2 ** (random.next() * 5);
    this.#movesLeft = random.between(20, 260);
    this.#fill();
  }

  /** Nothing open, everything visible, nothing more to come. */
  get ended(): boolean {
    return this.#movesLeft <= 0 && this.#transactions.length === 0;
  }

  weight(): number {
    if (this.ended) return 0;
    return this.#quiet ? 0.2 : this.#weight;
  }

  move(): void {
    if (this.#movesLeft <= 0) this.#windUp();
    else this.#act();
    this.#transactions = this.#transactions.filter(({ left }) => left === null);
    // The walwriter gets to an asynchronous commit in the end.
    if (this.ended) this.#server.flush();
  }

  /** The server crashes and comes back. */
  crash(): void {
    this.#server.crash(this.#transactions.filter(({ status }) => status === "running"));
    this.#transactions = this.#transactions.filter(({ left }) => left === null);
  }

  /** What slot creation waits for: every transaction that is writing now gets its commit record (or aborts). */
  endRunning(): void {
    for (const transaction of this.#transactions.filter(({ status }) => status === "running" || status === "prepared")) {
      if (this.#random.chance(0.3)) this.#act();
      if (transaction.status === "committed" || transaction.status === "aborted") continue;
      this.#end(transaction, this.#random.chance(0.8));
    }
    this.#transactions = this.#transactions.filter(({ left }) => left === null);
  }

  #act(): void {
    const random = this.#random;
    const habits = this.#habits;
    this.#movesLeft -= 1;
    if (random.chance(habits.quiet)) this.#quiet = !this.#quiet;
    if (random.chance(this.#standbyDown ? 0.05 : habits.standbyFails)) this.#standbyDown = !this.#standbyDown;
    if (random.chance(0.05)) this.#server.writeRecord();
    if (random.chance(0.05)) this.#server.flush();
    if (random.chance(habits.exposes)) this.#expose();
    const open = this.#transactions.filter((transaction) => transaction.open);
    if (open.length < habits.openAtOnce && (open.length === 0 || random.chance(0.3))) {
      this.#transactions.push(new Transaction(random.chance(habits.asynchronous)));
      return;
    }
    this.#continue(random.pick(open));
  }

  #continue(transaction: Transaction): void {
    const random = this.#random;
    const habits = this.#habits;
    const prepared = this.#transactions.find(({ status }) => status === "prepared");
    if (prepared !== undefined && random.chance(0.15)) this.#end(prepared, random.chance(0.8));
    else if (random.chance(habits.commits)) this.#end(transaction, random.chance(0.9));
    else if (random.chance(0.02)) this.#prepare(transaction);
    else if (random.chance(habits.truncates)) this.#truncate(transaction);
    else if (random.chance(habits.leaves)) this.#remakeLeaf(transaction);
    else if (random.chance(habits.savepoints)) this.#savepoint(transaction);
    else this.#write(transaction);
  }

  /** PREPARE TRANSACTION waits for the disk. */
  #prepare(transaction: Transaction): void {
    transaction.status = "prepared";
    this.#server.flush();
  }

  #windUp(): void {
    const unfinished = this.#transactions.find(({ status }) => status === "running" || status === "prepared");
    if (unfinished !== undefined) this.#end(unfinished, true);
    else {
      this.#standbyDown = false;
      this.#expose();
    }
    this.#server.flush();
  }

  #end(transaction: Transaction, commits: boolean): void {
    if (commits) this.#server.commit(transaction);
    else this.#server.abort(transaction);
  }

  #expose(): void {
    const waiting = this.#transactions.filter(({ status, left }) => status === "committed" && left === null);
    if (waiting.length > 0 && !this.#standbyDown) this.#server.leave(this.#random.pick(waiting));
  }

  #savepoint(transaction: Transaction): void {
    const savepoint = transaction.savepoints.pop();
    if (savepoint !== undefined && this.#random.chance(0.6)) transaction.rollbackTo(savepoint);
    else transaction.save();
  }

  #truncate(transaction: Transaction): void {
    const heaps = [...this.#server.heaps.values()].filter(() => this.#random.chance(0.6));
    if (heaps.length === 0 || !heaps.every((heap) => heap.mayTruncate(transaction))) return;
    this.#server.beforeWrite(transaction);
    for (const heap of heaps) heap.truncate(transaction);
    transaction.changes.push({ kind: "truncate", tables: heaps.map(({ sim }) => sim.table.id) });
  }

  #remakeLeaf(transaction: Transaction): void {
    const partitioned = [...this.#server.heaps.values()].filter(({ sim }) => sim.table.partitioned);
    if (partitioned.length === 0) return;
    const heap = this.#random.pick(partitioned);
    const place = this.#random.pick(heap.sim.leaves.places);
    if (!heap.mayTruncate(transaction)) return;
    this.#server.beforeWrite(transaction);
    this.#note(heap.sim.leaves.has(place) ? "leaf attached anew" : "leaf made");
    heap.remakeLeaf(transaction, place);
  }

  #write(transaction: Transaction): void {
    const heap = this.#random.pick([...this.#server.heaps.values()]);
    for (let writes = this.#random.between(1, 3); writes > 0; writes--) {
      this.#server.beforeWrite(transaction);
      const ids = [...heap.live.keys()];
      const roll = this.#random.next();
      if (ids.length === 0 || roll < 0.25) this.#insert(transaction, heap);
      else if (roll < 0.4) this.#remove(transaction, heap, this.#random.pick(ids));
      else if (roll < 0.46 && ids.length > 1) this.#swapUnique(transaction, heap, ids);
      else this.#update(transaction, heap, this.#random.pick(ids));
    }
  }

  #insert(transaction: Transaction, heap: Heap): void {
    const { sim } = heap;
    const key = sim.table.key === null ? [] : this.#random.pick(sim.keys);
    heap.insert(transaction, this.#newRow(heap, key));
  }

  #remove(transaction: Transaction, heap: Heap, id: string): void {
    const row = heap.live.get(id)?.row;
    if (heap.remove(transaction, id) && row !== undefined && this.#random.chance(0.3)) {
      heap.insert(transaction, this.#random.chance(0.5) ? row : this.#newRow(heap, this.#equalKey(heap, keyOf(heap.sim, row))));
    }
  }

  #update(transaction: Transaction, heap: Heap, id: string): void {
    const { sim } = heap;
    const old = heap.live.get(id)?.row;
    if (old === undefined) return;
    const fresh = this.#newRow(heap, keyOf(sim, old));
    // Most updates leave the large value alone.
    const row = old.map((value, index) => (index === sim.big && this.#random.chance(0.8) ? value : (fresh[index] as string | null)));
    if (sim.unique !== null && this.#random.chance(0.6)) row[sim.unique] = old[sim.unique] as string | null;
    if (sim.table.key !== null && this.#random.chance(this.#habits.moves)) {
      const moved = this.#random.chance(0.5) ? this.#random.pick(sim.keys) : this.#equalKey(heap, keyOf(sim, old));
      for (const [index, column] of sim.table.key.entries()) row[column] = moved[index] as string;
    }
    heap.update(transaction, id, row);
  }

  /** One of the texts of a key. */
  #equalKey({ sim }: Heap, key: Row): Row {
    if (sim.table.key === null) return key;
    return this.#random.pick(sim.keys.filter((other) => sim.nameOf(other) === sim.nameOf(key)));
  }

  /** A unique value changes hands: freed by one row, taken by the other, in one transaction. */
  #swapUnique(transaction: Transaction, heap: Heap, ids: readonly string[]): void {
    const column = heap.sim.unique;
    const [first, second] = [this.#random.pick(ids), this.#random.pick(ids)];
    const [one, two] = [heap.live.get(first)?.row, heap.live.get(second)?.row];
    if (column === null || first === second || one === undefined || two === undefined) return;
    const value = two[column] as string | null;
    if (!heap.update(transaction, second, two.with(column, null))) return;
    heap.update(transaction, first, one.with(column, value));
    if (this.#random.chance(0.5)) heap.update(transaction, second, two.with(column, one[column] as string | null));
  }

  #newRow(heap: Heap, key: Row): Row {
    const { sim } = heap;
    const random = this.#random;
    this.#values += 1;
    // Without a key equal rows must occur; with one, values tell every write apart.
    const text = sim.table.key === null ? String(random.below(3)) : `v${this.#values}`;
    const big = `${random.chance(0.6) ? LARGE : "s"}${text}`;
    const unique = random.chance(0.2) ? null : `u${random.below(sim.keys.length)}`;
    if (sim.table.key === null) return [text, big];
    return [...key, sim.unique === null ? text : unique, text, big];
  }

  /** The rows that are there before anything starts. */
  #fill(): void {
    for (const heap of this.#server.heaps.values()) {
      const transaction = new Transaction(true);
      const rows = heap.sim.table.key === null ? Array.from({ length: this.#random.between(0, 8) }, () => []) : heap.sim.keys;
      for (const key of rows) {
        if (!this.#random.chance(0.6)) continue;
        this.#server.beforeWrite(transaction);
        heap.insert(transaction, this.#newRow(heap, key));
      }
      this.#server.commit(transaction);
    }
    this.#server.flush();
  }
}
