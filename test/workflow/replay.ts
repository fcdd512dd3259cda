import type { Change, TransactionPiece } from "../../src/model/change.ts";
import { keyText, rowKey, type Table } from "../../src/model/table.ts";
import { carryForward, type Row } from "../../src/model/value.ts";

/** Tables in memory, to which changes are applied strictly: each must find exactly the row that it names. */
export class Replay {
  readonly #tables = new Map<string, { readonly table: Table; readonly rows: Map<string, { row: Row; count: number }> }>();

  constructor(tables: readonly Table[]) {
    for (const table of tables) this.#tables.set(table.id, { table, rows: new Map() });
  }

  load(table: Table, rows: readonly Row[]): void {
    for (const row of rows) this.#insert(table.id, row);
  }

  apply(pieces: readonly TransactionPiece[]): void {
    for (const { changes } of pieces) for (const change of changes) this.#change(change);
  }

  /** Every row as text, sorted: equal lists, equal tables. */
  contents(table: Table): string[] {
    const { rows } = this.#need(table.id);
    return [...rows.values()].flatMap(({ row, count }) => Array<string>(count).fill(JSON.stringify(row))).sort();
  }

  #change(change: Change): void {
    switch (change.kind) {
      case "insert":
        this.#insert(change.table, change.row);
        break;
      case "delete":
        this.#removeKey(change.table, change.oldKey);
        break;
      case "update": {
        const { table } = this.#need(change.table);
        const key = table.key ?? [];
        const before = this.#removeKey(change.table, change.oldKey ?? key.map((index) => change.row[index] as string));
        this.#insert(change.table, carryForward(before, change.row));
        break;
      }
      case "update-row":
        this.#remove(change.table, JSON.stringify(change.old));
        this.#insert(change.table, change.row);
        break;
      case "delete-row":
        this.#remove(change.table, JSON.stringify(change.old));
        break;
      case "truncate":
        for (const id of change.tables) this.#need(id).rows.clear();
    }
  }

  #insert(id: string, row: Row): void {
    const { table, rows } = this.#need(id);
    const name = table.key === null ? JSON.stringify(row) : rowKey(table.key, row);
    const known = rows.get(name);
    if (known === undefined) rows.set(name, { row, count: 1 });
    else if (table.key !== null) throw new Error(`${id}: a key is inserted twice`);
    else known.count += 1;
  }

  #removeKey(id: string, key: Row): Row {
    return this.#remove(id, keyText(key));
  }

  #remove(id: string, name: string): Row {
    const { rows } = this.#need(id);
    const known = rows.get(name);
    if (known === undefined) throw new Error(`${id}: a row that is changed is not there`);
    known.count -= 1;
    if (known.count === 0) rows.delete(name);
    return known.row;
  }

  #need(id: string): { readonly table: Table; readonly rows: Map<string, { row: Row; count: number }> } {
    const known = this.#tables.get(id);
    if (known === undefined) throw new Error(`no table ${id}`);
    return known;
  }
}
