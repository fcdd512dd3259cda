/** Simulated targets outside of a simulation: a scheduler that goes on by itself for as long as the store is in use. */
import { keyText, type Table } from "../../src/model/table.ts";
import { Life } from "../sim/crash.ts";
import { Leaves } from "../sim/postgres/leaves.ts";
import type { SimTable } from "../sim/postgres/tables.ts";
import { Random } from "../sim/random.ts";
import { Scheduler } from "../sim/scheduler.ts";

export class Pump implements AsyncDisposable {
  readonly random: Random;
  readonly #scheduler: Scheduler;
  readonly #running: Promise<void>;
  #life: Life | null = null;
  #over = false;

  constructor(seed: number) {
    this.random = new Random(seed, 1);
    this.#scheduler = new Scheduler(new Random(seed, 2));
    // So that it waits for the test, where that has not asked for anything yet.
    this.#scheduler.addActor({ name: "idle", weight: () => 0.1, move: () => {} });
    this.#running = this.#scheduler.runUntil(() => this.#over, Number.POSITIVE_INFINITY);
  }

  /** The life of a new process; the one before has died. */
  nextLife(): Life {
    this.#life?.end();
    this.#life = new Life(this.#scheduler, this.random, 0);
    return this.#life;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over = true;
    await this.#running;
  }
}

/** No connection is lost but where a test says so. */
export const NO_FAULTS = { strike: () => false, losesAnswer: () => false };

/** A table of any shape, as the simulation knows tables; `unique` is the column with a unique index of its own. */
export function simTableOf(table: Table, unique: number | null = null): SimTable {
  return {
    table,
    unique,
    big: table.columns.length - 1,
    keys: [],
    nameOf: keyText,
    compare: () => 0,
    placeOf: () => 0,
    leaves: new Leaves([true]),
  };
}
