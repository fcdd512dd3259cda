import type { Table } from "../../../model/table.ts";
import type { Queryable } from "../../../postgres/queryable.ts";
import { askOf } from "../../../side/postgres/catalog/ask.ts";
import { readReach } from "../../../side/postgres/catalog/table-reach.ts";

/**
 * Gives the planner its statistics: they do not travel with rows, and without them the first queries after the switch go wrong.
 * A partitioned root is analysed with its partitions, unless one of them is not ours to read.
 */
export async function analyze(target: Queryable, table: Table): Promise<void> {
  const { holders } = await readReach(askOf(target), "target", table);
  // ANALYZE takes no ONLY before 18, and a leaf has no children.
  for (const holder of holders) await target.query(`analyze ${holder.replace(/^only /, "")}`);
}
