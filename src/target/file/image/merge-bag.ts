import type { VersionLine } from "./version-line.ts";

/** Rows without a key, as a multiset: each row and how often it is there. */
export class RowBag {
  readonly #times = new Map<string, number>();

  /** In the order of versions; the rest of each is COPY text of one form for one row. */
  take({ kind, rest }: VersionLine): void {
    const now = (this.#times.get(rest) ?? 0) + (kind === "delete" ? -1 : 1);
    if (now === 0) this.#times.delete(rest);
    else this.#times.set(rest, now);
  }

  truncate(): void {
    this.#times.clear();
  }

  /** COPY text of each row as often as it is there, or null for one that was taken away more often than it came. */
  *lines(): Generator<string | null> {
    for (const [row, times] of this.#times) {
      if (times < 0) yield null;
      for (let time = 0; time < times; time += 1) yield row;
    }
  }
}
