/** What happened at a side that the stream out of it does not carry, kept until a comparison has found the table equal since. */
import type { SideName } from "../../model/side.ts";
import type { Footprint } from "../../source/changes/footprint.ts";
import type { SourceChange } from "../../source/changes/source-changes.ts";
import type { StateDatabase } from "../../state/state-database.ts";
import { DocumentStore } from "../../state/storage/document-store.ts";
import { VerifyStore } from "../../state/verify-store.ts";

export interface NotedChange extends Pick<SourceChange, "table" | "message" | "fix"> {
  /** Of a warning or of the error that stopped the stream. */
  readonly code: string;
  /** When it was seen, ISO 8601; it may have happened since the look before. */
  readonly at: string;
}

interface Noted {
  readonly footprint: Footprint | null;
  readonly changes: readonly NotedChange[];
}

/** Written by the process that streams; others only read. */
export class NotedChanges {
  readonly #state: StateDatabase;
  readonly #store: DocumentStore<Noted>;

  constructor(state: StateDatabase, side: SideName) {
    this.#state = state;
    this.#store = new DocumentStore(state, `${side} changes`);
  }

  /** As the side was when it was last looked at; null before the first look. */
  get footprint(): Footprint | null {
    return this.#store.get()?.body.footprint ?? null;
  }

  /** Durable when it returns. */
  record(footprint: Footprint, changes: readonly NotedChange[]): void {
    const known = this.#store.get();
    const repeated = new Set(changes.map(({ table, message }) => JSON.stringify([table, message])));
    const kept = this.unsettled().filter(({ table, message }) => !repeated.has(JSON.stringify([table, message])));
    this.#store.put({ footprint, changes: [...kept, ...changes] }, known?.version ?? 0);
  }

  /** The next look only remembers. */
  forgetFootprint(): void {
    const known = this.#store.get();
    if (known !== null && known.body.footprint !== null) this.#store.put({ ...known.body, footprint: null }, known.version);
  }

  /** Those whose table was not found equal by a comparison that began after they were seen, oldest first. */
  unsettled(): readonly NotedChange[] {
    const equalSince = new Map(
      new VerifyStore(this.#state).latest().flatMap(({ table, equal, at, millis }) => (equal ? [[table, Date.parse(at) - millis]] : [])),
    );
    return (this.#store.get()?.body.changes ?? []).filter(({ table, at }) => (equalSince.get(table) ?? 0) <= Date.parse(at));
  }
}
