/**
 * The way back: a stream out of the target, made before the target takes its first write and kept until the operator gives it up. From
 * then on both streams run at the same time, each leaving out what we wrote (docs/adr/0004).
 */
import type pg from "pg";
import { PghaulError } from "../../errors/pghaul-error.ts";
import { formatLsn } from "../../model/lsn.ts";
import type { Table } from "../../model/table.ts";
import type { ProgressBus } from "../../observe/events.ts";
import { MilestoneStore } from "../../state/milestone-store.ts";
import { TableStore } from "../../state/table-store.ts";
import type { TailRecord } from "../../state/tail-store.ts";
import { type StreamId, selectProgress, upsertPosition, upsertTableProgress } from "../../target/postgres/progress/progress-queries.ts";
import { createProgressSchema } from "../../target/postgres/progress/progress-schema.ts";
import { crashPoints } from "../crash-point.ts";
import type { Migration } from "../open-migration.ts";
import { markerTable } from "../prepare/marker-table.ts";
import { provedSlot } from "../prepare/prove-slot.ts";

/**
 * Makes publication and slot at the target, and tells the source's side of the stream where it begins. Looks first at each step, so it may
 * be killed and run again at any point; the streaming process starts the stream once the milestone `way-back-ready` is there.
 *
 * Throws STREAM_NOT_RUNNING while tables are still loading, what `provedSlot` throws, SOURCE_PRIVILEGE.
 */
export async function prepareWayBack(migration: Migration, bus: ProgressBus): Promise<void> {
  const milestones = new MilestoneStore(migration.state);
  if (milestones.has("way-back-ready")) return;
  const crashPoint = crashPoints(process.env.PGHAUL_CRASH_AT);
  const id: StreamId = { migration: migration.name, stream: "reverse" };
  const source = await migration.connect("source", "prepare way back");
  try {
    await createProgressSchema(source, "source");
    const tables = [...joinedTables(migration), await markerTable(source)];
    crashPoint("way-back-before-slot");
    const tail = await provedSlot(migration, {
      stream: "reverse",
      proved: (await selectProgress(source, id)).position !== null,
      tables,
      bus,
      // Nobody but us writes at the target before the switch, and what we write the way back leaves out.
      barrier: async () => undefined,
      signal: new AbortController().signal,
    });
    crashPoint("way-back-after-slot");
    await beginStream(source, id, { tables, tail });
  } finally {
    await source.end();
  }
  crashPoint("way-back-before-milestone");
  milestones.reach("way-back-ready");
}

function joinedTables(migration: Migration): readonly Table[] {
  const records = new TableStore(migration.state).all();
  const loading = records.filter(({ phase }) => phase !== "joined" && phase !== "live");
  if (records.length > 0 && loading.length === 0) return records.map(({ table }) => table);
  throw new PghaulError("STREAM_NOT_RUNNING", `the way back needs every table in the stream; ${loading.length} are still loading`, {
    suggestion: "pghaul status",
  });
}

/**
 * At the slot's first position both sides hold the same rows, so every table is part of the stream from there. Written once: the stream's
 * own progress, once there, is never reset.
 */
async function beginStream(
  client: pg.Client,
  id: StreamId,
  { tables, tail }: { readonly tables: readonly Table[]; readonly tail: TailRecord },
): Promise<void> {
  const start = formatLsn(tail.startLsn);
  await client.query("begin");
  try {
    await client.query("select pg_advisory_xact_lock(hashtext('pghaul'))");
    if ((await selectProgress(client, id)).position === null) {
      for (const table of tables) {
        await upsertTableProgress(client, id, {
          table_id: table.id,
          cursor: start,
          state: "joined",
          filter_view: null,
          filter_until: null,
          hold: null,
        });
      }
      await upsertPosition(client, id, start);
    }
    await client.query("commit");
  } catch (error) {
    await client.query("rollback").catch(() => undefined);
    throw error;
  }
}
