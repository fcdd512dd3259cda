import type { SlotFact, Streamability } from "../../../conditions/side-facts.ts";
import type { Ask } from "../catalog/ask.ts";
import { grantCreate, readOwnRole } from "./own-role.ts";

interface SlotRow {
  readonly status: string | null;
  readonly active: string;
  readonly retained: string | null;
  readonly safe: string | null;
}

export async function readSlotFact(ask: Ask, name: string): Promise<SlotFact | null> {
  const [slot] = await ask<SlotRow>(
    `select wal_status::text as status, active::text, pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::text as retained, safe_wal_size::text as safe
       from pg_catalog.pg_replication_slots where slot_name = $1`,
    [name],
  );
  if (slot === undefined) return null;
  return { active: slot.active === "true", walStatus: slot.status, retainedBytes: slot.retained, safeWalBytes: slot.safe };
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
    grantToPublish: role.mayCreate ? null : grantCreate(role),
  };
}
