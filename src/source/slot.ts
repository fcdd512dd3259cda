/** The replication slot: made, looked at, dropped. Sessions are ordinary ones, not walsenders. */

import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";
import { PghaulError } from "../errors/pghaul-error.ts";
import { formatLsn, type Lsn, parseLsn } from "../model/lsn.ts";
import { type SideName, sideCode } from "../model/side.ts";
import type { Queryable } from "../postgres/queryable.ts";
import { asPghaulError, sqlState } from "../postgres/wrap-error.ts";
import { askOf } from "../side/postgres/catalog/ask.ts";
import { readServer } from "../side/postgres/facts/server-facts.ts";
import { readSlotRow, type SlotRow } from "../side/postgres/facts/slot.ts";
import { readTransactions } from "../side/postgres/facts/transactions.ts";
import { callAdvanceSlot, callCreateSlot, callDropSlot, callProbeSlot } from "./queries/slot-queries.ts";
import { asStreamError } from "./stream-errors.ts";

/** What `pg_replication_slots` says of a slot. */
export interface SlotInfo {
  readonly name: string;
  readonly plugin: string | null;
  readonly database: string | null;
  /** The walsender that reads it. */
  readonly activePid: number | null;
  readonly restartLsn: Lsn | null;
  readonly confirmedFlushLsn: Lsn | null;
  /** `reserved`, `extended`, `unreserved`, or `lost`: the WAL it needs is gone. */
  readonly walStatus: string | null;
  /** Bytes that may still be written before the slot is in danger of being lost; null without max_slot_wal_keep_size. */
  readonly safeWalSize: bigint | null;
  /** WAL that the server keeps for this slot. */
  readonly retainedBytes: bigint | null;
  /** Why it is invalid (17 and later; before, only that it is). */
  readonly invalidationReason: string | null;
}

/** A slot and the side that holds it; errors bear its name. */
export interface SlotAt {
  readonly side: SideName;
  readonly name: string;
}

export interface CreateSlotOptions {
  readonly side: SideName;
  readonly name: string;
  /** Synchronised to standbys, so that it survives a failover (17 and later; ignored before). */
  readonly failover: boolean;
  /** How long to wait for older writing transactions. */
  readonly timeoutMillis: number;
  /** Hears every two seconds who is waited for. */
  readonly waiting: (who: string) => void;
}

const MOST_NAMED = 10;

const WATCH_MILLIS = 2_000;

/** The slot, or null when there is none of this name. */
export async function readSlot(db: Queryable, name: string): Promise<SlotInfo | null> {
  const row = await readSlotRow(askOf(db), name);
  return row === null ? null : toSlotInfo(row);
}

/**
 * Makes a logical slot for pgoutput and returns its consistent point: every transaction that commits from there on is streamed. The server
 * waits for all transactions that have written so far; `watch` is a second session, to see which.
 *
 * Throws BARRIER_TIMEOUT naming them, SLOT_FOREIGN when the name is taken, SOURCE_WAL_LEVEL, SOURCE_PRIVILEGE, SOURCE_QUERY.
 */
export async function createSlot(client: pg.Client, watch: Queryable, options: CreateSlotOptions): Promise<Lsn> {
  const { version } = await readServer(askOf(client));
  const timer = setInterval(() => void tellWaiting(watch, options), WATCH_MILLIS);
  try {
    return parseLsn(await callCreateSlot(client, { ...options, version }));
  } catch (error) {
    throw await asCreateError(error, watch, options);
  } finally {
    clearInterval(timer);
  }
}

/** The record is written before the server begins to wait for transactions that are under way; there is no need to wait with it. */
const PROBE_MILLIS = 1_000;
/** A server with work to do writes one every 15 seconds (source: LOG_SNAPSHOT_INTERVAL_MS). */
const PERIOD_MILLIS = 16_000;

/**
 * Has the server write down which transactions run: decoding that has read it knows every transaction before it for what it is. Made by
 * asking for a temporary slot `name`, for that needs no more rights than we have; where no slot is left, by waiting for the server's own.
 * Ends the session. Throws SOURCE_*.
 */
export async function logRunningTransactions(client: pg.Client, { side, name }: SlotAt, signal: AbortSignal): Promise<void> {
  try {
    await callProbeSlot(client, name, PROBE_MILLIS);
  } catch (error) {
    const state = sqlState(error);
    if (state === "53400") await sleep(PERIOD_MILLIS, undefined, { signal });
    else if (state !== "57014") throw asStreamError(error, { side, slot: name, publications: [] });
  } finally {
    await client.end();
  }
}

/**
 * Moves a slot that nobody reads to `lsn`; what lies before it is not sent. Returns true once decoding no longer begins where the slot was
 * made (`made`, its consistent point), but at a place of its own choice behind it. Throws SLOT_LOST, SLOT_ACTIVE, SOURCE_*.
 */
