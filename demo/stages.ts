/** Headings with the time since the start, so that the reader knows where three minutes went. */
export class Stages {
  readonly #startedAt = performance.now();
  #number = 0;

  next(title: string): void {
    this.#number += 1;
    console.log(`\n== ${this.#number}. ${title} [${this.elapsed}]`);
  }

  /** `1m 07s` since the start. */
  get elapsed(): string {
    const seconds = Math.round((performance.now() - this.#startedAt) / 1000);
    return seconds < 60 ? `${seconds}s` : `${Math.floor(seconds / 60)}m ${String(seconds % 60).padStart(2, "0")}s`;
  }
}
