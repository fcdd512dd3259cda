/**
 * The load of a table without a key (REPLICA IDENTITY FULL): its rows are a multiset, two equal rows cannot be told apart, so chunks
 * with different snapshots could not be merged. One snapshot reads the whole table straight into the target; afterwards the stream skips
 * what that snapshot contains (research, section 7). The snapshot lives as long as the copy: `plan` says so and refuses large ones.
 */
import type { Table } from "../../model/table.ts";
import { passLog } from "../pass-log.ts";
import type { EnginePorts, TableProgress } from "../ports.ts";
import { WHOLE } from "../table-loading.ts";
import type { VisibleFloor } from "../visible-floor.ts";
import { advanceTable, type TableCursor } from "./advance-table.ts";

/** Loads the table, or goes on after a crash. Returns its progress, state `loaded`. */
export async function loadWhole(
  table: Table,
  ports: EnginePorts,
  { known, floor, signal }: { readonly known: TableProgress | null; readonly floor: VisibleFloor; readonly signal: AbortSignal },
): Promise<TableProgress> {
  const { target } = ports;
  const cursor: TableCursor = {
    table,
    position: known?.cursor ?? null,
    recorded: known !== null,
    pending: new Map(),
    filter: null,
  };
  if (known === null) await copyWhole(cursor, ports, floor, signal);
  else if (known.filter !== null)
    cursor.filter = {
      view: ports.source.restoreView(known.filter.view),
      until: known.filter.until,
    };
  if (cursor.filter !== null) {
    await passLog(ports, cursor.filter.until, signal);
    await advanceTable(ports, cursor, cursor.filter.until, signal);
  }
  const progress: TableProgress = {
    cursor: cursor.position ?? ports.log.start(),
    state: "loaded",
    filter: null,
  };
  await target.transaction("load", (transaction) => transaction.setTableProgress(table.id, progress));
  return progress;
}

async function copyWhole(cursor: TableCursor, ports: EnginePorts, visibleFloor: VisibleFloor, signal: AbortSignal): Promise<void> {
  const { source, target, store, observer, crashPoint } = ports;
  const { table } = cursor;
  const [chunk] = store.planChunks(table.id, [WHOLE]);
  if (chunk === undefined) throw new Error(`load: no chunk planned for ${table.id}`);
  await store.kept();
  const floor = await visibleFloor.current(signal);
  observer.chunkStarted(table.id, chunk.id);
  const copied = await source.readWhole(
    table,
    (read) =>
      target.transaction("load", async (transaction) => {
        let bytes = 0;
        const rows = await transaction.loadWhole(
          table,
          counted(read.copyText, (length) => (bytes += length)),
        );
        const filter = { view: read.view.text, until: read.hi };
        // A read of hours must not fail for a stream that was opened again; its own session tells whether the source crashed (`passRead`).
        await passLog(ports, read.hi, signal);
        await read.stillThere();
        await transaction.setTableProgress(table.id, {
          cursor: floor,
          state: "loading",
          filter,
        });
        await transaction.setChunkMerged(table.id, chunk.id);
        crashPoint("before-whole-commit");
        return { rows, bytes, view: read.view, until: read.hi };
      }),
    signal,
  );
  cursor.position = floor;
  cursor.recorded = true;
  cursor.filter = { view: copied.view, until: copied.until };
  store.chunkMerged(chunk.id, copied.rows, copied.bytes);
  observer.chunkMerged(table.id, chunk.id, copied.rows, copied.bytes);
}

async function* counted(stream: AsyncIterable<Uint8Array>, count: (bytes: number) => void): AsyncIterable<Uint8Array> {
  for await (const piece of stream) {
    count(piece.length);
    yield piece;
  }
}