export async function moveSlot(
  db: Queryable,
  { side, name }: SlotAt,
  { made, lsn }: { readonly made: Lsn; readonly lsn: Lsn },
): Promise<boolean> {
  try {
    await callAdvanceSlot(db, name, formatLsn(lsn));
    return ((await readSlot(db, name))?.restartLsn ?? 0n) >= made;
  } catch (error) {
    throw asStreamError(error, { side, slot: name, publications: [] });
  }
}

/** Drops the slot; no error when there is none. Throws SLOT_ACTIVE. */
export async function dropSlot(db: Queryable, { side, name }: SlotAt): Promise<void> {
  try {
    await callDropSlot(db, name);
  } catch (error) {
    throw asStreamError(error, { side, slot: name, publications: [] });
  }
}

/**
 * Whether the log that is durable up to `durable` can go on from this slot. Throws SLOT_LOST when the slot or its WAL is gone, SLOT_FOREIGN
 * when it is another's or was acknowledged beyond what we hold, SLOT_ACTIVE when somebody reads it.
 */
export function checkSlot(
  slot: SlotInfo | null,
  { side, name }: SlotAt,
  expected: { readonly database: string; readonly durable: Lsn },
): void {
  const context = { slot: name };
  if (slot === null) throw new PghaulError("SLOT_LOST", `replication slot ${name} does not exist`, { context, side });
  if (slot.plugin !== "pgoutput" || slot.database !== expected.database) {
    const what = `replication slot ${name} is for ${slot.plugin ?? "physical replication"} in database ${slot.database ?? "none"}`;
    throw new PghaulError("SLOT_FOREIGN", what, { context, side });
  }
  if (slot.walStatus === "lost" || slot.invalidationReason !== null) {
    const why = slot.invalidationReason ?? "the WAL it needs was removed";
    throw new PghaulError("SLOT_LOST", `replication slot ${name} is invalid: ${why}`, { context, side });
  }
  if (slot.confirmedFlushLsn !== null && slot.confirmedFlushLsn > expected.durable) {
    const what = `replication slot ${name} was acknowledged up to ${formatLsn(slot.confirmedFlushLsn)}, the log ends at ${formatLsn(expected.durable)}`;
    throw new PghaulError("SLOT_FOREIGN", what, { context, side });
  }
  if (slot.activePid !== null) {
    throw new PghaulError("SLOT_ACTIVE", `replication slot ${name} is read by the process with PID ${slot.activePid}`, { context });
  }
}

async function tellWaiting(watch: Queryable, { name, waiting }: CreateSlotOptions): Promise<void> {
  // Only a courtesy: if the session that looks is lost, the slot is still being made.
  const blockers = await writingTransactions(watch).catch(() => []);
  if (blockers.length > 0) waiting(`slot ${name} waits for older transactions to end: ${blockers.join("; ")}`);
}

async function asCreateError(error: unknown, watch: Queryable, { side, name, timeoutMillis }: CreateSlotOptions): Promise<PghaulError> {
  const context = { slot: name };
  switch (sqlState(error)) {
    case "57014": {
      // query_canceled, by the statement timeout
      const blockers = await writingTransactions(watch).catch(() => []);
      const who = blockers.length === 0 ? "they have ended since" : blockers.join("; ");
      return new PghaulError("BARRIER_TIMEOUT", `slot ${name} was not ready after ${timeoutMillis} ms; older transactions: ${who}`, {
        context,
      });
    }
    case "42710": // duplicate_object
      return new PghaulError("SLOT_FOREIGN", `a replication slot ${name} already exists`, {
        context,
        side,
        suggestion: `select pg_drop_replication_slot('${name}');`,
      });
    case "53400": // configuration_limit_exceeded
      return new PghaulError(sideCode(side, "QUERY"), asPghaulError(error, side).message, {
        context,
        suggestion: `alter system set max_replication_slots = N; then restart the ${side}.`,
      });
    default:
      return asStreamError(error, { side, slot: name, publications: [] });
  }
}

/** A slot is ready when every transaction has ended that had written when it was asked for. */
async function writingTransactions(watch: Queryable): Promise<readonly string[]> {
  const writing = (await readTransactions(askOf(watch), 0)).filter(({ wrote }) => wrote);
  return writing.slice(0, MOST_NAMED).map(({ who, seconds }) => `${who} for ${seconds} s`);
}

function toSlotInfo(row: SlotRow): SlotInfo {
  return {
    name: row.name,
    plugin: row.plugin,
    database: row.database,
    activePid: row.active_pid === null ? null : Number(row.active_pid),
    restartLsn: row.restart_lsn === null ? null : parseLsn(row.restart_lsn),
    confirmedFlushLsn: row.confirmed_flush_lsn === null ? null : parseLsn(row.confirmed_flush_lsn),
    walStatus: row.wal_status,
    safeWalSize: row.safe_wal_size === null ? null : BigInt(row.safe_wal_size),
    retainedBytes: row.retained_bytes === null ? null : BigInt(row.retained_bytes),
    invalidationReason: row.invalidation_reason,
  };
}
