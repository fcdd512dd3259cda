import { type Answer, fail, pass, warn } from "../../conditions/condition.ts";
import { named, statements } from "../../conditions/listing.ts";
import type { PartitionFact } from "../../conditions/table-facts.ts";
import type { SideName } from "../../model/side.ts";
import { type Table, tableId } from "../../model/table.ts";
import { qualifiedName } from "../../postgres/quote.ts";
import type { CheckContext } from "./check.ts";

/**
 * A row is put into a root, and the target's bounds say where it goes. Where a leaf there is not ours (a foreign table, one that is left out),
 * bounds other than the source's would lead rows of ours into it: to another server, or among rows that nobody compares.
 */
export async function partitionBounds({ source, target, catalog: { tables } }: CheckContext): Promise<Answer> {
  const roots = tables.filter(({ partitioned }) => partitioned);
  const there = await target.partitions(roots);
  const here = await source.partitions(roots);
  const strays = roots.flatMap((table) => {
    const root = qualifiedName(table.schema, table.name);
    const [ours, theirs] = [here, there].map((rows) => new Tree(rows.filter((row) => row.root === root)));
    return ours === undefined || theirs === undefined ? [] : straysOf(table, ours, theirs);
  });
  if (strays.length === 0) return pass("no row can end up in a partition that is not moved");
  const evidence = named(
    strays.map(({ leaf, takes }) => `${tableId(leaf)} (${leaf.bound}) ${takes ?? "has no counterpart at the source"}`),
  );
  const fix = statements(
    strays.map(({ leaf }) => `alter table ${qualifiedName(leaf.parent_schema, leaf.parent)} detach partition ${nameOf(leaf)}`),
    "at the target; or give both sides the same bounds",
  );
  if (strays.some(({ takes }) => takes !== null))
    return fail(`partitions at the target that are not moved and would take rows: ${evidence}`, fix);
  return warn(`partitions at the target that are not moved and could take rows: ${evidence}`, fix);
}

/** A leaf of the target that is not ours. */
interface Stray {
  readonly leaf: PartitionFact;
  /** Of which rows it is certain that they would go there; null where the source has no like of it, and bounds that may overlap. */
  readonly takes: string | null;
}

class Tree {
  readonly rows: readonly PartitionFact[];
  readonly #byName: ReadonlyMap<string, PartitionFact>;
  readonly #byPath: ReadonlyMap<string, PartitionFact>;

  constructor(rows: readonly PartitionFact[]) {
    this.rows = rows;
    this.#byName = new Map(rows.map((row) => [nameOf(row), row]));
    this.#byPath = new Map(rows.map((row) => [this.path(row), row]));
  }

  /** Keys and bounds of the way down to it. */
  path(row: PartitionFact): string {
    return `${this.above(row)} / ${row.parent_key} ${row.bound}`;
  }

  /** The same of its parent. */
  above(row: PartitionFact): string {
    const parent = this.parent(row);
    return parent === undefined ? "" : this.path(parent);
  }

  at(path: string): PartitionFact | undefined {
    return this.#byPath.get(path);
  }

  parent(row: PartitionFact): PartitionFact | undefined {
    return this.#byName.get(qualifiedName(row.parent_schema, row.parent));
  }

  /** The row itself, and what it is part of below the root. */
  wayUp(row: PartitionFact): readonly PartitionFact[] {
    const parent = this.parent(row);
    return parent === undefined ? [row] : [row, ...this.wayUp(parent)];
  }
}

function straysOf(table: Table, source: Tree, target: Tree): readonly Stray[] {
  const left = new Set((table.leftOut ?? []).map(nameOf));
  const isOurs = (side: SideName, row: PartitionFact): boolean =>
    row.kind !== "f" && !(side === "source" && row.persistence === "u") && !left.has(nameOf(row));
  /** Whether the source may have rows of ours in it. */
  const has = (row: PartitionFact): boolean => row.kind === "p" || isOurs("source", row);
  const theirs = target.rows.filter((row) => row.kind !== "p" && !isOurs("target", row));
  return theirs.flatMap((leaf): Stray[] => {
    const like = source.at(target.path(leaf));
    if (like !== undefined && has(like)) {
      return [{ leaf, takes: `has the bounds of ${tableId(like)} of the source` }];
    }
    const defaults = target.wayUp(leaf).filter(({ bound }) => bound === "DEFAULT");
    // A default takes what no other partition of its parent takes.
    const lacking = defaults.flatMap((row) =>
      source.rows.filter((one) => has(one) && source.above(one) === target.above(row) && target.at(source.path(one)) === undefined),
    );
    if (lacking.length > 0) return [{ leaf, takes: `takes the rows of ${named(lacking.map(tableId))}, which the target lacks` }];
    return like === undefined && defaults.length === 0 ? [{ leaf, takes: null }] : [];
  });
}

function nameOf({ schema, name }: { readonly schema: string; readonly name: string }): string {
  return qualifiedName(schema, name);
}
