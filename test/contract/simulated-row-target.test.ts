import type { ChunkRows, Target } from "../../src/engine/ports.ts";
import type { Table } from "../../src/model/table.ts";
import type { Row } from "../../src/model/value.ts";
import { NO_KEY, T } from "../engine/rows.ts";
import { encodeRow, SimRows } from "../sim/postgres/rows.ts";
import { SimTarget } from "../sim/target/target.ts";
import { TargetState } from "../sim/target/target-state.ts";
import { type RowStore, rowTargetContract } from "./row-target.ts";
import { NO_FAULTS, Pump, simTableOf } from "./simulated.ts";

class SimStore implements RowStore {
  readonly #pump = new Pump(1);
  readonly #state = new TargetState([simTableOf(T, 1), simTableOf(NO_KEY)]);

  async open(): Promise<Target> {
    const life = this.#pump.nextLife();
    return new SimTarget({ state: this.#state, life, random: this.#pump.random, faults: NO_FAULTS, watch: () => {}, note: () => {} });
  }

  async rowsOf({ id, key }: Table): Promise<readonly Row[]> {
    const rows = this.#state.tables.get(id);
    if (key !== null) return [...(rows?.rows.values() ?? [])];
    return [...(rows?.bag ?? [])].flatMap(([text, copies]) => Array<Row>(copies).fill(rowOf(text)));
  }

  rows(...rows: Row[]): ChunkRows {
    return new SimRows(rows);
  }

  async *copyText(...rows: Row[]): AsyncIterable<Uint8Array> {
    for (const row of rows) yield encodeRow(row);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pump[Symbol.asyncDispose]();
  }
}

/** The row of a text that `rowText` made of it: each value with its length, and whether it is one. */
function rowOf(text: string): Row {
  const row: (string | null)[] = [];
  for (let rest = text; rest !== ""; ) {
    const colon = rest.indexOf(":");
    const end = colon + 1 + Number(rest.slice(0, colon));
    const value = rest.slice(colon + 1, end);
    row.push(value.startsWith("n") ? null : value.slice(1));
    rest = rest.slice(end);
  }
  return row;
}

rowTargetContract("the simulated target", async () => new SimStore());
