import type { SideName } from "../cutover/ports.ts";
import type { ChunkRange } from "../engine/ports.ts";
import type { Table } from "../model/table.ts";
import type { Migration } from "./open-migration.ts";

/** Pieces in which a table is verified; one null stands for all of it. */
export async function verifyRanges(_migration: Migration, _side: SideName, _table: Table): Promise<readonly (ChunkRange | null)[]> {
  return [null];
}
