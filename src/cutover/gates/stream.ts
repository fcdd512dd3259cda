import type { Gate } from "../gate.ts";

/** A process streams out of the old primary, and every table is part of the stream. */
export const streamGate: Gate = {
  id: "stream-running",
  title: "the stream runs, and every table is part of it",
  async ask({ from, facts }) {
    const fault = await facts.notRunning(from.name);
    const waiting = facts.notJoined();
    return {
      open: fault === null && waiting.length === 0,
      evidence: {
        ...(fault === null ? {} : { fault }),
        tablesNotInTheStream: waiting.length,
        ...(waiting.length === 0 ? {} : { tables: waiting.slice(0, 5).join(", ") }),
      },
      ...(fault === null ? {} : { fix: "pghaul run" }),
    };
  },
};
