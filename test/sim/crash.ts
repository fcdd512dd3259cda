/**
 * One life of the simulated process. A crash ends it at any await: none of its continuations runs again, what it held at the servers is let
 * go (as they do when a connection breaks), and what was durable stays.
 */
import type { Random } from "./random.ts";
import type { Scheduler } from "./scheduler.ts";

/** Thrown out of a named crash point; nobody who survives sees it. */
export class Crashed extends Error {}

export class Life {
  readonly #scheduler: Scheduler;
  readonly #random: Random;
  readonly #crashOdds: number;
  readonly #held = new Set<() => void>();
  #alive = true;

  constructor(scheduler: Scheduler, random: Random, crashOdds: number) {
    this.#scheduler = scheduler;
    this.#random = random;
    this.#crashOdds = crashOdds;
  }

  get alive(): boolean {
    return this.#alive;
  }

  get now(): number {
    return this.#scheduler.now;
  }

  /** Settles when it is this call's turn; never, when the process is dead. */
  async turn(label: string): Promise<void> {
    if (this.#alive) await this.#scheduler.turn(this, label);
    // Between the turn and here another continuation may have died in a crash point.
    if (!this.#alive) await never();
  }

  /** For what a port does at once, without a turn: a dead process does nothing any more. */
  demand(): void {
    if (!this.#alive) throw new Crashed("dead");
  }

  sleep(millis: number, signal: AbortSignal): Promise<void> {
    return this.#alive ? this.#scheduler.sleep(this, millis, signal) : never();
  }

  /** Something that the far side lets go when this process dies. Returns the ordinary way to let it go. */
  hold(release: () => void): () => void {
    this.demand();
    this.#held.add(release);
    return () => {
      if (this.#held.delete(release)) release();
    };
  }

  /** The engine's named crash points. */
  crashPoint(name: string): void {
    if (!this.#alive) throw new Crashed(name);
    if (!this.#random.chance(this.#crashOdds)) return;
    this.#scheduler.note(`crash at ${name}`);
    this.end();
    throw new Crashed(name);
  }

  end(): void {
    if (!this.#alive) return;
    this.#alive = false;
    this.#scheduler.forget(this);
    const held = [...this.#held];
    this.#held.clear();
    for (const release of held) release();
  }
}

/** What a dead process's call settles as. */
export function never<T>(): Promise<T> {
  return new Promise<T>(() => {});
}
