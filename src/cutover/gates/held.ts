import type { Gate } from "../gate.ts";

/** No side has refused a row: a table that is held has fallen behind, wherever the stream is. */
export const heldGate: Gate = {
  id: "no-table-held",
  title: "no table is held because a side refused one of its rows",
  when: ["switch", "rollback"],
  side: "neither",
  async ask({ facts }) {
    const held = facts.held();
    const [first] = held;
    return {
      verdict: first === undefined ? "pass" : "fail",
      evidence: {
        tablesHeld: held.length,
        ...(first === undefined ? {} : { why: held.map(({ why }) => why).slice(0, 5) }),
      },
      advice: first?.fix ?? null,
    };
  },
};
