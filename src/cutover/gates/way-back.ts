import type { Gate } from "../gate.ts";

/** A stream out of the new primary can be made, or is there. */
export const wayBackGate: Gate = {
  id: "way-back",
  title: "a stream out of the new primary is possible",
  async ask({ to, slots }) {
    const found = await to.streamability(slots[to.name]);
    const exists = found.slotExists;
    const faults = [
      ...(found.walLevel === "logical" ? [] : ["alter system set wal_level = logical;   -- and restart the server"]),
      ...(exists || found.slotsLeft > 0 ? [] : ["alter system set max_replication_slots = N;   -- and restart the server"]),
      ...(exists || found.sendersLeft > 0 ? [] : ["alter system set max_wal_senders = N;   -- and restart the server"]),
      // On RDS the right comes with the role rds_replication, which this column does not show: the slot exists, or creating it will tell.
      ...(exists || found.mayPublish
        ? []
        : [`select format('grant create on database %I to %I', current_database(), '${to.role}') \\gexec`]),
    ];
    return {
      open: faults.length === 0,
      evidence: {
        side: to.name,
        walLevel: found.walLevel,
        slotExists: exists,
        slotsLeft: found.slotsLeft,
        sendersLeft: found.sendersLeft,
        roleMayReplicate: found.mayReplicate,
      },
      ...(faults.length === 0 ? {} : { fix: faults.join("\n") }),
    };
  },
};
