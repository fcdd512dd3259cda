import { createHash } from "node:crypto";
import type pg from "pg";
import { type StreamName, upstreamOf } from "../../model/side.ts";
import { dropOpenFences } from "../../side/postgres/bookkeeping/drop-open-fences.ts";
import { forgetMigration } from "../../side/postgres/bookkeeping/forget-migration.ts";
import { isPrepared } from "../../side/postgres/bookkeeping/progress-queries.ts";
import { dropPublication } from "../../source/publication.ts";
import { dropSlot } from "../../source/slot.ts";
import { acquireLease } from "../../state/lease.ts";
import { MilestoneStore } from "../../state/milestone-store.ts";
import { markersName, originPrefix, publicationName, slotName } from "../names.ts";
import type { Migration } from "../open-migration.ts";

/** What a teardown removes, as the operator reviews it. */
export interface TeardownPlan {
  readonly lines: readonly string[];
  readonly digest: string;
}

/** Of which something may be left: a target that is no PostgreSQL has nothing of ours but what was moved. */
function streamsOf({ target }: Migration): readonly StreamName[] {
  return target.server === null ? ["forward"] : ["forward", "reverse"];
}

export function planTeardown(migration: Migration): TeardownPlan {
  const drops = streamsOf(migration).flatMap((stream) => {
    const side = upstreamOf(stream);
    return [
      `${side}: drop replication slot ${slotName(migration.name, stream)}`,
      `${side}: drop publication ${publicationName(migration.name)}`,
      `${side}: delete the migration's progress, drop its replication origins ${originPrefix(migration.name)}*`,
      `${side}: drop the triggers of fences that are open`,
    ];
  });
  // A stale database that takes writes again is how rows get lost after the move, so lifting the fence is not for us to do by the way.
  const lines = [
    ...drops,
    "both: the schema pghaul stays, and so does the fence on the side that is not the primary; to remove it there: drop schema pghaul cascade",
  ];
  return { lines, digest: createHash("sha256").update(JSON.stringify(lines)).digest("hex").slice(0, 16) };
}

/**
 * Drops slots, publications and origins on both sides; what is not there is no error. The schema `pghaul` and the state stay, as the record.
 * The migration cannot be streamed any further: what happens at the source from now on is lost to it.
 */
export async function tearDown(migration: Migration): Promise<void> {
  const lease = await acquireLease(migration.config.state.dir, "stream", "cdc teardown");
  try {
    // First, so that a teardown that is killed half-way is never taken for a migration that can go on.
    new MilestoneStore(migration.state).reach("torn-down");
    for (const stream of streamsOf(migration))
      await migration.session(upstreamOf(stream), "teardown", (client) => tearDownSide(migration, stream, client));
  } finally {
    lease.release();
  }
}

async function tearDownSide(migration: Migration, stream: StreamName, client: pg.Client): Promise<void> {
  await dropSlot(client, { side: upstreamOf(stream), name: slotName(migration.name, stream) });
  await dropPublication(client, publicationName(migration.name));
  if (!(await isPrepared(client))) return;
  await dropOpenFences(client);
  await forgetMigration(client, {
    side: upstreamOf(stream),
    migration: migration.name,
    markers: markersName(migration.name),
    originPrefix: originPrefix(migration.name),
    signal: new AbortController().signal,
  });
}
