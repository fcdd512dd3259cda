import { createHash } from "node:crypto";
import { postgresTeardown } from "../../side/postgres/bookkeeping/postgres-teardown.ts";
import type { PostgresServer } from "../../side/postgres/server.ts";
import { dropPublication } from "../../source/publication.ts";
import { dropSlot } from "../../source/slot.ts";
import { acquireLease } from "../../state/lease.ts";
import { MilestoneStore } from "../../state/milestone-store.ts";
import type { Teardown } from "../../target/kind.ts";
import { markersName, originPrefix, publicationName, slotName } from "../names.ts";
import type { Migration, Sides } from "../open-migration.ts";

/** What a teardown removes, as the operator reviews it. */
export interface TeardownPlan {
  readonly lines: readonly string[];
  readonly digest: string;
}

export function planTeardown(sides: Sides): TeardownPlan {
  const lines = [...partsOf(sides).flatMap((part) => part.lines), whatStays(sides)];
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
    for (const { run } of partsOf(migration)) await run(new AbortController().signal);
  } finally {
    lease.release();
  }
}

/** In this order: what is written at a side is forgotten only once nobody streams it. */
function partsOf({ name, source, target }: Sides): readonly Teardown[] {
  const ends = { migration: name, originPrefix: originPrefix(name), markers: markersName(name), receives: target.wayBack !== null };
  return [
    streamOutOf(source, name),
    postgresTeardown(source, ends),
    ...(target.wayBack === null ? [] : [streamOutOf(target.wayBack.upstream, name)]),
    target.teardown,
  ];
}

/** Slot and publication of the stream that is read out of a database. */
function streamOutOf(server: PostgresServer, migration: string): Teardown {
  const { side } = server;
  const slot = slotName(migration, side === "source" ? "forward" : "reverse");
  const publication = publicationName(migration);
  return {
    lines: [`${side}: drop replication slot ${slot}`, `${side}: drop publication ${publication}`],
    run: () =>
      server.session("teardown", async (client) => {
        await dropSlot(client, { side, name: slot });
        await dropPublication(client, publication);
      }),
  };
}

/** A stale database that takes writes again is how rows get lost after the move, so a teardown does not lift the fence. */
function whatStays({ target }: Sides): string {
  return target.switching === null
    ? "source: the schema pghaul stays; to remove it, once no other migration uses it: drop schema pghaul cascade"
    : "both: the schema pghaul stays, and so does the fence on the side that is not the primary; to remove it there: drop schema pghaul cascade";
}
