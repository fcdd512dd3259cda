import type { SlotFact, Streamability } from "../../../conditions/server-facts.ts";
import type { Ask } from "../catalog/ask.ts";
import { readOwnRole } from "./own-role.ts";

/** Every value as text. */
export interface SlotRow {
  readonly name: string;
  readonly plugin: string | null;
  readonly database: string | null;
  /** The walsender that reads it. */
  readonly active_pid: string | null;
  readonly restart_lsn: string | null;
  readonly confirmed_flush_lsn: string | null;
  readonly wal_status: string | null;
  readonly safe_wal_size: string | null;
  /** Bytes of WAL that are kept for it; a standby keeps them from what it has replayed. */
  readonly retained_bytes: string | null;
  /** 17 and later; 16 tells only of a conflict with recovery, and before that wal_status is all there is. */
  readonly invalidation_reason: string | null;
}

export async function readSlotRow(ask: Ask, name: string): Promise<SlotRow | null> {
  const [slot] = await ask<SlotRow>(
    `select s.slot_name::text as name, s.plugin::text, s.database::text, s.active_pid::text, s.restart_lsn::text, s.confirmed_flush_lsn::text,
            s.wal_status::text, s.safe_wal_size::text,
            coalesce(to_jsonb(s) ->> 'invalidation_reason', case when to_jsonb(s) ->> 'conflicting' = 'true' then 'conflict' end) as invalidation_reason,
            pg_catalog.pg_wal_lsn_diff(case when pg_catalog.pg_is_in_recovery() then pg_catalog.pg_last_wal_replay_lsn()
                                            else pg_catalog.pg_current_wal_lsn() end, s.restart_lsn)::bigint::text as retained_bytes
       from pg_catalog.pg_replication_slots s
      where s.slot_name = $1`,
    [name],
  );
  return slot ?? null;
}

export async function readSlotFact(ask: Ask, name: string): Promise<SlotFact | null> {
  const slot = await readSlotRow(ask, name);
  if (slot === null) return null;
  return {
    active: slot.active_pid !== null,
    walStatus: slot.wal_status,
    retainedBytes: slot.retained_bytes,
    safeWalBytes: slot.safe_wal_size,
  };
}

interface RoomRow {
  readonly wal_level: string;
  readonly slots: string;
  readonly slots_limit: string;
  readonly senders: string;
  readonly senders_limit: string;
  readonly ours: string;
}

export async function readStreamability(ask: Ask, slot: string): Promise<Streamability> {
  const [found] = await ask<RoomRow>(
    `select current_setting('wal_level') as wal_level,
            (select count(*) from pg_catalog.pg_replication_slots)::text as slots, current_setting('max_replication_slots') as slots_limit,
            (select count(*) from pg_catalog.pg_stat_replication)::text as senders, current_setting('max_wal_senders') as senders_limit,
            exists (select from pg_catalog.pg_replication_slots where slot_name = $1)::text as ours`,
    [slot],
  );
  if (found === undefined) throw new Error("the server did not answer");
  const role = await readOwnRole(ask);
  return {
    walLevel: found.wal_level,
    slots: { used: Number(found.slots), limit: Number(found.slots_limit) },
    senders: { used: Number(found.senders), limit: Number(found.senders_limit) },
    slotExists: found.ours === "true",
    mayReplicate: role.mayReplicate,
    grantToPublish: role.mayCreate ? null : role.grants.create,
  };
}
