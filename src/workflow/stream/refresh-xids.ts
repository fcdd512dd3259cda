/**
 * The stream names transactions by the low 32 bits of their xid, which are widened by the newest xid known (pgoutput/widen-xid.ts). A
 * publication whose tables rest says nothing while the rest of the server gives out xids, past 2^31 of them in a few busy days; so the
 * server is asked for its newest xid from time to time.
 */
import type pg from "pg";
import type { Clock } from "../../engine/ports.ts";
import type { LocalLog } from "../../log/local-log.ts";
import { newestXid } from "../../side/postgres/wal.ts";

/** Even at 100,000 transactions a second, far beyond what a server does, 2^31 xids last six hours. */
const PERIOD_MILLIS = 15 * 60_000;

export interface XidRefresh {
  readonly log: Pick<LocalLog, "refreshXidReference">;
  /** Opens a session of the server that the stream reads. */
  readonly connect: (signal: AbortSignal) => Promise<pg.Client>;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** Runs until `signal` aborts, then resolves. A server that does not answer is asked again: whether that stops anything is the tail's to say. */
export async function refreshXids({ log, connect, clock, signal }: XidRefresh): Promise<void> {
  while (!signal.aborted) {
    await refreshOnce(log, () => connect(signal)).catch(() => undefined);
    await clock.sleep(PERIOD_MILLIS, signal).catch(() => undefined);
  }
}

async function refreshOnce(log: XidRefresh["log"], connect: () => Promise<pg.Client>): Promise<void> {
  const client = await connect();
  try {
    const { xid, at } = await newestXid(client);
    log.refreshXidReference(xid, at);
  } finally {
    await client.end();
  }
}
