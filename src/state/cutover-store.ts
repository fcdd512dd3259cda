import type { Attempt, AttemptStore } from "../cutover/ports.ts";
import type { StateDatabase } from "./state-database.ts";
import { DocumentStore } from "./storage/document-store.ts";

/** How the watchdog fares with an attempt that it cannot settle yet. */
export interface Settling {
  readonly attempt: number;
  readonly tries: number;
  readonly why: string;
  /** ISO 8601. */
  readonly at: string;
}

/**
 * The current attempt at a cutover, written before each act. One process drives it (lease `cutover`); should a second write all the same,
 * the first one's `save` throws STATE_LOCKED instead of replacing what it has not seen.
 */
export class CutoverStore implements AttemptStore {
  readonly #documents: DocumentStore<Attempt>;
  readonly #settling: DocumentStore<Settling>;
  readonly #database: StateDatabase;
  #seen = 0;

  constructor(database: StateDatabase) {
    this.#database = database;
    this.#documents = new DocumentStore(database, "cutover attempt");
    this.#settling = new DocumentStore(database, "cutover settling");
  }

  load(): Attempt | null {
    const found = this.#documents.get();
    this.#seen = found?.version ?? 0;
    return found?.body ?? null;
  }

  /** The last failure to settle an attempt, whichever it was. */
  settling(): Settling | null {
    return this.#settling.get()?.body ?? null;
  }

  noteSettling(settling: Settling): void {
    this.#database.note(() => void this.#settling.put(settling, this.#settling.get()?.version ?? 0));
  }

  save(attempt: Attempt): void {
    this.#seen = this.#documents.put(attempt, this.#seen);
  }
}
