import type pg from "pg";
import type { SideName } from "../../../model/side.ts";
import type { Queryable } from "../../../postgres/queryable.ts";
import { quoteIdent } from "../../../postgres/quote.ts";
import { dropOrigins } from "./replication-origin.ts";

export interface Forgotten {
  readonly side: SideName;
  readonly migration: string;
  /** Its own table of markers, by name. */
  readonly markers: string;
  /** As in `PostgresTargetOptions`. */
  readonly originPrefix: string;
  readonly signal: AbortSignal;
}

/**
 * Removes what the migration left in a database beside its rows: progress, the claim to its tables, its markers and replication origins. The schema `pghaul` stays, other
 * migrations may use it. Only once the way back is closed: a reverse stream knows our commits by their origins.
 */
export async function forgetMigration(client: pg.Client, { side, migration, markers, originPrefix, signal }: Forgotten): Promise<void> {
  for (const table of ["pending", "merged_chunk", "table_progress", "progress", "lane", "restored", "claim"])
    await deleteRows(client, table, migration);
  await client.query(`drop table if exists pghaul.${quoteIdent(markers)}`);
  await dropOrigins(client, originPrefix, { side, signal });
}

async function deleteRows(db: Queryable, table: string, migration: string): Promise<void> {
  await db.query(`delete from pghaul.${table} where migration = $1`, [migration]);
}
