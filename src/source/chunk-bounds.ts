import type pg from "pg";
import type { SideName } from "../model/side.ts";
import type { Table, TableLeaf } from "../model/table.ts";
import { toByteText } from "../model/value.ts";
import { asPghaulError, sqlState } from "../postgres/wrap-error.ts";
import { type KeyColumn, readKeyOrder } from "./chunk/key-order.ts";
import { selectExtremes, selectKnownValues } from "./queries/bounds-queries.ts";

/** What is known of the leading key column's values in one leaf; enough to plan its first ranges. */
export interface LeafSample {
  /** Values in the order of the key's index, as byte strings; empty when nothing is known. */
  readonly values: readonly string[];
  /** Only for integer keys of which no values are known. */
  readonly extremes: { readonly min: bigint; readonly max: bigint } | null;
}

const UNDEFINED_TABLE = "42P01";

const INTEGERS = new Set(['"pg_catalog"."int2"', '"pg_catalog"."int4"', '"pg_catalog"."int8"']);

/**
 * One sample a leaf, in the order of `leaves`. Reads statistics and at most both ends of an index, never a table's rows. Empty for a
 * table without a key. Throws what the side answers.
 */
export async function readLeafSamples(
  client: pg.Client,
  side: SideName,
  table: Table,
  leaves: readonly TableLeaf[],
): Promise<readonly LeafSample[]> {
  if (table.key === null) return [];
  try {
    const [leading] = await readKeyOrder(client, table);
    const column = table.columns[table.key[0] as number]?.name;
    if (leading === undefined || column === undefined) return leaves.map(() => ({ values: [], extremes: null }));
    const samples: LeafSample[] = [];
    for (const leaf of leaves) samples.push(await sampleLeaf(client, leaf, column, leading).catch(nothingWhenGone));
    return samples;
  } catch (error) {
    throw asPghaulError(error, side, { table: table.id });
  }
}

/** A partition that was dropped or renamed since it was planned: its read will tell (`copyRange`). */
function nothingWhenGone(error: unknown): LeafSample {
  if (sqlState(error) !== UNDEFINED_TABLE) throw error;
  return { values: [], extremes: null };
}

async function sampleLeaf(client: pg.Client, { schema, name }: TableLeaf, column: string, order: KeyColumn): Promise<LeafSample> {
  const leafColumn = { schema, name, column, order };
  const values = (await selectKnownValues(client, leafColumn)).map(toByteText);
  const extremes = values.length === 0 && INTEGERS.has(order.type) ? await selectExtremes(client, leafColumn) : null;
  return { values, extremes };
}
