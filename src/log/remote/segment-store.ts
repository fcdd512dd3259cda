import type { Lsn } from "../../model/lsn.ts";
import type { DurablePoint } from "../durable-point.ts";

/**
 * A place that keeps the segments of a stream: the directory of this machine, and a bucket where one is configured. The log is durable at the
 * minimum over its stores: only that is put on record and acknowledged.
 *
 * Promises. What `durable()` said stays true whatever dies, up to what the store stands for: the process and the power here, the machine there.
 * It never goes back. The bytes of a segment up to a durable place never change, so two stores hold the same file.
 */
export interface SegmentStore {
  durable(): Pick<DurablePoint, "lsn">;
}

/** Durable bytes of one segment. */
export interface DurableFile {
  readonly path: string;
  readonly firstLsn: Lsn;
  /** Bytes from its front; null for the whole file, which is sealed. */
  readonly length: number | null;
}
