import { join } from "node:path";
import { PghaulError } from "../../../errors/pghaul-error.ts";
import type { Restorable } from "../../restorable.ts";
import { FileArchive } from "../archive/file-archive.ts";
import type { TableFiles } from "../storage/directory.ts";
import { SELECTED } from "../storage/layout.ts";
import { readSelected } from "../storage/record.ts";
import { restorePosition, restoreTables } from "./restore-tables.ts";

/** Our own tables, the markers, are of no use in another database. */
const OURS = "pghaul";

/** The directory of a file target, to be restored from, also while it is written. Throws TARGET_FOREIGN, TARGET_NEWER, TARGET_DAMAGED. */
export async function restorableFiles(directory: string): Promise<Restorable> {
  const archive = await FileArchive.open(directory);
  const files = new Map((await archive.tables()).flatMap((one) => (one.table.schema === OURS ? [] : [[one.table.id, one] as const])));
  const selected = (await readSelected(join(directory, SELECTED))) ?? [];
  const chosen = (ids: ReadonlySet<string>): readonly TableFiles[] => [...ids].flatMap((id) => files.get(id) ?? []);
  return {
    migration: archive.manifest.migration,
    tables: [...files.values()].map(({ table }) => table),
    notBegun: selected.filter(({ id, schema }) => schema !== OURS && !files.has(id)),
    position(ids, asked) {
      const missing = [...ids].find((id) => !files.has(id));
      if (missing === undefined) return restorePosition(archive, chosen(ids), asked);
      throw new PghaulError("STREAM_NOT_RUNNING", `${missing} was not loaded and cannot be restored`, { context: { table: missing } });
    },
    restore: ({ tables, ...request }) => restoreTables({ ...request, archive, tables: chosen(tables) }),
  };
}
