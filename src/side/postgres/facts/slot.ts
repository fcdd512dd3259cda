import type { SlotFact, Streamability } from "../../../cutover/side-facts.ts";
import type { Ask } from "../catalog/ask.ts";

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

interface StreamabilityRow {
  readonly wal_level: string;
  readonly slots_left: string;
  readonly senders_left: string;
  readonly ours: string;
  readonly may_replicate: string | null;
  readonly may_publish: string;
}

export async function readStreamability(ask: Ask, slot: string): Promise<Streamability> {
  const [found] = await ask<StreamabilityRow>(
    `select current_setting('wal_level') as wal_level,
            (current_setting('max_replication_slots')::int - (select count(*) from pg_catalog.pg_replication_slots))::text as slots_left,
            (current_setting('max_wal_senders')::int - (select count(*) from pg_catalog.pg_stat_replication))::text as senders_left,
            (select count(*) from pg_catalog.pg_replication_slots where slot_name = $1)::text as ours,
            (select (rolreplication or rolsuper)::text from pg_catalog.pg_roles where rolname = current_user) as may_replicate,
            has_database_privilege(current_database(), 'create')::text as may_publish`,
    [slot],
  );
  if (found === undefined) throw new Error("the server did not answer");
  return {
    walLevel: found.wal_level,
    slotsLeft: Number(found.slots_left),
    sendersLeft: Number(found.senders_left),
    slotExists: found.ours === "1",
    mayReplicate: found.may_replicate === "true",
    mayPublish: found.may_publish === "true",
  };
}
