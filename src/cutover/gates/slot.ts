import { fail } from "../../conditions/condition.ts";
import type { Gate } from "../gate.ts";

/** The slot out of the old primary is in use and not in danger of being lost. */
export const slotGate: Gate = {
  id: "slot",
  title: "the replication slot is in use and not in danger",
  when: ["switch", "rollback"],
  side: "old",
  async ask({ from, slots }) {
    const name = slots[from.name];
    const slot = await from.slot(name);
    if (slot === null) return fail({ slot: name, exists: false }, "pghaul run");
    const healthy = slot.active && slot.walStatus !== "lost" && slot.walStatus !== "unreserved";
    return {
      verdict: healthy ? "pass" : "fail",
      evidence: {
        slot: name,
        active: slot.active,
        walStatus: slot.walStatus,
        retainedBytes: slot.retainedBytes,
        safeWalBytes: slot.safeWalBytes,
      },
      advice: healthy ? null : slot.active ? "alter system set max_slot_wal_keep_size = -1; select pg_reload_conf();" : "pghaul run",
    };
  },
};
