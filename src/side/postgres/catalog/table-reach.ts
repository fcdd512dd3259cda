import type { Table } from "../../../model/table.ts";
import { qualifiedName } from "../../../postgres/quote.ts";
import type { Ask } from "./ask.ts";
import { leafByLeaf, PARTITION_TREE, type QualifiedName, type ReachAndOthers, throughRoot } from "./partition-tree.ts";

interface LeafRow extends QualifiedName {
  readonly kind: string;
  readonly persistence: string;
}

/**
 * How all rows of a moved table are reached at a side by its name, and no others: a root also leads to the leaves that are left out, of
 * which one may be a table of another server. The table must be there.
 */
export async function readReach(ask: Ask, side: "source" | "target", table: Table): Promise<ReachAndOthers> {
  const relation = await selectRelation(ask, table);
  const leaves = await ask<LeafRow>(
    `${PARTITION_TREE}
    select n.nspname::text as schema, c.relname::text as name, c.relkind::text as kind, c.relpersistence::text as persistence
      from tree
      join pg_catalog.pg_class c on c.oid = tree.oid and c.relkind in ('r', 'f')
      join pg_catalog.pg_namespace n on n.oid = c.relnamespace
     where tree.links is not null
     order by c.oid`,
    [[relation?.oid ?? null]],
  );
  const left = new Set((table.leftOut ?? []).map(({ schema, name }) => qualifiedName(schema, name)));
  const isOurs = ({ schema, name, kind, persistence }: LeafRow): boolean =>
    kind !== "f" && !(side === "source" && persistence === "u") && !left.has(qualifiedName(schema, name));
  if (leaves.every(isOurs)) return { ...throughRoot(table, relation?.kind === "p"), others: [] };
  const columns = [...table.columns, ...(table.computed ?? [])].map(({ name }) => name);
  const others = leaves.filter((leaf) => !isOurs(leaf)).map(({ schema, name }) => qualifiedName(schema, name));
  return { ...leafByLeaf(table, leaves.filter(isOurs), columns), others };
}

/** Whether it is partitioned says each side for itself: an ordinary table of the source may be a partitioned one at the target. */
async function selectRelation(ask: Ask, { schema, name }: Table): Promise<{ readonly oid: string; readonly kind: string } | undefined> {
  const [found] = await ask<{ oid: string; kind: string }>(
    "select oid::text, relkind::text as kind from pg_catalog.pg_class where oid = pg_catalog.to_regclass($1)",
    [qualifiedName(schema, name)],
  );
  return found;
}
