import type { Table } from "../../../model/table.ts";
import { qualifiedName } from "../../../postgres/quote.ts";
import type { Queryable } from "../progress/progress-queries.ts";

/**
 * Gives the planner its statistics: they do not travel with rows, and without them the first queries after the switch go wrong.
 * A partitioned root is analysed with its partitions.
 */
export async function analyze(target: Queryable, table: Table): Promise<void> {
  await target.query(`analyze ${qualifiedName(table.schema, table.name)}`);
}
