/** What a reader of a version target makes of the versions: a table at a position, by the rule of `version-target.ts` and nothing else. */
import type { Change } from "../../../src/model/change.ts";
import type { Lsn } from "../../../src/model/lsn.ts";
import { isVisible, parseSnapshot } from "../../../src/model/snapshot.ts";
import { type KeyText, keyText } from "../../../src/model/table.ts";
import { carryPartial, type PartialRow, type Row, UNCHANGED } from "../../../src/model/value.ts";
import { keyOf, rowText, type SimTable } from "../postgres/tables.ts";
import type { LoadedRead, LoadedTable, VersionedChange, VersionState } from "./version-state.ts";

/** Breaks one part of the rule; how a test shows that the oracle sees it. */
export interface MergeFault {
  /** Columns of an older update go over those of a newer one. */
  readonly olderPatchWins?: boolean;
  /** TRUNCATE takes everything, whatever version it has. */
  readonly truncateLast?: boolean;
  /** Every transaction from the floor on is applied to a table without a key. */
  readonly viewIgnored?: boolean;
  /** A read counts from its own position on, and not from its floor. */
  readonly readAtHi?: boolean;
}

interface Copies {
  readonly row: Row;
  readonly count: number;
}

export interface MergedTable {
  readonly rows: ReadonlyMap<KeyText, PartialRow>;
  /** Of a table without a key, by the row's text. */
  readonly bag: ReadonlyMap<string, Copies>;
}

export function mergeTable(state: VersionState, id: string, position: Lsn, fault: MergeFault = {}): MergedTable {
  const sim = state.sims.get(id) as SimTable;
  const loaded = state.tableOf(id);
  const changes = state.changes().filter(({ header, change }) => header.commitLsn < position && concerns(change, id));
  if (sim.table.key === null) return { rows: new Map(), bag: mergeBag(loaded, changes, fault) };
  return { rows: new KeyedMerge(sim, state.carriesMoves, fault).merge(loaded, changes), bag: new Map() };
}

function concerns(change: Change, id: string): boolean {
  return change.kind === "truncate" ? change.tables.includes(id) : change.table === id;
}

interface Step {
  readonly lsn: Lsn;
  readonly ordinal: number;
  readonly apply: () => void;
}

class KeyedMerge {
  readonly #sim: SimTable;
  readonly #carriesMoves: boolean;
  readonly #fault: MergeFault;
  readonly #rows = new Map<KeyText, PartialRow>();

  constructor(sim: SimTable, carriesMoves: boolean, fault: MergeFault) {
    this.#sim = sim;
    this.#carriesMoves = carriesMoves;
    this.#fault = fault;
  }

  /** All versions one after another, the lowest first: the newest wins because it comes last. */
  merge({ chunks, rereads }: LoadedTable, changes: readonly VersionedChange[]): ReadonlyMap<KeyText, PartialRow> {
    const steps: Step[] = [...chunks.values(), ...rereads].map((read) => ({
      lsn: this.#fault.readAtHi === true ? read.version.hi : read.version.floor,
      ordinal: -1,
      apply: () => this.#read(read),
    }));
    for (const { header, ordinal, change } of changes) {
      const isLast = change.kind === "truncate" && this.#fault.truncateLast === true;
      steps.push({ lsn: isLast ? 2n ** 64n : header.commitLsn, ordinal, apply: () => this.#change(change) });
    }
    const order = (a: Step, b: Step) => (a.lsn === b.lsn ? a.ordinal - b.ordinal : a.lsn < b.lsn ? -1 : 1);
    for (const { apply } of steps.toSorted(order)) apply();
    return this.#rows;
  }

  #read({ rows, keys }: LoadedRead): void {
    for (const key of keys) this.#rows.delete(keyText(key));
    for (const row of rows) this.#rows.set(this.#keyOf(row), row);
  }

  #change(change: Change): void {
    if (change.kind === "truncate") this.#rows.clear();
    else if (change.kind === "insert") this.#rows.set(this.#keyOf(change.row), change.row);
    else if (change.kind === "delete") this.#rows.delete(keyText(change.oldKey));
    else if (change.kind === "update") this.#update(change);
  }

  #update({ oldKey, row }: Extract<Change, { kind: "update" }>): void {
    const key = this.#keyOf(row);
    let before = this.#rows.get(key);
    if (oldKey !== null) {
      if (this.#carriesMoves) before = this.#rows.get(keyText(oldKey)) ?? before;
      this.#rows.delete(keyText(oldKey));
    }
    if (before === undefined) this.#rows.set(key, row);
    else this.#rows.set(key, this.#fault.olderPatchWins === true ? olderOver(before, row, this.#sim) : carryPartial(before, row));
  }

  #keyOf(row: PartialRow): KeyText {
    return keyText(keyOf(this.#sim, row as Row));
  }
}

/** The row's key, and else what was there before. */
function olderOver(before: PartialRow, row: PartialRow, sim: SimTable): PartialRow {
  return carryPartial(
    row,
    before.map((value, index) => (sim.table.key?.includes(index) === true ? UNCHANGED : value)),
  );
}

/** A table without a key: the multiset that was read, and over it the transactions that its view does not contain. */
function mergeBag({ chunks }: LoadedTable, changes: readonly VersionedChange[], fault: MergeFault): ReadonlyMap<string, Copies> {
  const bag = new Map<string, Copies>();
  const count = (row: Row, by: number) => bag.set(rowText(row), { row, count: (bag.get(rowText(row))?.count ?? 0) + by });
  const reads = [...chunks.values()];
  for (const { rows } of reads) for (const row of rows) count(row, 1);
  for (const { header, change } of changes) {
    if (!reads.every(({ version }) => counts(version, header, fault))) continue;
    if (change.kind === "truncate") bag.clear();
    if (change.kind === "insert") count(change.row, 1);
    if (change.kind === "delete-row" || change.kind === "update-row") count(change.old, -1);
    if (change.kind === "update-row") count(change.row, 1);
  }
  for (const [text, { count: copies }] of bag) if (copies === 0) bag.delete(text);
  return bag;
}

function counts({ floor, hi, view }: LoadedRead["version"], { commitLsn, xid }: VersionedChange["header"], fault: MergeFault): boolean {
  if (commitLsn < floor) return false;
  if (commitLsn >= hi || fault.viewIgnored === true || view === null) return true;
  return !isVisible(parseSnapshot(view), xid);
}
