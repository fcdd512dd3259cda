/** The moved tables and their partitions at one side, with the fences on them. */

import { PghaulError } from "../../../errors/pghaul-error.ts";
import type { SideName } from "../../../model/side.ts";
import { tableId } from "../../../model/table.ts";
import type { Queryable } from "../../../postgres/queryable.ts";
import type { FencedRelation, RelationRow } from "./fence-queries.ts";
import { relationsSql } from "./fence-queries.ts";

export type TableName = FencedRelation;

export interface SideRelation extends FencedRelation {
  readonly oid: string;
  /** A closed fence of ours is on it. */
  readonly fenced: boolean;
  /** One that nobody has altered: no event, row or function is other than we made it. */
  readonly intact: boolean;
  /** Triggers that refuse. */
  readonly closing: readonly string[];
  /** Triggers of earlier fences, which let everybody pass; those of them that are not disabled cost a call a statement. */
  readonly passing: readonly string[];
  readonly enabledPassing: readonly string[];
}

/** The moved tables, and the token of the migration's fences: those of others on the same tables are not ours to open. */
export interface Fenced {
  readonly tables: readonly TableName[];
  readonly token: string;
}

/** What is there of the moved tables: to open a fence, one that has been dropped must be no obstacle. */
export async function readRelations(db: Queryable, fenced: Fenced): Promise<readonly SideRelation[]> {
  return (await readRows(db, fenced)).relations;
}

/** The same, all of them. Throws REALITY_DIFFERS when a moved table is not there: a fence with a hole is none. */
export async function readAllRelations(db: Queryable, side: SideName, fenced: Fenced): Promise<readonly SideRelation[]> {
  const { relations, roots } = await readRows(db, fenced);
  const missing = fenced.tables.filter((_, index) => !roots.has(index + 1));
  if (missing.length === 0) return relations;
  throw new PghaulError("REALITY_DIFFERS", `${missing.length} of the moved tables do not exist at the ${side}`, {
    context: {
      table: missing.map(tableId).slice(0, 5).join(", "),
    },
  });
}

async function readRows(
  db: Queryable,
  { tables, token }: Fenced,
): Promise<{ readonly relations: readonly SideRelation[]; readonly roots: ReadonlySet<number> }> {
  const { rows } = await db.query(relationsSql(), [tables.map(({ schema }) => schema), tables.map(({ name }) => name), token]);
  const byOid = Map.groupBy(rows as RelationRow[], ({ oid }) => oid);
  const roots = new Set((rows as RelationRow[]).map(({ root }) => Number(root)));
  return { relations: [...byOid.values()].map((own) => toRelation(own as [RelationRow, ...RelationRow[]])), roots };
}

function toRelation(rows: readonly [RelationRow, ...RelationRow[]]): SideRelation {
  const [{ schema, name, oid }] = rows;
  const triggers = (states: readonly RelationRow["state"][]) =>
    rows.flatMap(({ trigger, state }) => (trigger !== null && states.includes(state) ? [trigger] : []));
  const closing = triggers(["closed"]);
  return {
    schema,
    name,
    oid,
    fenced: closing.length > 0,
    intact: rows.some(({ state, intact }) => state === "closed" && intact === "true"),
    closing,
    passing: triggers(["open", "disabled"]),
    enabledPassing: triggers(["open"]),
  };
}
