import type { ChunkBudget, ChunkRange, ChunkRead, SourceReader } from "../../src/engine/ports.ts";
import { keyText, type Table } from "../../src/model/table.ts";
import type { Row } from "../../src/model/value.ts";
import { parseCopyLine } from "../../src/postgres/copy-text.ts";

export const NEVER = new AbortController().signal;
export const LARGE: ChunkBudget = { millis: 60_000, bytes: 1e9 };

/** Every key that the chunks of a range bring, reading on after each cut. */
export async function readAll(
  reader: Pick<SourceReader, "readChunk">,
  table: Table,
  budget: ChunkBudget,
): Promise<{ keys: string[]; reads: ChunkRead[] }> {
  const reads: ChunkRead[] = [];
  for (const { id: leaf } of table.leaves) {
    let range: ChunkRange | null = { leaf, from: null, to: null };
    while (range !== null) {
      const read: ChunkRead = await reader.readChunk(table, range, budget, NEVER);
      reads.push(read);
      range = read.cutAfter === null ? null : { ...range, from: { values: read.cutAfter, inclusive: false } };
    }
  }
  return { keys: reads.flatMap((read) => rowsOf(read).map((row) => keyText((table.key ?? []).map((index) => row[index] ?? null)))), reads };
}

export function rowsOf({ rows }: Pick<ChunkRead, "rows">): Row[] {
  return Buffer.concat([...rows.copyText()])
    .toString("latin1")
    .split("\n")
    .slice(0, -1)
    .map(parseCopyLine);
}

/** All of a table's first leaf. */
export function firstLeaf(table: Table): ChunkRange {
  return { leaf: table.leaves[0]?.id ?? "", from: null, to: null };
}
