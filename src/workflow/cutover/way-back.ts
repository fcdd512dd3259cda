/**
 * The way back: a stream out of the target, made before the target takes its first write and kept until the operator gives it up. From
 * then on both streams run at the same time, each leaving out what we wrote (docs/adr/0004).
 */
import { PghaulError } from "../../errors/pghaul-error.ts";
import type { Table } from "../../model/table.ts";
import type { ProgressBus } from "../../observe/events.ts";
import { markerTable } from "../../side/postgres/bookkeeping/marker-table.ts";
import { createProgressSchema } from "../../side/postgres/bookkeeping/progress-schema.ts";
import { MilestoneStore } from "../../state/milestone-store.ts";
import { TableStore } from "../../state/table-store.ts";
import { crashPoints } from "../crash-point.ts";
import { markersName } from "../names.ts";
import type { Migration } from "../open-migration.ts";
import { provedSlot } from "../prepare/prove-slot.ts";
import { takeOverWayBack } from "./way-back-sessions.ts";

/**
 * Makes publication and slot at the target, and tells the source's side of the stream where it begins. Looks first at each step, so it may
 * be killed and run again at any point; the streaming process starts the stream once the milestone `way-back-ready` is there.
 *
 * Throws CUTOVER_DEADLINE while an earlier maker's sessions do not end, STREAM_NOT_RUNNING while tables are still loading, what `provedSlot` throws, SOURCE_PRIVILEGE.
 */
export async function prepareWayBack(opened: Migration, bus: ProgressBus): Promise<void> {
  const milestones = new MilestoneStore(opened.state);
  if (milestones.has("way-back-ready")) return;
  const migration = { ...opened, ...(await takeOverWayBack(opened)) };
  const crashPoint = crashPoints(process.env.PGHAUL_CRASH_AT);
  const { wayBack } = migration.target;
  if (wayBack === null) throw new Error("way back: the target has none");
  const source = await migration.connect("source", "prepare way back");
  try {
    await createProgressSchema(source, "source");
    const tables = [...joinedTables(migration), await markerTable(source, markersName(migration.name))];
    crashPoint("way-back-before-slot");
    const tail = await provedSlot(migration, {
      stream: "reverse",
      proved: await wayBack.hasBegun(),
      tables,
      bus,
      // Nobody but us writes at the target before the switch, and what we write the way back leaves out.
      barrier: async () => undefined,
      signal: new AbortController().signal,
    });
    crashPoint("way-back-after-slot");
    await wayBack.begin(tables, tail.startLsn);
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
  throw new PghaulError("STREAM_NOT_RUNNING", `the way back needs every table in the stream; tables still loading: ${loading.length}`, {
    suggestion: "pghaul status",
  });
}
