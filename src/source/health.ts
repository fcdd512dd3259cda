import type pg from "pg";
import { asPghaulError } from "../postgres/wrap-error.ts";
import { askOf } from "../side/postgres/catalog/ask.ts";
import { readTransactions } from "../side/postgres/facts/transactions.ts";
import { selectOldestHorizon, selectWalPosition } from "./queries/health-queries.ts";
import { readSlot } from "./slot.ts";

/** Of each kind. */
const MOST = 10;

/** The source's own condition at one moment. Names are for a person to read. */
export interface SourceHealth {
  /** Null when there is no such slot. */
  readonly slot: SlotHealth | null;
  /** Who holds back vacuum most, and by how many transactions. */
  readonly oldestXmin: { readonly age: number; readonly who: string } | null;
  readonly longTransactions: readonly OpenTransaction[];
  readonly preparedTransactions: readonly OpenTransaction[];
}

export interface SlotHealth {
  /** WAL written that was not acknowledged yet. */
  readonly lagBytes: bigint | null;
  /** WAL that the source keeps for the slot. */
  readonly retainedBytes: bigint | null;
  /** Bytes until the slot may be lost; null without max_slot_wal_keep_size. */
  readonly safeWalSize: bigint | null;
  readonly walStatus: string | null;
  readonly active: boolean;
}

export interface OpenTransaction {
  readonly who: string;
  readonly seconds: number;
}

/**
 * Reads the health of the source with a handful of short statements. A transaction open for `longSeconds` counts as long. Without
 * pg_monitor some sessions are nameless. Throws SOURCE_*.
 */
export async function readHealth(client: pg.Client, slot: string, longSeconds = 300): Promise<SourceHealth> {
  try {
    const open = await readTransactions(askOf(client), longSeconds * 1_000);
    const horizon = await selectOldestHorizon(client);
    return {
      slot: await slotHealth(client, slot),
      oldestXmin: horizon === null ? null : { age: Number(horizon.age), who: horizon.who },
      longTransactions: open.filter(({ prepared }) => !prepared).slice(0, MOST),
      preparedTransactions: open.filter(({ prepared }) => prepared).slice(0, MOST),
    };
  } catch (error) {
    throw asPghaulError(error, "source", { step: "health" });
  }
}

async function slotHealth(client: pg.Client, name: string): Promise<SlotHealth | null> {
  const slot = await readSlot(client, name);
  if (slot === null) return null;
  const position = await selectWalPosition(client);
  return {
    lagBytes: slot.confirmedFlushLsn === null ? null : position - slot.confirmedFlushLsn,
    retainedBytes: slot.retainedBytes,
    safeWalSize: slot.safeWalSize,
    walStatus: slot.walStatus,
    active: slot.activePid !== null,
  };
}
