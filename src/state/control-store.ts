import type { StateDatabase } from "./state-database.ts";
import { DocumentStore } from "./storage/document-store.ts";

/** What one process asks of the one that streams. */
export interface StopRequest {
  /** ISO 8601. */
  readonly at: string;
  readonly by: string;
}

/** Wishes to the streaming process; it looks a few times a second. */
export class ControlStore {
  readonly #stop: DocumentStore<StopRequest>;

  constructor(database: StateDatabase) {
    this.#stop = new DocumentStore(database, "stop request");
  }

  requestStop(request: StopRequest): void {
    this.#stop.put(request, this.#stop.get()?.version ?? 0);
  }

  /** A wish that was uttered after `since`; an older one was meant for an earlier process. */
  stopRequested(since: string): StopRequest | null {
    const request = this.#stop.get()?.body ?? null;
    return request !== null && request.at > since ? request : null;
  }
}
