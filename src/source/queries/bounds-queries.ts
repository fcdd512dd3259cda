import type { Queryable } from "../../postgres/queryable.ts";
import { qualifiedName } from "../../postgres/quote.ts";
import type { KeyColumn } from "../chunk/key-order.ts";

export interface LeafColumn {
  readonly schema: string;
  readonly name: string;
  /** The key's leading column: its bare name, and how its index orders it. */
  readonly column: string;
  readonly order: KeyColumn;
}

/**
 * What ANALYZE knows of a column's values, in the order of the key's index: the histogram's bounds, or, where a column has so few values
 * that there is no histogram, the most common of them. pg_stats shows a row to whom the column may be read by.
 */
export async function selectKnownValues(db: Queryable, { schema, name, column, order }: LeafColumn): Promise<readonly string[]> {
  const { rows } = await db.query<{ value: string }>(
    `
    select v.value
      from pg_catalog.pg_stats s
     cross join lateral unnest(coalesce(s.histogram_bounds, s.most_common_vals)::text::text[]) as v(value)
     where s.schemaname = $1 and s.tablename = $2 and s.attname = $3 and not s.inherited
     order by v.value::${order.type}${order.collate} using ${order.operators.lt}`,
    [schema, name, column],
  );
  return rows.map(({ value }) => value);
}

/** Smallest and largest value, each a look at one end of the index. Null for an empty leaf. */
export async function selectExtremes(
  db: Queryable,
  { schema, name, order }: LeafColumn,
): Promise<{ readonly min: bigint; readonly max: bigint } | null> {
  const { rows } = await db.query<{ min: string | null; max: string | null }>(
    `select min(t.${order.name})::text as min, max(t.${order.name})::text as max from only ${qualifiedName(schema, name)} as t`,
  );
  const { min = null, max = null } = rows[0] ?? {};
  return min === null || max === null ? null : { min: BigInt(min), max: BigInt(max) };
}
