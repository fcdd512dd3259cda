import type pg from "pg";
import { type Table, tableId } from "../../model/table.ts";
import { qualifiedName } from "../../postgres/quote.ts";
import { type PartitionRow, selectPartitions } from "../queries/change-queries.ts";

/** A partition that one side has and the other has not. */
export interface MissingPartition {
  /** Id of its table. */
  readonly root: string;
  readonly name: string;
  /** `FOR VALUES ...` or `DEFAULT`. */
  readonly bound: string;
  /** The statement that makes it, without its semicolon. */
  readonly sql: string;
}

/** The partitions of these tables that `source` has and `target` lacks by name, parents first. A table that the target lacks altogether is left out. */
export async function missingPartitions(
  source: pg.Client,
  target: pg.Client,
  tables: readonly Table[],
): Promise<readonly MissingPartition[]> {
  const ids = new Map(tables.map(({ id, schema, name }) => [qualifiedName(schema, name), id]));
  const roots = [...ids.keys()];
  const there = new Set((await selectPartitions(target, await existing(target, roots))).map(nameOf));
  const here = await selectPartitions(source, await existing(source, roots));
  return here
    .filter((row) => !there.has(nameOf(row)))
    .map((row) => ({
      root: ids.get(row.root) ?? row.root,
      name: tableId(row),
      bound: row.bound,
      sql: createPartitionSql(row),
    }));
}

async function existing(client: pg.Client, roots: readonly string[]): Promise<readonly string[]> {
  const { rows } = await client.query<{ name: string }>(
    "select r.name from unnest($1::text[]) as r(name) where to_regclass(r.name) is not null",
    [roots],
  );
  return rows.map(({ name }) => name);
}

function nameOf({ schema, name }: PartitionRow): string {
  return qualifiedName(schema, name);
}

function createPartitionSql(row: PartitionRow): string {
  const parent = qualifiedName(row.parent_schema, row.parent);
  return `create table ${nameOf(row)} partition of ${parent} ${row.bound}${row.key === null ? "" : ` partition by ${row.key}`}`;
}
