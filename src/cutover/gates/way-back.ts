import type { Room } from "../../conditions/server-facts.ts";
import type { Gate } from "../gate.ts";

/** A stream out of the new primary can be made, or is there. */
export const wayBackGate: Gate = {
  id: "way-back",
  title: "a stream out of the new primary is possible",
  when: ["switch", "rollback"],
  side: "new",
  async ask({ to, slots }) {
    const found = await to.streamability(slots[to.name]);
    const exists = found.slotExists;
    const faults = [
      ...(found.walLevel === "logical" ? [] : ["alter system set wal_level = logical;   -- then restart the server"]),
      ...(exists || hasRoom(found.slots) ? [] : [raise("max_replication_slots", found.slots)]),
      ...(exists || hasRoom(found.senders) ? [] : [raise("max_wal_senders", found.senders)]),
      ...(exists || found.grantToPublish === null ? [] : [`${found.grantToPublish};`]),
    ];
    return {
      verdict: faults.length === 0 ? "pass" : "fail",
      evidence: {
        side: to.name,
        walLevel: found.walLevel,
        slotExists: exists,
        slotsLeft: found.slots.limit - found.slots.used,
        sendersLeft: found.senders.limit - found.senders.used,
        roleMayReplicate: found.mayReplicate,
      },
      advice: faults.length === 0 ? null : faults.join("\n"),
    };
  },
};

function hasRoom({ used, limit }: Room): boolean {
  return used < limit;
}

function raise(setting: string, { limit }: Room): string {
  return `alter system set ${setting} = ${limit + 4};   -- then restart the server`;
}
