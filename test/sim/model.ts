/** The reference: what the source held at a position, by replaying whole committed rows in commit order. Nothing of the engine is used. */
import type { Lsn } from "../../src/model/lsn.ts";
import type { KeyText } from "../../src/model/table.ts";
import type { Row } from "../../src/model/value.ts";
import { rowText } from "./postgres/tables.ts";
import type { Commit, Effect } from "./postgres/transaction.ts";

/** One table at a position. */
export interface TableState {
  readonly rows: Map<KeyText, Row>;
  readonly bag: Map<string, number>;
}

/** One table's replay; asked for rising positions it only ever goes on. */
export class TableReplay {
  readonly #commits: readonly Commit[];
  readonly #table: string;
  #state: TableState = { rows: new Map(), bag: new Map() };
  #position: Lsn = 0n;
  #next = 0;

  constructor(commits: readonly Commit[], table: string) {
    this.#commits = commits;
    this.#table = table;
  }

  /** The table after every transaction with commitLsn < position. Not to be kept: it changes with the next call. */
  at(position: Lsn): TableState {
    if (position < this.#position) {
      this.#state = { rows: new Map(), bag: new Map() };
      this.#next = 0;
    }
    this.#position = position;
    for (;;) {
      const commit = this.#commits[this.#next];
      if (commit === undefined || commit.header.commitLsn >= position) return this.#state;
      for (const effect of commit.effects) if (effect.table === this.#table) applyEffect(this.#state, effect);
      this.#next += 1;
    }
  }
}

function applyEffect({ rows, bag }: TableState, effect: Effect): void {
  switch (effect.kind) {
    case "clear":
      rows.clear();
      bag.clear();
      return;
    case "row":
      if (effect.row === null) rows.delete(effect.key);
      else rows.set(effect.key, effect.row);
      return;
    case "bag":
      if (effect.remove !== null) count(bag, rowText(effect.remove), -1);
      if (effect.add !== null) count(bag, rowText(effect.add), 1);
  }
}

function count(bag: Map<string, number>, text: string, by: number): void {
  const copies = (bag.get(text) ?? 0) + by;
  if (copies < 0) throw new Error(`simulation: the source removed ${text}, which it does not hold`);
  if (copies === 0) bag.delete(text);
  else bag.set(text, copies);
}
