import type { FenceBreach } from "../model/fence-breach.ts";
import type { SideName } from "../model/side.ts";
import type { StateDatabase } from "./state-database.ts";
import { DocumentStore } from "./storage/document-store.ts";

/** What the log of a fenced side shows. */
export interface FenceProof {
  /** Number of the attempt that fenced it. */
  readonly attempt: number;
  readonly side: SideName;
  /** Where the fence begins. */
  readonly fenceLsn: string;
  /** Read up to here. */
  readonly readTo: string;
  readonly breach: FenceBreach | null;
}

/** The proof of the last switch's fence, for as long as the other side is the primary. Written by the process that streams. */
export class FenceStore {
  readonly #documents: DocumentStore<FenceProof>;

  constructor(database: StateDatabase) {
    this.#documents = new DocumentStore(database, "fence proof");
  }

  load(): FenceProof | null {
    return this.#documents.get()?.body ?? null;
  }

  save(proof: FenceProof): void {
    this.#documents.put(proof, this.#documents.get()?.version ?? 0);
  }
}
