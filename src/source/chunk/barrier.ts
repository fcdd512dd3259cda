import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";
import { parseSnapshot } from "../../model/snapshot.ts";
import { assignXid, selectOlderWriters, selectSnapshot } from "../queries/read-queries.ts";

const POLL_MS = 100;
/** A list of names that changes ten times a second cannot be read. */
const TELL_EVERY_MS = 2_000;

/**
 * Waits until every transaction that had written when it was called has ended. Of those, the slot may have missed a commit record, and
 * a publication that was changed under them shows them in part (research, scenarios B and C); every version loses data without it.
 */
export async function waitForOlderWriters(client: pg.Client, waiting: (who: string) => void, signal: AbortSignal): Promise<void> {
  const barrier = await assignXid(client);
  let toldAt = Number.NEGATIVE_INFINITY;
  while (parseSnapshot(await selectSnapshot(client)).xmin < barrier) {
    signal.throwIfAborted();
    if (performance.now() - toldAt >= TELL_EVERY_MS) {
      toldAt = performance.now();
      const writers = await selectOlderWriters(client, barrier);
      if (writers.length > 0) waiting(writers.map(({ who, seconds }) => `${who}, for ${seconds} s`).join("; "));
    }
    await sleep(POLL_MS, undefined, { signal }).catch(() => signal.throwIfAborted());
  }
}
