import type { ProgressBus } from "../../observe/events.ts";

/** Tells how far a verification is: as a piece begins, and as a table is decided, so that the last line counts the last table too. */
export class VerifyProgress {
  readonly #tablesTotal: number;
  readonly #bus: ProgressBus;
  readonly #decided = new Set<string>();
  /** Pieces being compared, by table; tables are compared side by side. */
  readonly #running = new Map<string, { readonly piece: number; readonly pieces: number }>();

  constructor(tablesTotal: number, bus: ProgressBus) {
    this.#tablesTotal = tablesTotal;
    this.#bus = bus;
  }

  begun(table: string, piece: number, pieces: number): void {
    // Put in anew, so that the last one is the one that began last.
    this.#running.delete(table);
    this.#running.set(table, { piece, pieces });
    this.#tell();
  }

  decided(table: string): void {
    this.#running.delete(table);
    this.#decided.add(table);
    this.#tell();
  }

  isDecided(table: string): boolean {
    return this.#decided.has(table);
  }

  #tell(): void {
    const last = [...this.#running].at(-1);
    const at = last === undefined ? null : { table: last[0], ...last[1] };
    this.#bus.emit({ kind: "verify", tablesDone: this.#decided.size, tablesTotal: this.#tablesTotal, at });
  }
}
