import type { Lsn } from "../../model/lsn.ts";
import { type KeyText, keyText } from "../../model/table.ts";
import type { Row } from "../../model/value.ts";
import type { PendingMove } from "../ports/version-target.ts";

/** The moves that the log cannot tell whole and no point re-read has settled, the newest of each key. */
export class PendingMoves {
  readonly #tables = new Map<string, Map<KeyText, PendingMove>>();

  constructor(known: readonly PendingMove[]) {
    for (const move of known) this.add(move);
  }

  add(move: PendingMove): void {
    const moves = this.#tables.get(move.table) ?? new Map<KeyText, PendingMove>();
    this.#tables.set(move.table, moves);
    const before = moves.get(keyText(move.key));
    if (before === undefined || before.lsn < move.lsn) moves.set(keyText(move.key), move);
  }

  /** Those of one table below a position. */
  below(table: string, position: Lsn): readonly PendingMove[] {
    return [...(this.#tables.get(table)?.values() ?? [])].filter(({ lsn }) => lsn < position);
  }

  tables(): readonly string[] {
    return [...this.#tables].flatMap(([table, moves]) => (moves.size > 0 ? [table] : []));
  }

  /** What a point re-read of these keys settles: a move that it may not contain stays. */
  settle(table: string, keys: readonly Row[], floor: Lsn): void {
    const moves = this.#tables.get(table);
    for (const key of keys) {
      const move = moves?.get(keyText(key));
      if (move !== undefined && move.lsn < floor) moves?.delete(keyText(key));
    }
  }

  forget(table: string): void {
    this.#tables.delete(table);
  }
}
