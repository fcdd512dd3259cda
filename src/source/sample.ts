/** Short measurements for the forecast: seconds, not minutes, and never a snapshot older than one read. */
import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";
import type { ChunkRows, SourceReader } from "../engine/ports.ts";
import type { Table } from "../model/table.ts";
import { asPghaulError } from "../postgres/wrap-error.ts";
import { selectWalPosition } from "./queries/health-queries.ts";

/** What one reader got out of a table. `bytes` are of COPY text. */
export interface ReadSample {
  readonly table: string;
  readonly rows: number;
  readonly bytes: number;
  readonly millis: number;
  /** The rows themselves, for whoever measures the other side with them. */
  readonly sample: ChunkRows;
}

const READ_BUDGET = { millis: 1_500, bytes: 64 * 1024 * 1024 };
const WAL_MILLIS = 2_000;

/**
 * Reads the beginning of the table's largest leaf exactly as a chunk is read, for 1.5 s or 64 MB. Null for a table without a key or rows:
 * there is nothing to measure. What is read may have been cold or cached; the forecast's range allows for it.
 */
export async function sampleRead(reader: Pick<SourceReader, "readChunk">, table: Table, signal: AbortSignal): Promise<ReadSample | null> {
  if (table.key === null || table.leaves.length === 0) return null;
  const { id: leaf } = table.leaves.reduce((largest, one) => (one.bytes > largest.bytes ? one : largest));
  const started = performance.now();
  const { rows } = await reader.readChunk(table, { leaf, from: null, to: null }, READ_BUDGET, signal);
  return rows.count === 0
    ? null
    : { table: table.id, rows: rows.count, bytes: rows.bytes, millis: performance.now() - started, sample: rows };
}

/** Bytes of WAL that the source writes in a second, over two of them. Throws SOURCE_*. */
export async function sampleWalRate(client: pg.Client, signal: AbortSignal): Promise<number> {
  try {
    const started = performance.now();
    const first = await selectWalPosition(client);
    await sleep(WAL_MILLIS, undefined, { signal });
    const last = await selectWalPosition(client);
    return Number(last - first) / ((performance.now() - started) / 1000);
  } catch (error) {
    signal.throwIfAborted();
    throw asPghaulError(error, "source", { step: "WAL rate" });
  }
}
