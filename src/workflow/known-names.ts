import { type ConfigLocation, loadStateLocation } from "../config/load-config.ts";
import { openExistingState } from "../state/open-state.ts";
import { TableStore } from "../state/table-store.ts";

/** Names that a shell completes, from the configuration and the state on this machine. */
interface KnownNames {
  readonly migration: string | null;
  readonly tables: readonly string[];
}

/** Reads the names. A shell that completes a word shows no errors: where nothing can be read, nothing is known. */
export async function readKnownNames(location: ConfigLocation): Promise<KnownNames> {
  let migration: string | null = null;
  try {
    const located = loadStateLocation(location);
    migration = located.migration;
    const state = await openExistingState(located.directory);
    if (state === null) return { migration, tables: [] };
    try {
      return { migration, tables: new TableStore(state).all().map(({ table }) => table.id) };
    } finally {
      state.close();
    }
  } catch {
    return { migration, tables: [] };
  }
}
