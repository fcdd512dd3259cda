import type pg from "pg";
import type { Config } from "../../config/config.ts";
import type { ChunkRange } from "../../engine/ports.ts";
import type { SideName } from "../../model/side.ts";
import type { Table, TableLeaf } from "../../model/table.ts";
import { planChunks } from "../../plan/plan-chunks.ts";
import { readLeafSamples } from "../../source/chunk-bounds.ts";

/** How much of a table one chunk is to read at most. */
export function chunkBytesOf({ tables, throttle }: Pick<Config, "tables" | "throttle">, { id }: Table): number {
  return tables.overrides[id]?.chunkBytes ?? throttle.chunkBytes;
}

/** The ranges in which these leaves of a table are loaded. */
export async function loadRanges(
  client: pg.Client,
  table: Table,
  leaves: readonly TableLeaf[],
  chunkBytes: number,
): Promise<readonly ChunkRange[]> {
  return planChunks(table, leaves, await readLeafSamples(client, "source", table, leaves), chunkBytes);
}

/** A snapshot of a verification reads about this much. */
const VERIFY_BYTES = 1024 ** 3;

/** Types whose order is the same on every server; text orders by a collation, of which the two sides may have different versions. */
const SAME_ORDER = /^(smallint|integer|bigint|oid|uuid|date|numeric.*|timestamp.*)$/;

/** The pieces in which a table is verified; one null stands for all of it, where its order cannot be trusted to be the same on both sides. */
export async function verifyRanges(client: pg.Client, side: SideName, table: Table): Promise<readonly (ChunkRange | null)[]> {
  const leading = table.columns[table.key?.[0] ?? -1];
  if (table.partitioned || leading === undefined || !SAME_ORDER.test(leading.type)) return [null];
  const ranges = planChunks(table, table.leaves, await readLeafSamples(client, side, table, table.leaves), VERIFY_BYTES);
  return ranges.length === 1 ? [null] : ranges;
}
