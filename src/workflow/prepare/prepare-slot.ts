/** Publication, then slot, then its record: in that order, each step repeatable (research: a slot decodes with the catalog of its WAL position). */

import type pg from "pg";
import { PghaulError } from "../../errors/pghaul-error.ts";
import { type SideName, type StreamName, upstreamOf } from "../../model/side.ts";
import type { Table } from "../../model/table.ts";
import type { ProgressBus } from "../../observe/events.ts";
import { sqlState } from "../../postgres/wrap-error.ts";
import { newestXid } from "../../side/postgres/wal.ts";
import { ensurePublication } from "../../source/publication.ts";
import { checkSlot, createSlot, dropSlot, readSlot } from "../../source/slot.ts";
import { type Milestone, MilestoneStore } from "../../state/milestone-store.ts";
import { type TailRecord, TailStore } from "../../state/tail-store.ts";
import { publicationName, slotName } from "../names.ts";
import type { Migration } from "../open-migration.ts";
import { systemClock } from "../system-clock.ts";

/** How long slot creation may wait for older writers before the operator is asked. */
const SLOT_TIMEOUT_MILLIS = 10 * 60_000;

const OLD_READER_MILLIS = 60_000;
const OLD_READER_POLL_MILLIS = 200;

const INTENDED: Readonly<Record<StreamName, Milestone>> = { forward: "slot-intended", reverse: "way-back-intended" };

/**
 * Makes publication and slot of a stream, or checks that they are as this state left them. Returns the tail's record. Throws SLOT_LOST,
 * SLOT_FOREIGN, BARRIER_TIMEOUT.
 */
export async function prepareSlot(
  migration: Migration,
  stream: StreamName,
  tables: readonly Table[],
  bus: ProgressBus,
): Promise<TailRecord> {
  const side = upstreamOf(stream);
  await publish(migration, side, tables, bus);
  const client = await migration.connect(side, `prepare ${stream} slot`);
  const watch = await migration.connect(side, `watch ${stream} slot`);
  try {
    return await whileOldReaderEnds(() => ensureSlot(migration, stream, { client, watch, bus }), bus);
  } finally {
    await Promise.allSettled([client.end(), watch.end()]);
  }
}

/** Shorter than deadlock_timeout's second: in a deadlock with the application it must always be we who give way. */
const LOCK_TIMEOUT = "500ms";
const PUBLISH_MILLIS = 60_000;

/** CREATE PUBLICATION locks its tables in SHARE UPDATE EXCLUSIVE, which waits for TRUNCATE, VACUUM and DDL, and they for it. */
async function publish(migration: Migration, side: SideName, tables: readonly Table[], bus: ProgressBus): Promise<void> {
  const deadline = systemClock.now() + PUBLISH_MILLIS;
  const client = await migration.connect(side, "publication", { settings: { lock_timeout: LOCK_TIMEOUT } });
  try {
    for (;;) {
      try {
        await ensurePublication(client, { side, name: publicationName(migration.name) }, tables);
        return;
      } catch (error) {
        const state = sqlState(error);
        if ((state !== "55P03" && state !== "40P01") || systemClock.now() > deadline) throw error;
        bus.emit({ kind: "waiting", why: `the publication waits for a lock: ${(error as Error).message}` });
        await systemClock.sleep(OLD_READER_POLL_MILLIS, new AbortController().signal);
      }
    }
  } finally {
    await client.end();
  }
}

/**
 * After a kill -9 the server needs a moment to notice that nobody reads any more, and the slot stays "active" until it does. Longer than
 * that means that somebody else reads it: then the operator is asked.
 */
export async function whileOldReaderEnds<T>(work: () => Promise<T>, bus: ProgressBus): Promise<T> {
  const deadline = systemClock.now() + OLD_READER_MILLIS;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof PghaulError) || error.code !== "SLOT_ACTIVE" || systemClock.now() > deadline) throw error;
      bus.emit({ kind: "waiting", why: error.message });
      await systemClock.sleep(OLD_READER_POLL_MILLIS, new AbortController().signal);
    }
  }
}

interface SlotContext {
  readonly client: pg.Client;
  readonly watch: pg.Client;
  readonly bus: ProgressBus;
}

async function ensureSlot(migration: Migration, stream: StreamName, { client, watch, bus }: SlotContext): Promise<TailRecord> {
  const tails = new TailStore(migration.state);
  const milestones = new MilestoneStore(migration.state);
  const side = upstreamOf(stream);
  const name = slotName(migration.name, stream);
  const slot = await readSlot(client, name);
  const known = tails.get(stream);
  if (known !== null) {
    checkSlot(slot, { side, name }, { database: migration.server(side).spec.database, durable: known.durableLsn });
    return known;
  }
  if (slot !== null) {
    // Ours, made by a process that died before it could write it down: nothing was read from it yet.
    if (!milestones.has(INTENDED[stream])) throw foreign(name, side);
    await dropSlot(client, { side, name });
  }
  milestones.reach(INTENDED[stream]);
  const waiting = (who: string): void => bus.emit({ kind: "waiting", why: `the slot waits for older transactions to end: ${who}` });
  const startLsn = await createSlot(client, watch, { side, name, failover: false, timeoutMillis: SLOT_TIMEOUT_MILLIS, waiting });
  return tails.create(stream, { name, startLsn, xidReference: (await newestXid(client)).xid });
}

function foreign(name: string, side: SideName): PghaulError {
  return new PghaulError("SLOT_FOREIGN", `a replication slot ${name} already exists, and it does not belong to this state directory`, {
    context: { slot: name },
    side,
    suggestion: `select pg_drop_replication_slot('${name}');   -- if it is left over from a migration of the same name`,
  });
}
