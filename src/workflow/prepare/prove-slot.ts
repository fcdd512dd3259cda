/**
 * A new slot is proved before anything depends on it (the load, the first write at the target).
 *
 * A slot that is made while transactions rewrite tables (TRUNCATE under writers) may fail to decode what follows, at once or later, with
 * "could not map filenode ... to relation OID" (seen on 14.22, about once in ten under our writers): the server does not know of what those
 * transactions changed in the catalog before it began to look. So the slot is first moved until decoding begins behind the place where it
 * was made, from a snapshot of the catalog that holds all of that; what is passed over so is waited for like what came before the slot.
 * Then the server decodes from there once, into nothing. Where that fails all the same, it costs another slot and not the migration.
 */

import { PghaulError } from "../../errors/pghaul-error.ts";
import { type StreamName, sideCode, upstreamOf } from "../../model/side.ts";
import type { Table } from "../../model/table.ts";
import type { ProgressBus } from "../../observe/events.ts";
import { emitMessage, insertLsn } from "../../side/postgres/wal.ts";
import { openReplicationStream } from "../../source/replication-stream.ts";
import { dropSlot, logRunningTransactions, moveSlot } from "../../source/slot.ts";
import { type TailRecord, TailStore } from "../../state/tail-store.ts";
import { publicationName } from "../names.ts";
import type { Migration } from "../open-migration.ts";
import { systemClock } from "../system-clock.ts";
import { prepareSlot, whileOldReaderEnds } from "./prepare-slot.ts";

const SLOTS_TRIED = 5;
const NUDGE_MILLIS = 100;
const MOVES = 10;
const MOVE_MILLIS = 100;

export interface SlotRequest {
  readonly stream: StreamName;
  /** The slot was proved in an earlier life, and is only checked. */
  readonly proved: boolean;
  readonly tables: readonly Table[];
  readonly bus: ProgressBus;
  /** Returns when no transaction is left that may have written before the slot was made. */
  readonly barrier: () => Promise<void>;
  readonly signal: AbortSignal;
}

/** The stream's publication and slot, proved; the slot is made anew where it cannot be decoded. Throws what `prepareSlot` throws. */
export async function provedSlot(migration: Migration, { stream, proved, tables, bus, barrier, signal }: SlotRequest): Promise<TailRecord> {
  for (let tried = 1; ; tried += 1) {
    let tail = await prepareSlot(migration, stream, tables, bus);
    if (proved) return tail;
    await barrier();
    try {
      tail = await moveOn(migration, stream, tail, signal);
      await barrier();
      await decodeOnce(migration, stream, tail, signal);
      return tail;
    } catch (error) {
      if (!(error instanceof PghaulError) || error.code !== sideCode(upstreamOf(stream), "QUERY") || tried === SLOTS_TRIED) throw error;
      bus.emit({
        kind: "warning",
        code: "SLOT_MADE_ANEW",
        message: `the new slot cannot be decoded (${error.message}); nothing depends on it yet, so pghaul creates another`,
      });
      await giveUp(migration, stream, tail, bus);
    }
  }
}

/**
 * Decoding can begin later only where the server has written down what runs, twice, with none of the first list left: it is made to. A
 * transaction that stays open keeps the slot where it is; then the proof has to do alone.
 */
async function moveOn(migration: Migration, stream: StreamName, made: TailRecord, signal: AbortSignal): Promise<TailRecord> {
  const tails = new TailStore(migration.state);
  let tail = made;
  for (let moves = 1; moves <= MOVES; moves += 1) {
    await logRunningTransactions(
      await migration.connect(upstreamOf(stream), "prove slot"),
      { side: upstreamOf(stream), name: probeName(made.slot) },
      signal,
    );
    const hasLeft = await migration.session(upstreamOf(stream), "prove slot", async (client) => {
      const lsn = await insertLsn(client);
      // Before the slot moves: a slot behind its record is read from the record on; one ahead of it would be another's.
      tails.remove(stream);
      tail = tails.create(stream, { name: made.slot, startLsn: lsn, xidReference: made.xidReference });
      return moveSlot(client, { side: upstreamOf(stream), name: made.slot }, { made: made.startLsn, lsn });
    });
    if (hasLeft) return tail;
    await systemClock.sleep(MOVE_MILLIS, signal);
  }
  return tail;
}

async function decodeOnce(migration: Migration, stream: StreamName, { slot, startLsn }: TailRecord, signal: AbortSignal): Promise<void> {
  const goal = await migration.session(upstreamOf(stream), "prove slot", async (client) => {
    await emitMessage(client);
    return insertLsn(client);
  });
  const session = await migration.connect(upstreamOf(stream), "prove slot", { replication: true, signal });
  const decoded = await openReplicationStream(session, {
    side: upstreamOf(stream),
    slot,
    publications: [publicationName(migration.name)],
    from: startLsn,
    signal,
  });
  try {
    // Nothing is acknowledged, so the slot stays where it is and the tail reads the same again.
    for (;;) {
      const { walEnd } = await decoded.next(NUDGE_MILLIS);
      if (walEnd !== null && walEnd >= goal) return;
      decoded.nudge();
    }
  } finally {
    await decoded.close();
  }
}

/** Slot names have 63 characters at most. */
function probeName(slot: string): string {
  return `${slot.slice(0, 57)}_probe`;
}

async function giveUp(migration: Migration, stream: StreamName, { slot }: TailRecord, bus: ProgressBus): Promise<void> {
  await whileOldReaderEnds(
    () => migration.session(upstreamOf(stream), "drop slot", (client) => dropSlot(client, { side: upstreamOf(stream), name: slot })),
    bus,
  );
  new TailStore(migration.state).remove(stream);
}
