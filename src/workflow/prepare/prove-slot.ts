/**
 * A new slot is proved before anything depends on it (the load, the first write at the target): the server decodes from its start past the barrier once, into nothing.
 *
 * A slot that is made while transactions rewrite tables (TRUNCATE under writers) may fail to decode them for ever, with "could not map
 * filenode ... to relation OID" (seen on 14.22, about once in ten under our writers). Met while streaming, that ends a migration; met here, it
 * costs another slot.
 */
import { PghaulError } from "../../errors/pghaul-error.ts";
import type { Table } from "../../model/table.ts";
import type { ProgressBus } from "../../observe/events.ts";
import { openReplicationStream } from "../../source/replication-stream.ts";
import { dropSlot, logRunningTransactions } from "../../source/slot.ts";
import { type TailRecord, TailStore } from "../../state/tail-store.ts";
import { ORIGIN_OF, publicationName, type StreamName } from "../names.ts";
import type { Migration } from "../open-migration.ts";
import { insertLsn, prepareSlot, whileOldReaderEnds } from "./prepare-slot.ts";

const SLOTS_TRIED = 5;
const NUDGE_MILLIS = 100;

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
    const tail = await prepareSlot(migration, stream, tables, bus);
    if (proved) return tail;
    await barrier();
    try {
      await decodeOnce(migration, stream, tail, signal);
      return tail;
    } catch (error) {
      if (!(error instanceof PghaulError) || error.code !== "SOURCE_QUERY" || tried === SLOTS_TRIED) throw error;
      bus.emit({
        kind: "warning",
        code: "SLOT_MADE_ANEW",
        message: `the new slot cannot be decoded (${error.message}); nothing depends on it yet, making another`,
      });
      await giveUp(migration, stream, tail, bus);
    }
  }
}

async function decodeOnce(migration: Migration, stream: StreamName, { slot, startLsn }: TailRecord, signal: AbortSignal): Promise<void> {
  // Which transactions changed a table's file before the slot could see it, the server knows once it has read this: without it, a table that
  // nobody writes to until later would fail then.
  await logRunningTransactions(await migration.connect(ORIGIN_OF[stream], "prove slot"), probeName(slot), signal);
  const goal = await migration.session(ORIGIN_OF[stream], "prove slot", async (client) => {
    const { rows } = await client.query<{ lsn: string }>("select pg_logical_emit_message(true, 'pghaul', '')::text as lsn");
    return rows.length === 1 ? insertLsn(client) : startLsn;
  });
  const session = await migration.connect(ORIGIN_OF[stream], "prove slot", { replication: true, signal });
  const decoded = await openReplicationStream(session, { slot, publications: [publicationName(migration.name)], from: startLsn, signal });
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
  await whileOldReaderEnds(() => migration.session(ORIGIN_OF[stream], "drop slot", (client) => dropSlot(client, slot)), bus);
  new TailStore(migration.state).remove(stream);
}
