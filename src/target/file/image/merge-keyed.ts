/**
 * Versions of rows with a key, merged: what the table holds behind the last of them.
 *
 * A read tells what its snapshot held, somewhere between its floor and its `hi`; changes in between are applied over it once more, and what the
 * last of them says stands. So a row that comes from a read is *exact* only from `hi` on. It matters where a moved row takes columns from the old
 * key's row *at that moment*: what stands at the old key may be from later, or may be gone with columns that are nowhere. Then the columns are
 * left unknown, until a read that contains the move tells them.
 */
import type { Lsn } from "../../../model/lsn.ts";
import { type KeyText, keyText, rowKey } from "../../../model/table.ts";
import { carryPartial, isComplete, type PartialRow } from "../../../model/value.ts";
import { copyText, parseMove, parsePartial, parseRow, type VersionLine } from "./version-line.ts";

/** A row as COPY text, or taken apart where columns were put over it. */
interface Held {
  readonly row: string | PartialRow;
  readonly exactFrom: Lsn;
}

export class KeyedRows {
  readonly #key: readonly number[];
  readonly #columns: number;
  #rows = new Map<KeyText, Held>();

  constructor(key: readonly number[], columns: number) {
    this.#key = key;
    this.#columns = columns;
  }

  /** In the order of versions. */
  take({ kind, lsn, exactFrom, rest }: VersionLine): void {
    switch (kind) {
      case "read":
      case "put":
        this.#rows.set(rowKey(this.#key, parseRow(rest, this.#columns)), { row: rest, exactFrom });
        return;
      case "absent":
      case "delete":
        this.#rows.delete(keyText(parseRow(rest, this.#key.length)));
        return;
      case "patch":
        this.#patch(parsePartial(rest), lsn);
        return;
      case "move": {
        const { oldKey, row } = parseMove(rest, this.#key.length);
        this.#move(keyText(oldKey), row, lsn);
      }
    }
  }

  truncate(): void {
    this.#rows = new Map();
  }

  /** COPY text of each row, or null for one of which a column is unknown. */
  *lines(): Generator<string | null> {
    for (const { row } of this.#rows.values()) {
      if (typeof row === "string") yield row;
      else yield isComplete(row) ? copyText(row) : null;
    }
  }

  #patch(row: PartialRow, lsn: Lsn): void {
    const key = rowKey(this.#key, row);
    const held = this.#rows.get(key);
    // Nothing there: the key is gone in what a later snapshot read, or its columns are unknown until one reads it.
    if (held === undefined) this.#rows.set(key, { row, exactFrom: lsn });
    else this.#rows.set(key, { row: carryPartial(this.#parsed(held), row), exactFrom: held.exactFrom });
  }

  #move(oldKey: KeyText, row: PartialRow, lsn: Lsn): void {
    const old = this.#rows.get(oldKey);
    this.#rows.delete(oldKey);
    const before = old === undefined || old.exactFrom > lsn ? null : this.#parsed(old);
    if (before === null || !isComplete(before)) this.#patch(row, lsn);
    else this.#rows.set(rowKey(this.#key, row), { row: carryPartial(before, row), exactFrom: lsn });
  }

  #parsed({ row }: Held): PartialRow {
    return typeof row === "string" ? parseRow(row, this.#columns) : row;
  }
}
