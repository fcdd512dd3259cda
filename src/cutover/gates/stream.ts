import type { Gate } from "../gate.ts";

/** A process streams out of the old primary, and every table is part of the stream. */
export const streamGate: Gate = {
  id: "stream-running",
  title: "the stream runs, and every table is part of it",
  when: ["switch", "rollback"],
  side: "old",
  async ask({ from, facts }) {
    const fault = await facts.notRunning(from.name);
    const waiting = facts.notJoined();
    return {
      verdict: fault === null && waiting.length === 0 ? "pass" : "fail",
      evidence: {
        ...(fault === null ? {} : { fault }),
        tablesNotInTheStream: waiting.length,
        ...(waiting.length === 0 ? {} : { tables: waiting.slice(0, 5).join(", ") }),
      },
      advice: fault === null ? null : "pghaul run",
    };
  },
};
