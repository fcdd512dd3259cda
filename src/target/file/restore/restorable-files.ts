import type { Restorable } from "../../restorable.ts";
import { FileArchive } from "../archive/file-archive.ts";
import { restorePosition, restoreTables } from "./restore-tables.ts";

/** Our own tables, the markers, are of no use in another database. */
const OURS = "pghaul";

/** The directory of a file target, to be restored from, also while it is written. Throws TARGET_FOREIGN, TARGET_NEWER, TARGET_DAMAGED. */
export async function restorableFiles(directory: string): Promise<Restorable> {
  const archive = await FileArchive.open(directory);
  const files = (await archive.tables()).filter(({ table }) => table.schema !== OURS);
  const chosen = (ids: ReadonlySet<string>) => files.filter(({ table }) => ids.has(table.id));
  return {
    migration: archive.manifest.migration,
    tables: files.map(({ table }) => table),
    position: (tables, asked) => restorePosition(archive, chosen(tables), asked),
    restore: ({ tables, ...request }) => restoreTables({ ...request, archive, tables: chosen(tables) }),
  };
}
