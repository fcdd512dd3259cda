/**
 * Rows from the directory of a file target into PostgreSQL, as they were at one position.
 *
 * Each table is put together from its files first (`TableImage`: the same merge of versions that a comparison reads), and what comes out is
 * inserted, partition by partition. Nothing is replayed at the target, so there is no moment at which it holds anything but rows of that
 * position, and nothing is ever pending. It costs disk: about twice the text of the largest table, in `scratch`.
 *
 * The position is on record at the target before a table's first row. A restore that was killed goes on with the table that it was at: rows
 * that are there are passed by, for at one position a key has one row.
 */
import type { TableProgress } from "../../../engine/ports.ts";
import { PghaulError } from "../../../errors/pghaul-error.ts";
import { formatLsn } from "../../../model/lsn.ts";
import type { Table } from "../../../model/table.ts";
import type { RestoredTable, RestoreRequest } from "../../restorable.ts";
import type { FileArchive } from "../archive/file-archive.ts";
import { TableImage } from "../image/table-image.ts";
import type { TableFiles } from "../storage/directory.ts";
import { PartitionRows } from "./partition-rows.ts";

/** As `Restorable.restore` is asked, of an archive's own tables. */
export interface FileRestore extends Omit<RestoreRequest, "tables"> {
  readonly archive: FileArchive;
  readonly tables: readonly TableFiles[];
}

/** Restores the tables one after another, or goes on. Throws CONFIG_CHANGED where a restore to another position was begun, TARGET_DRIFT. */
export async function restoreTables(request: FileRestore): Promise<readonly RestoredTable[]> {
  const { tables } = await request.target.progress();
  checkPosition(request, tables);
  const restored: RestoredTable[] = [];
  for (const files of request.tables) {
    request.signal.throwIfAborted();
    request.begun(files.table.id);
    restored.push(await restoreTable(request, files, tables.get(files.table.id)));
  }
  return restored;
}

function checkPosition({ position }: FileRestore, tables: ReadonlyMap<string, TableProgress>): void {
  for (const [table, { cursor }] of tables) {
    if (cursor === position) continue;
    throw new PghaulError("CONFIG_CHANGED", `a restore to ${formatLsn(cursor)} was started here, not to ${formatLsn(position)}`, {
      context: { table },
      suggestion: `Add --at ${formatLsn(cursor)}, or start over in an empty database.`,
    });
  }
}

async function restoreTable(request: FileRestore, files: TableFiles, known: TableProgress | undefined): Promise<RestoredTable> {
  const { archive, position, scratch, signal, target, crashPoint } = request;
  const image = await TableImage.make({ archive, files, position, scratch, signal });
  try {
    if (known === undefined) await note(request, files.table, "loading");
    crashPoint("restore-begun");
    if (known?.state !== "loaded") {
      if (files.table.key === null) {
        await target.transaction("load", async (transaction) => {
          await transaction.loadWhole(files.table, allRows(image));
          await transaction.setTableProgress(files.table.id, { cursor: position, state: "loaded", filter: null });
        });
      } else {
        await insertPartitions(request, image);
        await note(request, files.table, "loaded");
      }
    }
    crashPoint("restore-loaded");
    return await checked(request, image);
  } finally {
    await image.close();
  }
}

async function insertPartitions({ target, signal, crashPoint }: FileRestore, image: TableImage): Promise<void> {
  for (let partition = 0; partition < image.partitions; partition += 1) {
    for await (const { rows, text } of image.copyText(partition)) {
      signal.throwIfAborted();
      await target.transaction("load", (transaction) => transaction.insertAbsent(image.table, new PartitionRows(text, rows), []));
    }
    crashPoint("restore-partition-inserted");
  }
}

async function* allRows(image: TableImage): AsyncGenerator<Uint8Array> {
  for (let partition = 0; partition < image.partitions; partition += 1) {
    for await (const { text } of image.copyText(partition)) yield text;
  }
}

function note({ target, position }: FileRestore, table: Table, state: "loading" | "loaded"): Promise<void> {
  return target.transaction("load", (transaction) => transaction.setTableProgress(table.id, { cursor: position, state, filter: null }));
}

/** What the target holds is what the files tell, or this throws: somebody else has written there. */
async function checked({ digest, restored, position }: FileRestore, image: TableImage): Promise<RestoredTable> {
  const { id } = image.table;
  const [ours, theirs] = [image.digest(), await digest(image.table)];
  if (ours.rows !== theirs.rows || ours.sum !== theirs.sum)
    throw new PghaulError(
      "TARGET_DRIFT",
      `${id} has ${theirs.rows} rows at the target and ${ours.rows} in the files, and their contents differ`,
      {
        context: { table: id, lsn: formatLsn(position) },
        suggestion: "Restore into a database that nobody else writes to, and whose tables are empty.",
      },
    );
  const table = { table: id, rows: ours.rows, digest: ours };
  restored(table);
  return table;
}
