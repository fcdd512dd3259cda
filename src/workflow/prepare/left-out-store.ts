import type { StateDatabase } from "../../state/state-database.ts";
import { DocumentStore } from "../../state/storage/document-store.ts";

/** The tables that were not moved, and why, as the first run saw them. */
export function leftOutStore(state: StateDatabase): DocumentStore<readonly { readonly table: string; readonly why: string }[]> {
  return new DocumentStore(state, "left out");
}
