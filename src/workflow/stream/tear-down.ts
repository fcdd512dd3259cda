import { createHash } from "node:crypto";
import type pg from "pg";
import { type StreamName, upstreamOf } from "../../model/side.ts";
import { quoteIdent } from "../../postgres/quote.ts";
import { dropSlot } from "../../source/slot.ts";
import { acquireLease } from "../../state/lease.ts";
import { MilestoneStore } from "../../state/milestone-store.ts";
import { dropOpenFences } from "../../target/postgres/progress/drop-open-fences.ts";
import { forgetMigration } from "../../target/postgres/progress/forget-migration.ts";
import { originPrefix, publicationName, slotName } from "../names.ts";
import type { Migration } from "../open-migration.ts";

/** What a teardown removes, as the operator reviews it. */
export interface TeardownPlan {
  readonly lines: readonly string[];
  readonly digest: string;
}

const STREAMS: readonly StreamName[] = ["forward", "reverse"];

export function planTeardown(migration: Migration): TeardownPlan {
  const drops = STREAMS.flatMap((stream) => {
    const side = upstreamOf(stream);
    return [
      `${side}: drop replication slot ${slotName(migration.name, stream)}`,
      `${side}: drop publication ${publicationName(migration.name)}`,
      `${side}: forget the migration's progress, drop its replication origins ${originPrefix(migration.name)}*`,
      `${side}: drop the triggers of fences that are open`,
    ];
  });
  // A stale database that takes writes again is how rows get lost after the move, so lifting the fence is not for us to do by the way.
  const lines = [
    ...drops,
    "both: the schema pghaul stays, and with it the fence that still refuses writes at a side that is not the primary; to lift it there: drop schema pghaul cascade",
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
    for (const stream of STREAMS)
      await migration.session(upstreamOf(stream), "teardown", (client) => tearDownSide(migration, stream, client));
  } finally {
    lease.release();
  }
}

async function tearDownSide(migration: Migration, stream: StreamName, client: pg.Client): Promise<void> {
  await dropSlot(client, { side: upstreamOf(stream), name: slotName(migration.name, stream) });
  await client.query(`drop publication if exists ${quoteIdent(publicationName(migration.name))}`);
  const { rows } = await client.query("select 1 where to_regclass('pghaul.meta') is not null");
  if (rows.length === 0) return;
  await dropOpenFences(client);
  await forgetMigration(client, {
    side: upstreamOf(stream),
    migration: migration.name,
    originPrefix: originPrefix(migration.name),
    signal: new AbortController().signal,
  });
}
