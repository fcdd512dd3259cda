import type { Table } from "../../model/table.ts";
import type { EnginePorts } from "../ports.ts";

/**
 * Takes a table back to where it was before its load began: empty at the target, with nothing on record there or here. The next
 * load then begins as that of any other, over the running stream. The table must be held, or under load with nothing of it under way, so that
 * nothing of it is applied. Safe to be killed in: the target's part comes first, in one transaction, and our own record second. A life that finds
 * only the first done does the second before it loads anything, or finds again why the table was emptied.
 */
export async function reloadTable(
  { target, store, crashPoint }: Pick<EnginePorts, "target" | "store" | "crashPoint">,
  table: Table,
): Promise<void> {
  crashPoint("before-table-emptied");
  await target.transaction("load", async (transaction) => {
    await transaction.empty(table);
    await transaction.forgetTable(table.id);
  });
  crashPoint("after-table-emptied");
  store.forgetTable(table.id);
}
