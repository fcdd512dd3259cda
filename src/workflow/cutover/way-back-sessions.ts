/**
 * The sessions by which the way back is made. A slot may wait for minutes and a publication for its locks, also when the process that asked for
 * them has died: so they all hold one place at their server, which the next maker takes, and what was still under way has ended before it looks.
 */

import type { SideName } from "../../model/side.ts";
import { withSession } from "../../side/postgres/server.ts";
import { clearPlace, type Place, sharePlace } from "../../side/postgres/switch/take-place.ts";
import type { Migration } from "../open-migration.ts";
import { systemClock } from "../system-clock.ts";
import { openLimited } from "../watch-session.ts";

/** An earlier maker's backend is gone within milliseconds; one that writes much WAL meanwhile, within seconds. */
const TAKE_OVER_MILLIS = 10_000;
/** A slot waits for transactions that were there before it, for up to ten minutes; to the server that is a wait for their locks. */
const MAKING_MILLIS = 11 * 60_000;

/** Ends what an earlier process still makes at both sides. The migration that is returned opens sessions that the next one could end. */
export async function takeOverWayBack(migration: Pick<Migration, "name" | "connect">): Promise<Pick<Migration, "connect" | "session">> {
  const placeAt = (side: SideName): Place => ({ side, name: `pghaul ${migration.name} way back` });
  for (const side of ["source", "target"] as const) await clear(migration, placeAt(side));
  const open: Migration["connect"] = async (side, purpose, options = {}) => {
    if (options.replication === true) return migration.connect(side, purpose, options);
    const client = await openLimited(migration, {
      side,
      purpose,
      answerMillis: MAKING_MILLIS,
      ...options,
      settings: { lock_timeout: "0", ...options.settings },
    });
    await sharePlace(client, placeAt(side));
    return client;
  };
  return {
    connect: open,
    session: async (side, purpose, work) => withSession(side, await open(side, purpose), work),
  };
}

async function clear(migration: Pick<Migration, "connect">, place: Place): Promise<void> {
  const client = await openLimited(migration, { side: place.side, purpose: "way back", answerMillis: TAKE_OVER_MILLIS });
  try {
    await clearPlace(client, place, { limitMillis: TAKE_OVER_MILLIS, now: () => systemClock.now() });
  } finally {
    await client.end().catch(() => undefined);
  }
}
