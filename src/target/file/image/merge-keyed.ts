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
import type { RowTexts, Spilled } from "./row-texts.ts";
import { copyText, parseMove, parsePartial, parseRow, partialText, type VersionLine } from "./version-line.ts";

/** A row: its COPY text, or taken apart where columns were put over it, or where it lies on the disk as the text of a partial row. */
interface Held {
  readonly row: string | PartialRow | Spilled;
  /** In memory. */
  readonly bytes: number;
  readonly exactFrom: Lsn;
}

export class KeyedRows {
  readonly #key: readonly number[];
  readonly #columns: number;
  readonly #texts: RowTexts;
  readonly #rows = new Map<KeyText, Held>();

  constructor({ key, columns, texts }: { readonly key: readonly number[]; readonly columns: number; readonly texts: RowTexts }) {
    this.#key = key;
    this.#columns = columns;
    this.#texts = texts;
  }

  /** In the order of versions. */
  take({ kind, lsn, exactFrom, rest }: VersionLine): void {
    switch (kind) {
      case "read":
      case "put":
        this.#set(rowKey(this.#key, parseRow(rest, this.#columns)), rest, exactFrom);
        return;
      case "absent":
      case "delete":
        this.#delete(keyText(parseRow(rest, this.#key.length)));
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
    for (const { bytes } of this.#rows.values()) this.#texts.release(bytes);
    this.#rows.clear();
  }

  /** COPY text of each row, or null for one of which a column is unknown. */
  *lines(): Generator<string | null> {
    for (const held of this.#rows.values()) {
      if (typeof held.row === "string") yield held.row;
      else {
        const row = this.#parsed(held);
        yield isComplete(row) ? copyText(row) : null;
      }
    }
  }

  #patch(row: PartialRow, lsn: Lsn): void {
    const key = rowKey(this.#key, row);
    const held = this.#rows.get(key);
    // Nothing there: the key is gone in what a later snapshot read, or its columns are unknown until one reads it.
    if (held === undefined) this.#set(key, row, lsn);
    else this.#set(key, carryPartial(this.#parsed(held), row), held.exactFrom);
  }

  #move(oldKey: KeyText, row: PartialRow, lsn: Lsn): void {
    const old = this.#rows.get(oldKey);
    const before = old === undefined || old.exactFrom > lsn ? null : this.#parsed(old);
    this.#delete(oldKey);
    if (before === null || !isComplete(before)) this.#patch(row, lsn);
    else this.#set(rowKey(this.#key, row), carryPartial(before, row), lsn);
  }

  #set(key: KeyText, row: string | PartialRow, exactFrom: Lsn): void {
    this.#delete(key);
    const bytes = weightOf(row) + ROW_BYTES;
    if (this.#texts.hold(bytes)) this.#rows.set(key, { row, bytes, exactFrom });
    else {
      const partial = typeof row === "string" ? parseRow(row, this.#columns) : row;
      this.#rows.set(key, { row: this.#texts.spill(partialText(partial)), bytes: 0, exactFrom });
    }
  }

  #delete(key: KeyText): void {
    const held = this.#rows.get(key);
    if (held === undefined) return;
    this.#texts.release(held.bytes);
    this.#rows.delete(key);
  }

  #parsed({ row }: Held): PartialRow {
    if (typeof row === "string") return parseRow(row, this.#columns);
    return "offset" in row ? parsePartial(this.#texts.read(row)) : row;
  }
}

/** What a row weighs beside its text. */
const ROW_BYTES = 100;

function weightOf(row: string | PartialRow): number {
  if (typeof row === "string") return row.length;
  return row.reduce((sum: number, value) => sum + (typeof value === "string" ? value.length : 0), 0);
}
