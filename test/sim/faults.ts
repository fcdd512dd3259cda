import type { Random } from "./random.ts";

/** Lost connections: so many in a run and no more, so that every run ends. */
export class Faults {
  readonly #random: Random;
  readonly #odds: number;
  #left: number;

  constructor(random: Random) {
    this.#random = random;
    this.#odds = random.pick([0, 0.002, 0.01]);
    this.#left = random.between(0, 4);
  }

  strike(): boolean {
    if (this.#left === 0 || !this.#random.chance(this.#odds)) return false;
    this.#left -= 1;
    return true;
  }
}
