/**
 * Row messages of the stream as changes in the order of `Table.columns`, with everything filled in that the stream itself can tell: an old
 * key only where the key's bytes changed, unchanged TOAST from the old row where REPLICA IDENTITY FULL brings it.
 */
import { PghaulError } from "../../errors/pghaul-error.ts";
import type { Change } from "../../model/change.ts";
import { formatLsn, type Lsn } from "../../model/lsn.ts";
import { isComplete, type PartialRow, type Row, UNCHANGED } from "../../model/value.ts";
import type { DeleteMessage, InsertMessage, OldTuple, UpdateMessage } from "../../pgoutput/messages.ts";
import type { MappedRelation } from "./relation-map.ts";

/** Throws DECODE_FAILED, or SCHEMA_DRIFT where the replica identity no longer tells rows apart. */
export function toChange(message: InsertMessage | UpdateMessage | DeleteMessage, mapped: MappedRelation, lsn: Lsn): Change {
  const decoder = new RowDecoder(mapped, lsn);
  switch (message.kind) {
    case "insert":
      return { kind: "insert", table: mapped.table.id, row: decoder.whole(message.row) };
    case "update":
      return decoder.update(message);
    case "delete":
      return decoder.remove(message);
  }
}

class RowDecoder {
  readonly #mapped: MappedRelation;
  readonly #lsn: Lsn;

  constructor(mapped: MappedRelation, lsn: Lsn) {
    this.#mapped = mapped;
    this.#lsn = lsn;
  }

  update({ old, row: tuple }: UpdateMessage): Change {
    const { table } = this.#mapped;
    this.#needIdentity();
    if (table.key === null) {
      if (old?.extent !== "full") throw this.#fault("an update of a table without a key has no old row");
      const oldRow = this.whole(old.row);
      return { kind: "update-row", table: table.id, old: oldRow, row: this.#complete(filled(this.#tuple(tuple), oldRow, null)) };
    }
    const row = this.#tuple(tuple);
    if (old === null) {
      this.#keyOf(row, table.key);
      return { kind: "update", table: table.id, oldKey: null, row };
    }
    return this.#updateOver(old, row, table.key);
  }

  remove({ old }: DeleteMessage): Change {
    const { table } = this.#mapped;
    this.#needIdentity();
    if (table.key !== null) return { kind: "delete", table: table.id, oldKey: this.#keyOf(this.#tuple(old.row), table.key) };
    if (old.extent !== "full") throw this.#fault("a delete from a table without a key has no old row");
    return { kind: "delete-row", table: table.id, old: this.whole(old.row) };
  }

  /** A tuple without unchanged values, in the table's order. */
  whole(tuple: PartialRow): Row {
    return this.#complete(this.#tuple(tuple));
  }

  /**
   * An old key comes when the key's bytes changed, and also when a key column is TOASTed: then it may be the same, and the new tuple
   * may leave it out.
   */
  #updateOver(old: OldTuple, tuple: PartialRow, key: readonly number[]): Change {
    const oldRow = this.#tuple(old.row);
    const row = filled(tuple, oldRow, old.extent === "full" ? null : key);
    const oldKey = this.#keyOf(oldRow, key);
    const newKey = this.#keyOf(row, key);
    const moved = oldKey.some((value, index) => value !== newKey[index]);
    return { kind: "update", table: this.#mapped.table.id, oldKey: moved ? oldKey : null, row };
  }

  #tuple(tuple: PartialRow): PartialRow {
    const { relation } = this.#mapped;
    if (tuple.length !== relation.columns.length) {
      throw this.#fault(`a row has ${tuple.length} columns, its relation ${relation.columns.length}`);
    }
    return this.#mapped.order(tuple);
  }

  #complete(row: PartialRow): Row {
    if (!isComplete(row)) throw this.#fault("a row lacks a value that nothing else supplies");
    return row;
  }

  #keyOf(row: PartialRow, key: readonly number[]): Row {
    return key.map((index) => {
      const value = row[index];
      if (typeof value !== "string") throw this.#fault("a key has no value");
      return value;
    });
  }

  /** Without it a change of the key would arrive as an update of a row that is not there. */
  #needIdentity(): void {
    const { table, identityHasKey, relation } = this.#mapped;
    if (identityHasKey) return;
    throw new PghaulError("SCHEMA_DRIFT", `${table.id}: the replica identity (${relation.identity}) does not cover the key`, {
      context: { table: table.id, lsn: formatLsn(this.#lsn) },
    });
  }

  #fault(what: string): PghaulError {
    const table = this.#mapped.table.id;
    return new PghaulError("DECODE_FAILED", `${table}: ${what}`, { context: { table, lsn: formatLsn(this.#lsn) } });
  }
}

/** Fills unchanged values from the old row; only those of `columns`, or all when it is null. */
function filled(row: PartialRow, old: PartialRow, columns: readonly number[] | null): PartialRow {
  if (isComplete(row)) return row;
  return row.map((value, index) => (value === UNCHANGED && (columns?.includes(index) ?? true) ? (old[index] ?? null) : value));
}
