import { rename, rm } from "node:fs/promises";
import path from "node:path";
import type { DurablePoint } from "../../log/durable-point.ts";
import { restoreSegments } from "../../log/remote/restore-segments.ts";
import { nodeFiles } from "../../log/segment/log-files.ts";
import type { StreamName } from "../../model/side.ts";
import type { Bucket } from "../../s3/bucket.ts";
import type { Head } from "../../s3/head.ts";
import { applyNewerFacts, readCopy, writeCopy } from "../../state/mirror/state-mirror.ts";
import { openState } from "../../state/open-state.ts";
import { TailStore } from "../../state/tail-store.ts";
import { logDirectory } from "../stream/run-stream.ts";

export interface RestoredState {
  /** ISO 8601, when the copy of the state was made. */
  readonly at: string;
  readonly streams: readonly StreamName[];
}

const STREAMS = ["forward", "reverse"] as const;

/**
 * Fills a directory without a state from what the head names: the logs, then the state, which is put together beside its place and comes there
 * last. Whatever ends this half-way leaves a directory without a state. Throws BUCKET_DAMAGED, BUCKET_*, STATE_NEWER.
 */
export async function restoreState(bucket: Bucket, head: Head, directory: string): Promise<RestoredState> {
  const copy = await readCopy(bucket, head);
  const ends = new Map<StreamName, DurablePoint>();
  for (const stream of STREAMS) {
    const log = head.logs[stream];
    const dir = logDirectory(directory, stream);
    if (log !== undefined) ends.set(stream, await restoreSegments({ bucket, stream, head: log, dir }));
  }
  const beside = path.join(directory, "restore");
  await rm(beside, { recursive: true, force: true });
  await writeCopy(beside, copy);
  const state = await openState(beside);
  try {
    await applyNewerFacts(bucket, head, state);
    // The log's end is the truth, not what a copy from another moment says. Where nothing was uploaded, nothing was acknowledged either.
    const tails = new TailStore(state);
    for (const stream of STREAMS) {
      const tail = tails.get(stream);
      if (tail !== null) tails.restored(stream, ends.get(stream) ?? { lsn: tail.startLsn, xidReference: tail.xidReference });
    }
  } finally {
    // The last connection to close writes the WAL into the database.
    state.close();
  }
  for (const name of ["state.db-wal", "state.db-shm"]) await rm(path.join(directory, name), { force: true });
  await rename(path.join(beside, "state.db"), path.join(directory, "state.db"));
  await nodeFiles.syncDirectory(directory);
  await rm(beside, { recursive: true, force: true });
  return { at: head.state?.at ?? "", streams: [...ends.keys()] };
}
