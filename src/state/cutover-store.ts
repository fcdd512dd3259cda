import type { Attempt, AttemptStore } from "../cutover/ports.ts";
import type { StateDatabase } from "./state-database.ts";
import { DocumentStore } from "./storage/document-store.ts";

/**
 * The current attempt at a cutover, written before each act. One process drives it (lease `cutover`); should a second write all the same,
 * the first one's `save` throws STATE_LOCKED instead of replacing what it has not seen.
 */
export class CutoverStore implements AttemptStore {
  readonly #documents: DocumentStore<Attempt>;
  #seen = 0;

  constructor(database: StateDatabase) {
    this.#documents = new DocumentStore(database, "cutover attempt");
  }

  load(): Attempt | null {
    const found = this.#documents.get();
    this.#seen = found?.version ?? 0;
    return found?.body ?? null;
  }

  save(attempt: Attempt): void {
    this.#seen = this.#documents.put(attempt, this.#seen);
  }
}
