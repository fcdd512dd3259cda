import type { VersionTarget } from "../../src/engine/ports/version-target.ts";
import type { ChunkRows } from "../../src/engine/ports.ts";
import type { Lsn } from "../../src/model/lsn.ts";
import type { Table } from "../../src/model/table.ts";
import type { Row } from "../../src/model/value.ts";
import { NO_KEY, T } from "../engine/rows.ts";
import { encodeRow, SimRows } from "../sim/postgres/rows.ts";
import { mergeTable } from "../sim/versions/merge-versions.ts";
import { SimVersionTarget } from "../sim/versions/sim-version-target.ts";
import { VersionState } from "../sim/versions/version-state.ts";
import { NO_FAULTS, Pump, simTableOf } from "./simulated.ts";
import { type VersionStore, versionTargetContract } from "./version-target.ts";

class SimStore implements VersionStore {
  readonly takesAnyBytes = true;
  readonly #pump = new Pump(1);
  readonly #state = new VersionState([T, NO_KEY].map(simTableOf), true);
  #target: SimVersionTarget | null = null;

  /** The server dies with the process: what it has not settled is gone. */
  async open(): Promise<VersionTarget> {
    this.#target?.crash();
    this.#target = new SimVersionTarget({
      state: this.#state,
      life: this.#pump.nextLife(),
      faults: NO_FAULTS,
      cadence: { bytes: 1_000, millis: 0 },
      note: () => {},
      watch: () => {},
    });
    return this.#target;
  }

  async rowsAt(table: Table, position: Lsn): Promise<readonly Row[]> {
    const { rows, bag } = mergeTable(this.#state, table.id, position);
    const copies = [...bag.values()].flatMap(({ row, count }) => Array<Row>(count).fill(row));
    return [...(rows.values() as Iterable<Row>), ...copies];
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

versionTargetContract("the simulated target", async () => new SimStore());
