import type { ChangeLog } from "../../engine/ports.ts";
import { type Lsn, minLsn } from "../../model/lsn.ts";

/** One log under several engines: what one of them needs no more goes only when none does. */
export class SharedRelease {
  readonly #log: Pick<ChangeLog, "release">;
  readonly #released: Map<string, Lsn | null>;

  constructor(log: Pick<ChangeLog, "release">, destinations: readonly string[]) {
    this.#log = log;
    this.#released = new Map(destinations.map((name) => [name, null]));
  }

  /** The destination needs nothing below. */
  async release(destination: string, position: Lsn): Promise<void> {
    this.#released.set(destination, position);
    const least = [...this.#released.values()].reduce((one, other) => (one === null || other === null ? null : minLsn(one, other)));
    if (least !== null) await this.#log.release(least);
  }
}
