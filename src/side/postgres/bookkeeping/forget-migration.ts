import type pg from "pg";
import type { SideName } from "../../../model/side.ts";
import type { Queryable } from "../../../postgres/queryable.ts";
import { dropOrigins } from "./replication-origin.ts";

export interface Forgotten {
  readonly side: SideName;
  readonly migration: string;
  /** As in `PostgresTargetOptions`. */
  readonly originPrefix: string;
  readonly signal: AbortSignal;
}

/**
 * Removes what the migration left in a database beside its rows: progress and replication origins. The schema `pghaul` stays, other
 * migrations may use it. Only once the way back is closed: a reverse stream knows our commits by their origins.
 */
export async function forgetMigration(client: pg.Client, { side, migration, originPrefix, signal }: Forgotten): Promise<void> {
  for (const table of ["pending", "merged_chunk", "table_progress", "progress", "lane", "restored"])
    await deleteRows(client, table, migration);
  await dropOrigins(client, originPrefix, { side, signal });
}

async function deleteRows(db: Queryable, table: string, migration: string): Promise<void> {
  await db.query(`delete from pghaul.${table} where migration = $1`, [migration]);
}
