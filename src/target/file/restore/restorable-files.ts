import { join } from "node:path";
import { PghaulError } from "../../../errors/pghaul-error.ts";
import type { Lsn } from "../../../model/lsn.ts";
import type { Restorable } from "../../restorable.ts";
import { FileArchive } from "../archive/file-archive.ts";
import { isReadableAt, listGenerations, type TableFiles } from "../storage/directory.ts";
import { SELECTED } from "../storage/layout.ts";
import { readSelected } from "../storage/record.ts";
import { restorePosition } from "./restore-position.ts";
import { restoreTables } from "./restore-tables.ts";

/** Our own tables, the markers, are of no use in another database. */
const OURS = "pghaul";

/** The directory of a file target, to be restored from, also while it is written. Throws TARGET_FOREIGN, TARGET_NEWER, TARGET_DAMAGED. */
export async function restorableFiles(directory: string): Promise<Restorable> {
  const archive = await FileArchive.open(directory);
  const newest = (await archive.tables()).filter(({ table }) => table.schema !== OURS);
  const generations = new Map<string, readonly TableFiles[]>();
  for (const { table } of newest) generations.set(table.id, await listGenerations(directory, table.id));
  const selected = (await readSelected(join(directory, SELECTED))) ?? [];
  const filesAt = (ids: ReadonlySet<string>, position: Lsn): readonly TableFiles[] =>
    [...ids].flatMap((id) => generations.get(id)?.findLast((files) => isReadableAt(files, position)) ?? []);
  return {
    migration: archive.manifest.migration,
    tables: newest.map(({ table }) => table),
    notBegun: selected.filter(({ id, schema }) => schema !== OURS && !generations.has(id)),
    position(ids, asked) {
      const missing = [...ids].find((id) => !generations.has(id));
      if (missing !== undefined)
        throw new PghaulError("STREAM_NOT_RUNNING", `${missing} was not loaded, so it cannot be restored`, { context: { table: missing } });
      const tables = new Map([...ids].map((id) => [id, generations.get(id) ?? []]));
      return restorePosition({ tables, position: archive.position }, asked);
    },
    tablesAt: (ids, position) => filesAt(ids, position).map(({ table }) => table),
    restore: ({ tables, ...request }) => restoreTables({ ...request, archive, tables: filesAt(tables, request.position) }),
  };
}
