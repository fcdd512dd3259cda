/**
 * The only source of progress in a simulation: every port call waits for a turn, and a seeded draw decides which of them goes next, or
 * whether the world (workload, tail, clock, crash) moves instead. No real timer, no real I/O: the same seed makes the same choices.
 */
import { SimulationFailure } from "./failure.ts";
import type { Random } from "./random.ts";

/** A part of the world that moves by itself. */
export interface Actor {
  readonly name: string;
  /** It may move forever without anything coming of it, so it does not count as life. */
  readonly background?: boolean;
  /** How likely it moves next, beside the turns (each about 1 to 16); 0 when it has nothing to do. */
  weight(): number;
  move(): void;
}

interface Waiting {
  readonly owner: object;
  readonly label: string;
  readonly go: () => void;
}

interface Sleeper {
  readonly owner: object;
  readonly until: number;
  readonly wake: () => void;
  readonly drop: () => void;
}

const CLOCK_WEIGHT = 0.3;

export class Scheduler {
  readonly #random: Random;
  readonly #actors: Actor[] = [];
  readonly #weights = new Map<string, number>();
  #turns: Waiting[] = [];
  #sleepers: Sleeper[] = [];
  #now = 0;
  #steps = 0;
  #hash = 0x811c9dc5;
  #trace: string[] | null = null;

  constructor(random: Random) {
    this.#random = random;
  }

  get now(): number {
    return this.#now;
  }

  get steps(): number {
    return this.#steps;
  }

  /** A digest of every choice made so far: equal for equal seeds. */
  get hash(): string {
    return (this.#hash >>> 0).toString(16).padStart(8, "0");
  }

  /** Keeps the names of all choices, for a seed that is looked at. */
  keepTrace(): readonly string[] {
    this.#trace = [];
    return this.#trace;
  }

  addActor(actor: Actor): void {
    this.#actors.push(actor);
  }

  /** Settles when it is this caller's turn; never, once its owner is forgotten. */
  turn(owner: object, label: string): Promise<void> {
    return new Promise((go) => {
      this.#turns.push({ owner, label, go });
    });
  }

  /** Sleeps on the virtual clock; rejects with the signal's reason when it aborts. */
  sleep(owner: object, millis: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      const sleeper = { owner, until: this.#now + millis, wake: () => finish(resolve), drop: () => finish(() => {}) };
      const finish = (settle: () => void) => {
        signal.removeEventListener("abort", aborted);
        this.#sleepers = this.#sleepers.filter((other) => other !== sleeper);
        settle();
      };
      const aborted = () => finish(() => reject(signal.reason));
      signal.addEventListener("abort", aborted);
      this.#sleepers.push(sleeper);
    });
  }

  /** Drops whatever a dead process waits for. */
  forget(owner: object): void {
    this.#turns = this.#turns.filter((turn) => turn.owner !== owner);
    // A signal with a listener is never collected: a dead process must not leave one.
    for (const { drop } of this.#sleepers.filter((sleeper) => sleeper.owner === owner)) drop();
  }

  /** Adds to the trace what happened inside a step. */
  note(what: string): void {
    this.#record(what);
  }

  /** Moves until `done`. Throws a SimulationFailure (stuck) when nothing can move, or after `limit` steps. */
  async runUntil(done: () => boolean, limit: number): Promise<void> {
    await drained();
    while (!done()) {
      if (this.#steps >= limit) throw new SimulationFailure("stuck", `no end after ${limit} steps; waiting: ${this.#waiting()}`);
      if (!this.#canMove()) {
        // Asking `done` may itself have set something going.
        await drained();
        if (done()) return;
        if (!this.#canMove()) throw new SimulationFailure("stuck", "nothing can move");
      }
      this.#step();
      // Now and then two things settle in the same tick: continuations then interleave by microtask, as they do after real I/O.
      if (this.#random.chance(0.1) && this.#turns.length > 0) this.#step();
      await drained();
    }
  }

  #canMove(): boolean {
    return (
      this.#turns.length > 0 || this.#sleepers.length > 0 || this.#actors.some((actor) => actor.background !== true && actor.weight() > 0)
    );
  }

  #step(): void {
    this.#steps += 1;
    const turns = this.#turns.map(({ label }) => this.#weightOf(label));
    const actors = this.#actors.map((actor) => actor.weight());
    const clock = this.#sleepers.length > 0 ? CLOCK_WEIGHT : 0;
    const total = sum(turns) + sum(actors) + clock;
    let draw = this.#random.next() * total;
    for (const [index, weight] of turns.entries()) {
      draw -= weight;
      if (draw >= 0) continue;
      this.#take(index);
      return;
    }
    for (const [index, weight] of actors.entries()) {
      draw -= weight;
      if (draw >= 0) continue;
      const actor = this.#actors[index] as Actor;
      this.#record(actor.name);
      actor.move();
      return;
    }
    this.#advanceClock();
  }

  #take(index: number): void {
    const [turn] = this.#turns.splice(index, 1);
    if (turn === undefined) return;
    this.#record(turn.label);
    turn.go();
  }

  #advanceClock(): void {
    const first = this.#sleepers.reduce<Sleeper | null>((best, next) => (best === null || next.until < best.until ? next : best), null);
    if (first === null) return;
    this.#now = Math.max(this.#now, first.until);
    this.#record("clock");
    first.wake();
  }

  /** Some seeds have a slow target, others a slow source: each kind of call has its own odds for the whole run. */
  #weightOf(label: string): number {
    let weight = this.#weights.get(label);
    if (weight === undefined) {
      weight = 2 ** (this.#random.next() * 4);
      this.#weights.set(label, weight);
    }
    return weight;
  }

  #record(what: string): void {
    this.#trace?.push(`${this.#steps} ${what}`);
    for (let index = 0; index < what.length; index++) this.#hash = Math.imul(this.#hash ^ what.charCodeAt(index), 0x01000193);
    this.#hash = Math.imul(this.#hash ^ this.#steps, 0x01000193);
  }

  #waiting(): string {
    return [...this.#turns.map(({ label }) => label), `${this.#sleepers.length} sleepers`].join(", ");
  }
}

function sum(weights: readonly number[]): number {
  let total = 0;
  for (const weight of weights) total += weight;
  return total;
}

/** Settles when every continuation that can run has run: a macrotask comes after all microtasks. */
function drained(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
