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
  #forgot = false;
  /** Sessions that ended with their server. */
  readonly #broken = new WeakSet<SimTargetTransaction>();
  /** Who compares what the server remembers with what we do; a mutation leaves it to the stream alone. */
  noticing: "every lane" | "the stream" = "every lane";

  constructor(parts: SimTargetParts) {
    this.#parts = parts;
    this.#free = { stream: 1, load: parts.random.between(1, 3) };
  }

  async progress(): Promise<TargetProgress> {
    await this.#parts.life.turn("target.progress");
    await this.makeDurable();
    const { stream, progress, merged, pending } = this.#parts.state;
    const keys = [...pending].map(([table, known]) => [table, [...known.values()]] as const);
    return { stream, tables: new Map(progress), mergedChunks: new Set(merged.keys()), pending: new Map(keys) };
  }

  /** The server has all that this life has been told was committed. */
  get remembers(): boolean {
    return !this.#crashed && !this.#forgot;
  }

  /** Everything committed so far is on disk. */
  async makeDurable(): Promise<void> {
    await this.#turn("target.durable");
    this.#notice("stream");
    this.#parts.state.makeDurable();
  }

  /** The target's server dies and comes back: connections break, and the last asynchronous commits are gone. */
  crash(): void {
    this.#crashed = true;
    for (const transaction of this.#open) transaction.rollBack();
    this.#parts.state.forget("volatile");
  }

  /** A standby that was behind takes over. Whoever is in a transaction loses it; to everybody else nothing happens, another server answers. */
  failOver(): void {
    for (const transaction of this.#open) {
      this.#broken.add(transaction);
      transaction.rollBack();
    }
    if (this.#parts.state.forget("unreplayed") > 0) this.#forgot = true;
  }

  async transaction<T>(lane: "stream" | "load", work: (transaction: TargetTransaction) => Promise<T>): Promise<T> {
    const { life } = this.#parts;
    await this.#turn("target.begin");
    while (this.#free[lane] === 0) await this.#turn("target.connection");
    this.#notice(lane);
    this.#free[lane] -= 1;
    const transaction: SimTargetTransaction = new SimTargetTransaction(this.#parts, () => this.#demandSession(transaction));
    this.#open.add(transaction);
    const rollBack = life.hold(() => transaction.rollBack());
    try {
      const result = await work(transaction);
      await this.#turn("target.commit");
      this.#demandSession(transaction);
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
    state.recent.push({ durable: false, undo });
    if (lane === "load") state.makeDurable();
    this.#open.delete(transaction);
    watch(state, transaction.touched, transaction.streamMoved);
  }

  async #turn(label: string): Promise<void> {
    await this.#parts.life.turn(label);
    this.#demandConnection();
  }

  #demandSession(transaction: SimTargetTransaction): void {
    this.#demandConnection();
    if (this.#broken.has(transaction)) throw lost();
  }

  /** What the adapter does at the start of each transaction. */
  #notice(lane: "stream" | "load"): void {
    if (this.#forgot && (lane === "stream" || this.noticing === "every lane")) throw lost();
  }

  #demandConnection(): void {
    this.#parts.life.demand();
    if (this.#crashed || this.#parts.faults.strike()) throw lost();
  }
}

function lost(): PghaulError {
  return new PghaulError("TARGET_LOST", "simulated");
}
