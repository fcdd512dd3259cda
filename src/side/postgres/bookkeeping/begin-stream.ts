import type pg from "pg";
import { formatLsn, type Lsn } from "../../../model/lsn.ts";
import type { Table } from "../../../model/table.ts";
import { type StreamId, selectProgress, upsertPosition, upsertTableProgress } from "./progress-queries.ts";

/**
 * At `start` both sides hold the same rows, so every table is part of the stream from there. Written once: the stream's own progress, once
 * there, is never reset. `client` must not be in a transaction.
 */
export async function beginStream(
  client: pg.Client,
  id: StreamId,
  { tables, start }: { readonly tables: readonly Table[]; readonly start: Lsn },
): Promise<void> {
  const position = formatLsn(start);
  await client.query("begin");
  try {
    await client.query("select pg_advisory_xact_lock(hashtext('pghaul'))");
    if ((await selectProgress(client, id)).position === null) {
      for (const table of tables) {
        await upsertTableProgress(client, id, {
          table_id: table.id,
          cursor: position,
          state: "joined",
          filter_view: null,
          filter_until: null,
          hold: null,
        });
      }
      await upsertPosition(client, id, position);
    }
    await client.query("commit");
  } catch (error) {
    await client.query("rollback").catch(() => undefined);
    throw error;
  }
}
