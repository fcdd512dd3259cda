import type { Random } from "./random.ts";

/** Lost connections: so many in a run and no more, so that every run ends. */
export class Faults {
  readonly #random: Random;
  readonly #odds: number;
  readonly #answerOdds: number;
  #left: number;

  constructor(random: Random) {
    this.#random = random;
    this.#odds = random.pick([0, 0.002, 0.01]);
    this.#answerOdds = random.pick([0, 0.02, 0.1]);
    this.#left = random.between(0, 4);
  }

  /** Whether a commit that was done is never answered: of all faults the one that misleads. */
  losesAnswer(): boolean {
    return this.#strike(this.#answerOdds);
  }

  strike(): boolean {
    return this.#strike(this.#odds);
  }

  #strike(odds: number): boolean {
    if (this.#left === 0 || !this.#random.chance(odds)) return false;
    this.#left -= 1;
    return true;
  }
}
