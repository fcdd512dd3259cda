import type { Gate } from "../gate.ts";

interface SlotRow {
  readonly status: string | null;
  readonly active: string;
  readonly retained: string | null;
  readonly safe: string | null;
}

/** The slot out of the old primary is in use and in no danger of being lost. */
export const slotGate: Gate = {
  id: "slot",
  title: "the replication slot is in use and in no danger",
  async ask({ from, slots }) {
    const name = slots[from.name];
    const [slot] = await from.query<SlotRow>(
      `select wal_status::text as status, active::text, pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::text as retained, safe_wal_size::text as safe
         from pg_catalog.pg_replication_slots where slot_name = $1`,
      [name],
    );
    if (slot === undefined) return { open: false, evidence: { slot: name, exists: false }, fix: "pghaul run" };
    const healthy = slot.active === "true" && slot.status !== "lost" && slot.status !== "unreserved";
    return {
      open: healthy,
      evidence: {
        slot: name,
        active: slot.active === "true",
        walStatus: slot.status,
        retainedBytes: slot.retained,
        safeWalBytes: slot.safe,
      },
      ...(healthy
        ? {}
        : { fix: slot.active === "true" ? "alter system set max_slot_wal_keep_size = -1; select pg_reload_conf();" : "pghaul run" }),
    };
  },
};
