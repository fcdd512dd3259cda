/**
 * Partition trees without pg_partition_tree(), which locks every partition: whoever holds one (TRUNCATE, ALTER TABLE) must not keep us
 * waiting. A partition that is being detached (14 and later) is none any more.
 */
import { qualifiedName, quoteIdent } from "../../../postgres/quote.ts";

/** Read through jsonb, for 13 has no such column. */
const ATTACHED = "to_jsonb(i) ->> 'inhdetachpending' is distinct from 'true'";

/**
 * `with recursive tree as (root, oid, links, level)`: the relations `$1::oid[]` and all partitions below them. `links` names the
 * transactions that made each link of the way down, the topmost first; null for the root itself.
 */
export const PARTITION_TREE = `
    with recursive tree as (
      select r.root, r.root as oid, null::text as links, 0 as level from unnest($1::oid[]) as r(root)
       union all
      select tree.root, i.inhrelid, concat_ws('.', tree.links, i.xmin::text), tree.level + 1
        from tree
        join pg_catalog.pg_inherits i on i.inhparent = tree.oid
        join pg_catalog.pg_class c on c.oid = i.inhrelid and c.relispartition
       where ${ATTACHED})`;

/**
 * `TableLeaf.id` of row `tree`: the oid, and for a partition the links that make it one. A partition that was detached and attached again
 * has another, for its rows may have changed unseen meanwhile.
 */
export const LEAF_ID = "concat_ws('@', tree.oid::text, tree.links)";

/**
 * A subquery that yields `TableLeaf.id` of the relations that meet the condition on `c` (pg_class) and `n` (pg_namespace), as parts of the
 * relation `root`: no row where they are no part of it.
 */
export function leafIdsSql(root: number, condition: string): string {
  return `(
    with recursive up as (
      select c.oid, c.oid as top, null::text as links from pg_catalog.pg_class c
        join pg_catalog.pg_namespace n on n.oid = c.relnamespace where ${condition}
       union all
      select up.oid, i.inhparent, concat_ws('.', i.xmin::text, up.links)
        from up
        join pg_catalog.pg_class c on c.oid = up.top and c.relispartition
        join pg_catalog.pg_inherits i on i.inhrelid = up.top
       where ${ATTACHED})
    select concat_ws('@', up.oid::text, up.links) from up where up.top = ${root})`;
}

/** A subquery that yields one text of all leaves below the relation `root`: equal texts, equal trees. */
export function treeTextSql(root: number): string {
  const tree = PARTITION_TREE.replace("$1::oid[]", `array[${root}]::oid[]`);
  return `(${tree} select string_agg(${LEAF_ID} || c.relkind::text || c.relpersistence::text, ' ' order by tree.oid)
             from tree join pg_catalog.pg_class c on c.oid = tree.oid and c.relkind in ('r', 'f'))`;
}

export interface QualifiedName {
  readonly schema: string;
  readonly name: string;
}

/**
 * What FROM and LOCK take for all rows of a table that are ours, and for no others: the leaves one by one, for a root leads to every leaf,
 * also to those that are left out (a foreign table is another server's; LOCK and SELECT would go there).
 */
export function leafByLeaf(root: QualifiedName, leaves: readonly QualifiedName[], columns: readonly string[]): TableReach {
  const each = [root, ...leaves].map(({ schema, name }) => `only ${qualifiedName(schema, name)}`);
  const list = columns.map(quoteIdent).join(", ");
  return {
    holders: each.slice(1),
    lock: each.join(", "),
    from: `(${each.map((one) => `select ${list} from ${one}`).join(" union all ")})`,
  };
}

/** A partitioned table through its root, any other without the tables that inherit from it. */
export function throughRoot({ schema, name }: QualifiedName, partitioned: boolean): TableReach {
  const relation = `${partitioned ? "" : "only "}${qualifiedName(schema, name)}`;
  return { holders: [relation], lock: relation, from: relation };
}

export interface TableReach {
  /** What TRUNCATE and DELETE take, one by one; none where every leaf is left out. */
  readonly holders: readonly string[];
  readonly lock: string;
  /** An item of FROM; give it an alias. */
  readonly from: string;
}

/** The same with the leaves below the root that are not ours, quoted. */
export interface ReachAndOthers extends TableReach {
  readonly others: readonly string[];
}
