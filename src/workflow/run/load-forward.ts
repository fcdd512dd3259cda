import type { ChunkRange } from "../../engine/ports.ts";
import { type Table, type TableLeaf, tableId } from "../../model/table.ts";
import type { ProgressBus } from "../../observe/events.ts";
import { planChunks } from "../../plan/plan-chunks.ts";
import { MilestoneStore } from "../../state/milestone-store.ts";
import { TableStore } from "../../state/table-store.ts";
import { heldError } from "../held-tables.ts";
import { markersName } from "../names.ts";
import type { Migration } from "../open-migration.ts";
import type { PreparedRun } from "../prepare/prepare-run.ts";
import { onlyDestination } from "../stream/downstream.ts";
import type { LoadSettings } from "../stream/run-engine.ts";
import { governLoad } from "./govern-load.ts";
import { chunkBytesOf, loadRanges } from "./plan-ranges.ts";

/** What the forward load needs: order, ranges, budgets, and what follows a table and the whole. */
export function loadForward(
  migration: Migration,
  prepared: PreparedRun,
  bus: ProgressBus,
  allJoined: LoadSettings["allJoined"],
): LoadSettings {
  const { throttle } = migration.config;
  const { name: destination } = onlyDestination(migration.target);
  return {
    order: prepared.tables.toSorted((a, b) => bytesOf(b) - bytesOf(a)),
    ranges: (table, leaves) => rangesOf(migration, table, leaves),
    budget: (table) => ({ millis: throttle.chunkSeconds * 1000, bytes: chunkBytesOf(migration.config, table) }),
    readers: throttle.workers,
    openGate: governLoad(migration, prepared.tail.slot, bus),
    indexTable: (table) => prepared.schema.tableLoaded(table),
    allJoined: async (stream, signal) => {
      const milestones = new MilestoneStore(migration.state);
      // A foreign key from or to a table that is held could not be validated; they come once it has been loaded anew.
      const isFinished = async (): Promise<boolean> => milestones.has("load-finished") && (await prepared.schema.isFinished());
      if (heldError(migration.state) === null && !(await isFinished())) {
        const { finishing } = prepared.schema;
        if (finishing !== null) bus.emit({ kind: "phase", phase: "indexing", detail: finishing });
        // The applier holds row locks on several tables; ALTER TABLE beside it would deadlock.
        await stream.atBoundary(() => prepared.schema.finish());
        const store = new TableStore(migration.state);
        const ours = tableId({ schema: "pghaul", name: markersName(migration.name) });
        for (const { id } of prepared.tables) if (id !== ours) store.reached(id, "live", destination);
        milestones.reach("load-finished");
      }
      await allJoined(stream, signal);
    },
  };
}

async function rangesOf(migration: Migration, table: Table, leaves: readonly TableLeaf[]): Promise<readonly ChunkRange[]> {
  const chunkBytes = chunkBytesOf(migration.config, table);
  // A range a leaf, whatever its statistics say: for hundreds of small tables a session each would be most of the load.
  if (leaves.every(({ bytes }) => bytes <= chunkBytes)) return planChunks(table, leaves, [], chunkBytes);
  return migration.session("source", `plan ${table.id}`, (client) => loadRanges(client, table, leaves, chunkBytes));
}

function bytesOf(table: Table): number {
  return table.leaves.reduce((bytes, leaf) => bytes + Math.max(0, leaf.bytes), 0);
}
