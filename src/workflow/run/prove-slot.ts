/**
 * A new slot is proved before anything is loaded: the server decodes from its start past the barrier once, into nothing.
 *
 * A slot that is made while transactions rewrite tables (TRUNCATE under writers) may fail to decode them for ever, with "could not map
 * filenode ... to relation OID" (seen on 14.22, about once in ten under our writers). Met while streaming, that ends a migration; met here, it
 * costs another slot.
 */
import { PghaulError } from "../../errors/pghaul-error.ts";
import type { Table } from "../../model/table.ts";
import type { ProgressBus } from "../../observe/events.ts";
import { openReplicationStream } from "../../source/replication-stream.ts";
import { dropSlot } from "../../source/slot.ts";
import { MilestoneStore } from "../../state/milestone-store.ts";
import { type TailRecord, TailStore } from "../../state/tail-store.ts";
import { publicationName } from "../names.ts";
import type { Migration } from "../open-migration.ts";
import { insertLsn, prepareSlot, whileOldReaderEnds } from "./prepare-slot.ts";

const SLOTS_TRIED = 5;
const NUDGE_MILLIS = 100;

export interface SlotRequest {
  readonly tables: readonly Table[];
  readonly bus: ProgressBus;
  /** Returns when no transaction is left that may have written before the slot was made. */
  readonly barrier: () => Promise<void>;
  readonly signal: AbortSignal;
}

/** The forward slot, proved; made anew where it cannot be decoded. A slot that was proved in an earlier life is only checked. */
export async function provedSlot(migration: Migration, { tables, bus, barrier, signal }: SlotRequest): Promise<TailRecord> {
  for (let tried = 1; ; tried += 1) {
    const tail = await prepareSlot(migration, "forward", tables, bus);
    if (new MilestoneStore(migration.state).has("barrier-passed")) return tail;
    await barrier();
    try {
      await decodeOnce(migration, tail, signal);
      return tail;
    } catch (error) {
      if (!(error instanceof PghaulError) || error.code !== "SOURCE_QUERY" || tried === SLOTS_TRIED) throw error;
      bus.emit({
        kind: "warning",
        code: "SLOT_MADE_ANEW",
        message: `the new slot cannot be decoded (${error.message}); nothing is loaded yet, making another`,
      });
      await giveUp(migration, tail, bus);
    }
  }
}

async function decodeOnce(migration: Migration, { slot, startLsn }: TailRecord, signal: AbortSignal): Promise<void> {
  const goal = await migration.session("source", "prove slot", async (client) => {
    const { rows } = await client.query<{ lsn: string }>("select pg_logical_emit_message(true, 'pghaul', '')::text as lsn");
    return rows.length === 1 ? insertLsn(client) : startLsn;
  });
  const session = await migration.connect("source", "prove slot", { replication: true, signal });
  const stream = await openReplicationStream(session, { slot, publications: [publicationName(migration.name)], from: startLsn, signal });
  try {
    // Nothing is acknowledged, so the slot stays where it is and the tail reads the same again.
    for (;;) {
      const { walEnd } = await stream.next(NUDGE_MILLIS);
      if (walEnd !== null && walEnd >= goal) return;
      stream.nudge();
    }
  } finally {
    await stream.close();
  }
}

async function giveUp(migration: Migration, { slot }: TailRecord, bus: ProgressBus): Promise<void> {
  await whileOldReaderEnds(() => migration.session("source", "drop slot", (client) => dropSlot(client, slot)), bus);
  new TailStore(migration.state).remove("forward");
}
