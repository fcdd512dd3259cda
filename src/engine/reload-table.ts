import type { Table } from "../model/table.ts";
import type { EnginePorts, TargetProgress } from "./ports.ts";

/**
 * Takes a held table back to where it was before its load began: empty at the target, with nothing on record there or here. The next
 * `TablesLoad` then loads it as any other, over the running stream. To be called while nothing of the table is applied; safe to repeat, and to
 * die in: the target's part comes first and is one transaction, the memory here second.
 */
export async function reloadTable(
  { target, store, crashPoint }: Pick<EnginePorts, "target" | "store" | "crashPoint">,
  table: Table,
): Promise<void> {
  crashPoint("before-table-emptied");
  await target.transaction("load", async (transaction) => {
    await transaction.truncate([table]);
    await transaction.forgetTable(table.id);
  });
  crashPoint("after-table-emptied");
  store.forgetTable(table.id);
}

/**
 * True when a load begins over a log that was released meanwhile: what is gone from it `VisibleFloor` takes for visible, and it may not be, for no
 * load has kept it. The caller waits at the source's barrier first.
 */
export function startsOver({ stream, tables }: TargetProgress, order: readonly Table[]): boolean {
  const states = new Set(order.map(({ id }) => tables.get(id)?.state));
  return stream !== null && states.has(undefined) && !states.has("loading") && !states.has("loaded");
}
