/**
 * Opens a migration for a process that streams. Without a bucket that is all; with one, the leases are taken first, and an empty state directory is
 * filled from the bucket, so that a machine that was lost is replaced by the same command on another.
 */
import type { ConfigLocation } from "../../config/load-config.ts";
import type { ProgressBus } from "../../observe/events.ts";
import { openBucket } from "../../s3/open-bucket.ts";
import { RemoteLease } from "../../s3/remote-lease.ts";
import { acquireLease } from "../../state/lease.ts";
import { describeHolder, directoryId, hasState, makeStateDirectory } from "../../state/mirror/state-place.ts";
import { openState } from "../../state/open-state.ts";
import { type Migration, openSides, withMigration } from "../open-migration.ts";
import { systemClock } from "../system-clock.ts";
import { MigrationBucket } from "./migration-bucket.ts";
import { restoreState } from "./restore-state.ts";

export interface StreamingRequest {
  readonly location: ConfigLocation;
  /** As the operator typed it. */
  readonly command: string;
  readonly bus: ProgressBus;
  readonly signal: AbortSignal;
}

/** Throws STATE_LOCKED naming who holds the directory or the bucket, STATE_STALE, BUCKET_*, and what opening throws. */
export async function withStreaming<T>(request: StreamingRequest, work: (migration: Migration) => Promise<T>): Promise<T> {
  const { location, command, bus, signal } = request;
  const sides = openSides(location);
  const { dir, bucket: settings } = sides.config.state;
  if (settings === null) return await withMigration(location, work);
  makeStateDirectory(dir);
  const local = await acquireLease(dir, "stream", command);
  const waiting = (why: string): void => bus.emit({ kind: "waiting", why });
  const bucket = await openBucket(settings, sides.name);
  let held: MigrationBucket | null = null;
  try {
    const isBegun = await hasState(dir);
    const lease = await RemoteLease.take(bucket, {
      migration: sides.name,
      holder: describeHolder(command),
      directory: directoryId(dir),
      hasState: isBegun,
      waiting,
      sleep: (millis) => systemClock.sleep(millis, signal),
    });
    if (!isBegun && lease.head.state !== null) {
      waiting(`the state directory is empty: going on from ${bucket.url}`);
      await restoreState(bucket, lease.head, dir);
    }
    const state = await openState(dir);
    try {
      held = new MigrationBucket({ bucket, lease, local, state, waiting, signal });
      // What an earlier process has decided and not sent is in it.
      await held.copyState();
      return await work({ ...sides, state, bucket: held, close: () => undefined });
    } finally {
      await held?.close();
      state.close();
    }
  } finally {
    local.release();
    bucket.close();
  }
}
