/** A random history of one table, what snapshots show of it, and what it is at any position: the oracle for whatever is put together from files. */
import type { Change, TransactionPiece } from "../../../src/model/change.ts";
import { keyText, rowKey, type Table } from "../../../src/model/table.ts";
import { isComplete, type PartialRow, type Row, UNCHANGED } from "../../../src/model/value.ts";
import { encodeCopyLine } from "../../../src/postgres/copy-text.ts";
import { headerAt } from "../../engine/rows.ts";

type Random = () => number;

/** Keys that two histories of `names` can have. */
const KEYS = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10"];
const STEP = 10n;

export interface Snapshot {
  readonly floor: bigint;
  readonly hi: bigint;
  readonly rows: readonly Row[];
  /** As PostgreSQL prints it; xids count from 1 in commit order. */
  readonly view: string;
}

/** Mulberry32: the same history for the same seed. */
export function randomOf(seed: number): Random {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export class History {
  readonly table: Table;
  readonly pieces: TransactionPiece[] = [];
  readonly #random: Random;
  #rows: Row[] = [];

  constructor(table: Table, seed: number, transactions: number) {
    this.table = table;
    this.#random = randomOf(seed);
    for (let index = 0; index < transactions; index += 1) this.#commit(BigInt(index + 1));
  }

  get end(): bigint {
    return BigInt(this.pieces.length + 1) * STEP;
  }

  pick(below: number): number {
    return Math.floor(this.#random() * below);
  }

  chance(of: number): boolean {
    return this.#random() < of;
  }

  /** The rows at a position. */
  at(position: bigint): Row[] {
    return replay(
      this.table,
      this.pieces.filter(({ header }) => header.commitLsn < position),
    );
  }

  /** A snapshot that contains all below `floor`, and of what follows some that commute with those it does not contain. */
  snapshot(floorIndex: number, behind: number): Snapshot {
    const end = Math.min(this.pieces.length, floorIndex + behind);
    const touched = new Set<string>();
    const hidden = new Set<TransactionPiece>();
    for (const piece of this.pieces.slice(floorIndex, end)) {
      const keys = keysOf(this.table, piece);
      const meets = touched.has("*") || (keys.has("*") && touched.size > 0) || [...keys].some((key) => touched.has(key));
      if (!meets && !this.chance(0.3)) continue;
      hidden.add(piece);
      for (const key of keys) touched.add(key);
    }
    const shown = this.pieces.slice(0, end).filter((piece) => !hidden.has(piece));
    const xips = [...hidden].map(({ header }) => header.xid);
    const view = `${xips[0] ?? BigInt(end + 1)}:${end + 1}:${xips.join(",")}`;
    return { floor: BigInt(floorIndex + 1) * STEP, hi: BigInt(end + 1) * STEP, rows: replay(this.table, shown), view };
  }

  #commit(xid: bigint): void {
    const changes: Change[] = [];
    const count = 1 + this.pick(3);
    for (let index = 0; index < count; index += 1) {
      const change = this.table.key === null ? this.#bagChange() : this.#change();
      if (change === null) continue;
      changes.push(change);
      this.#rows = applied(this.table, this.#rows, change);
    }
    this.pieces.push({ header: { ...headerAt(xid * STEP), xid }, firstOrdinal: this.pick(2), last: true, changes });
  }

  #change(): Change | null {
    const { id } = this.table;
    if (this.chance(0.02)) return { kind: "truncate", tables: [id] };
    const key = KEYS[this.pick(KEYS.length)] as string;
    const row = this.#rows.find(([held]) => held === key);
    if (row === undefined) return { kind: "insert", table: id, row: [key, this.#value(), this.#value()] };
    if (this.chance(0.25)) return { kind: "delete", table: id, oldKey: [key] };
    const big = this.chance(0.3) ? this.#value() : UNCHANGED;
    const small = this.chance(0.8) ? this.#value() : UNCHANGED;
    const free = KEYS.filter((candidate) => !this.#rows.some(([held]) => held === candidate));
    const to = free[this.pick(free.length)];
    if (to === undefined || this.chance(0.5)) return { kind: "update", table: id, oldKey: null, row: [key, small, big] };
    return { kind: "update", table: id, oldKey: [key], row: [to, small, big] };
  }

  #bagChange(): Change | null {
    const { id } = this.table;
    if (this.chance(0.02)) return { kind: "truncate", tables: [id] };
    const made = (): Row => [KEYS[this.pick(3)] as string, this.chance(0.3) ? null : "x", ""];
    const old = this.#rows[this.pick(this.#rows.length)];
    if (old === undefined || this.chance(0.5)) return { kind: "insert", table: id, row: made() };
    return this.chance(0.5) ? { kind: "delete-row", table: id, old } : { kind: "update-row", table: id, old, row: made() };
  }

  #value(): string | null {
    const values = [null, "", "\\N", "tab\t", "\xc3\xa9", String(this.pick(1000))];
    return values[this.pick(values.length)] as string | null;
  }
}

/** Each row's COPY text, sorted: equal lists, equal tables. */
export function sortedLines(rows: readonly Row[]): string[] {
  return rows.map((row) => encodeCopyLine(row)).sort();
}

/** Moves whose new row is not known whole, with where. */
export function openMoves(
  { table, pieces }: History,
  below: bigint,
): { readonly table: string; readonly key: Row; readonly lsn: bigint }[] {
  return pieces.flatMap(({ header, changes }) =>
    changes.flatMap((change) => {
      if (change.kind !== "update" || change.oldKey === null || isComplete(change.row) || header.commitLsn >= below) return [];
      return [{ table: table.id, key: [change.row[0] as string], lsn: header.commitLsn }];
    }),
  );
}

function replay(table: Table, pieces: readonly TransactionPiece[]): Row[] {
  return pieces.flatMap(({ changes }) => changes).reduce((rows, change) => applied(table, rows, change), [] as Row[]);
}

function applied(table: Table, rows: readonly Row[], change: Change): Row[] {
  if (change.kind === "truncate") return [];
  if (change.kind === "insert") return [...rows, change.row];
  if (change.kind === "update-row" || change.kind === "delete-row") {
    const at = rows.findIndex((row) => encodeCopyLine(row) === encodeCopyLine(change.old));
    return [...rows.toSpliced(at, 1), ...(change.kind === "update-row" ? [change.row] : [])];
  }
  const key = table.key as readonly number[];
  const oldKey = keyText(change.oldKey ?? key.map((index) => (change as { row: PartialRow }).row[index] as string));
  const old = rows.find((row) => rowKey(key, row) === oldKey);
  if (old === undefined) throw new Error("history: a row that is not there is changed");
  const rest = rows.filter((row) => row !== old);
  if (change.kind === "delete") return rest;
  return [...rest, change.row.map((value, index) => (value === UNCHANGED ? (old[index] as string | null) : (value as string | null)))];
}

function keysOf(table: Table, { changes }: TransactionPiece): Set<string> {
  const keys = new Set<string>();
  for (const change of changes) {
    if (change.kind === "truncate") keys.add("*");
    else if (table.key === null) keys.add("bag");
    else {
      if ("row" in change) keys.add(change.row[0] as string);
      if ("oldKey" in change && change.oldKey !== null) keys.add(change.oldKey[0] as string);
    }
  }
  return keys;
}
