/** The simulated target: transactions that commit whole or not at all, by a few connections, any of which may break at any moment. */

import type { Target, TargetProgress, TargetTransaction } from "../../../src/engine/ports.ts";
import { PghaulError } from "../../../src/errors/pghaul-error.ts";
import type { SimTargetParts } from "./target-state.ts";
import { SimTargetTransaction } from "./transaction.ts";

/** The stream commits asynchronously, the load does not, as the PostgreSQL adapter has it. */
export class SimTarget implements Target {
  readonly #parts: SimTargetParts;
  readonly #free: { stream: number; load: number };
  readonly #open = new Set<SimTargetTransaction>();
  #crashed = false;

  constructor(parts: SimTargetParts) {
    this.#parts = parts;
    this.#free = { stream: 1, load: parts.random.between(1, 3) };
  }

  async progress(): Promise<TargetProgress> {
    await this.#parts.life.turn("target.progress");
    await this.makeDurable();
    const { stream, progress, merged, pending } = this.#parts.state;
    const keys = [...pending].map(([table, known]) => [table, [...known.values()]] as const);
    return { stream, tables: new Map(progress), mergedChunks: new Set(merged), pending: new Map(keys) };
  }

  get crashed(): boolean {
    return this.#crashed;
  }

  /** Everything committed so far is on disk. */
  async makeDurable(): Promise<void> {
    await this.#turn("target.durable");
    this.#parts.state.volatile = [];
  }

  /** The target's server dies and comes back: connections break, and the last asynchronous commits are gone. */
  crash(): void {
    this.#crashed = true;
    for (const transaction of this.#open) transaction.rollBack();
    for (const step of this.#parts.state.volatile.splice(0).toReversed()) step();
  }

  async transaction<T>(lane: "stream" | "load", work: (transaction: TargetTransaction) => Promise<T>): Promise<T> {
    const { life } = this.#parts;
    await this.#turn("target.begin");
    while (this.#free[lane] === 0) await this.#turn("target.connection");
    this.#free[lane] -= 1;
    const transaction = new SimTargetTransaction(this.#parts, () => this.#demandConnection());
    this.#open.add(transaction);
    const rollBack = life.hold(() => transaction.rollBack());
    try {
      const result = await work(transaction);
      await this.#turn("target.commit");
      this.#commit(transaction, lane);
      await this.#turn("target.committed");
      if (this.#parts.faults.losesAnswer()) throw lost();
      return result;
    } finally {
      rollBack();
      this.#open.delete(transaction);
      this.#free[lane] += 1;
    }
  }

  #commit(transaction: SimTargetTransaction, lane: "stream" | "load"): void {
    const { state, watch } = this.#parts;
    const undo = transaction.commit();
    // A commit that waits for the disk takes all earlier ones along.
    state.volatile = lane === "stream" ? [...state.volatile, ...undo] : [];
    this.#open.delete(transaction);
    watch(state, transaction.touched, transaction.streamMoved);
  }

  async #turn(label: string): Promise<void> {
    await this.#parts.life.turn(label);
    this.#demandConnection();
  }

  #demandConnection(): void {
    this.#parts.life.demand();
    if (this.#crashed || this.#parts.faults.strike()) throw lost();
  }
}

function lost(): PghaulError {
  return new PghaulError("TARGET_LOST", "simulated");
}
