/**
 * The leaves of one simulated table: a place for the even keys and one for the odd. A place may have no leaf yet, and a leaf may leave the
 * table and come back in one transaction, which gives it another id (`TableLeaf.id`); nothing of that is streamed.
 */
import type { Lsn } from "../../../src/model/lsn.ts";
import type { Transaction } from "./transaction.ts";

interface Leaf {
  readonly place: number;
  readonly id: string;
  /** Null: it was there before anything else. */
  readonly maker: Transaction | null;
}

export class Leaves {
  readonly places: readonly number[];
  readonly #made: Leaf[] = [];
  #next = 1;

  /** `present` says of each place whether it has a leaf from the start. */
  constructor(present: readonly boolean[]) {
    this.places = [...present.keys()];
    for (const place of this.places) if (present[place]) this.#add(place, null);
  }

  /** A new leaf in a place that has none, or the same one attached anew. */
  make(transaction: Transaction, place: number): void {
    const leaf = this.#add(place, transaction);
    transaction.undo.push(() => this.#made.splice(this.#made.indexOf(leaf), 1));
  }

  /** The id of a place's leaf for who sees these transactions; null where it has none. */
  idSeenBy(place: number, sees: (maker: Transaction) => boolean): string | null {
    return this.#made.findLast((leaf) => leaf.place === place && (leaf.maker === null || sees(leaf.maker)))?.id ?? null;
  }

  /** The same as of a position. */
  idAt(place: number, position: Lsn): string | null {
    return this.idSeenBy(place, ({ commitLsn }) => commitLsn !== null && commitLsn < position);
  }

  /** What a writer meets. */
  has(place: number): boolean {
    return this.#made.some((leaf) => leaf.place === place);
  }

  #add(place: number, maker: Transaction | null): Leaf {
    const leaf = { place, id: `${place}@${this.#next}`, maker };
    this.#next += 1;
    this.#made.push(leaf);
    return leaf;
  }
}
