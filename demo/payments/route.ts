import { readFileSync } from "node:fs";

export type SideName = "source" | "target";

/** How the application finds its database: the routing document that pghaul replaces at a cutover. Before the first one there is none. */
export class Route {
  readonly #file: string;
  #primary: SideName = "source";

  constructor(file: string) {
    this.#file = file;
  }

  get primary(): SideName {
    return this.#primary;
  }

  /** The document is replaced by rename, so a reader sees the old one or the new one, never half of it. */
  reread(): void {
    try {
      const { primary } = JSON.parse(readFileSync(this.#file, "utf8")) as { primary: SideName };
      this.#primary = primary;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }
}
