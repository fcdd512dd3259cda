import type { Table } from "../../model/table.ts";
import type { VersionPorts } from "./version-stream.ts";

/**
 * Takes a table back to where it was before its load began; the next `TablesLoad` loads it as any other. To be called while nothing of it is
 * loaded; safe to repeat, and to die in: the target's part comes first, the memory here second.
 */
export async function reloadVersions({ target, store, crashPoint }: VersionPorts, table: Table): Promise<void> {
  crashPoint("before-table-emptied");
  await target.forgetTable(table);
  crashPoint("after-table-emptied");
  store.forgetTable(table.id);
}
