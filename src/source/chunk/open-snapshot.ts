import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";
import type { ReadView } from "../../engine/ports.ts";
import { type Lsn, parseLsn } from "../../model/lsn.ts";
import type { SideName } from "../../model/side.ts";
import { isVisible, parseSnapshot } from "../../model/snapshot.ts";
import { LOCK_NOT_AVAILABLE, lockRefused } from "../../postgres/lock-refused.ts";
import { sqlState } from "../../postgres/wrap-error.ts";
import { beginSnapshot, endSnapshot, type SnapshotRequest } from "../queries/read-queries.ts";

const LOCK_ATTEMPTS = 30;
const LOCK_PAUSE_MS = 500;

/** A read transaction whose snapshot is taken and whose table is locked. */
export interface OpenSnapshot {
  readonly view: ReadView;
  readonly hi: Lsn;
  /** The backend's process id, as a cancel needs it; behind a pooler the driver knows another one. */
  readonly pid: string;
  /** What the request's `check` yielded. */
  readonly checked: string | null;
}

/**
 * Begins a read transaction: lock, then snapshot and `hi`. The lock is asked for again and again for about a minute, each time briefly,
 * because a queue of everybody else forms behind an ACCESS EXCLUSIVE that waits for us. Throws *_QUERY when it is never had.
 */
export async function openSnapshot(
  client: pg.Client,
  request: SnapshotRequest & { readonly side: SideName },
  signal: AbortSignal,
): Promise<OpenSnapshot> {
  for (let attempt = 1; ; attempt++) {
    signal.throwIfAborted();
    try {
      const { snapshot, lsn, pid, checked } = await beginSnapshot(client, request);
      return { view: snapshotView(snapshot), hi: parseLsn(lsn), pid, checked };
    } catch (error) {
      if (sqlState(error) !== LOCK_NOT_AVAILABLE) throw error;
      await endSnapshot(client);
      if (attempt === LOCK_ATTEMPTS) throw await lockRefused(client, request.side, request.lock);
    }
    await sleep(LOCK_PAUSE_MS, undefined, { signal }).catch(() => signal.throwIfAborted());
  }
}

/** The view of a snapshot that a primary printed. Throws a RangeError on any other text. */
export function snapshotView(text: string): ReadView {
  const snapshot = parseSnapshot(text);
  return { text, contains: ({ xid }) => isVisible(snapshot, xid) };
}
