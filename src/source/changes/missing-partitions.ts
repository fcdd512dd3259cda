import type pg from "pg";
import type { PartitionFact } from "../../conditions/table-facts.ts";
import { type Table, tableId } from "../../model/table.ts";
import { qualifiedName } from "../../postgres/quote.ts";
import { askOf } from "../../side/postgres/catalog/ask.ts";
import { readPartitions } from "../../side/postgres/facts/partitions.ts";

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
  const ids = new Map(tables.map((table) => [nameOf(table), table.id]));
  const there = new Set((await readPartitions(askOf(target), tables)).map(nameOf));
  return (await readPartitions(askOf(source), tables))
    .filter((row) => !there.has(nameOf(row)))
    .map((row) => ({
      root: ids.get(row.root) ?? row.root,
      name: tableId(row),
      bound: row.bound,
      sql: createPartitionSql(row),
    }));
}

/** A partition that both sides have by name, and that takes other rows at the one than at the other. */
export interface UnlikePartition {
  readonly name: string;
  /** Bound and parent, of each side. */
  readonly here: string;
  readonly there: string;
  /** What gives it the bound that it has here, in two steps: it may be in the way of another until that has left. */
  readonly detach: string;
  readonly attach: string;
}

/** The partitions of these tables that have another bound or parent at `there` than they have at `here`. */
export async function unlikePartitions(here: pg.Client, there: pg.Client, tables: readonly Table[]): Promise<readonly UnlikePartition[]> {
  const others = new Map((await readPartitions(askOf(there), tables)).map((row) => [nameOf(row), row]));
  return (await readPartitions(askOf(here), tables)).flatMap((row): UnlikePartition[] => {
    const name = nameOf(row);
    const other = others.get(name);
    // Parted by another key, the table is meant to be another there.
    if (other === undefined || other.parent_key !== row.parent_key || placeOf(other) === placeOf(row)) return [];
    const [detach, attach] = [
      `alter table ${parentOf(other)} detach partition ${name}`,
      `alter table ${parentOf(row)} attach partition ${name} ${row.bound}`,
    ];
    return [{ name: tableId(row), here: placeOf(row), there: placeOf(other), detach, attach }];
  });
}

function nameOf({ schema, name }: { readonly schema: string; readonly name: string }): string {
  return qualifiedName(schema, name);
}

function parentOf({ parent_schema, parent }: PartitionFact): string {
  return qualifiedName(parent_schema, parent);
}

function placeOf(row: PartitionFact): string {
  return `${row.bound} of ${parentOf(row)}`;
}

function createPartitionSql(row: PartitionFact): string {
  return `create table ${nameOf(row)} partition of ${parentOf(row)} ${row.bound}${row.key === null ? "" : ` partition by ${row.key}`}`;
}
