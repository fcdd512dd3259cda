import type { SideFacts } from "../../conditions/side-facts.ts";
import { tableId } from "../../model/table.ts";
import type { Gate } from "../gate.ts";

/** Every sequence of the old primary can be read, and exists at the new one, where it can be set. */
export const sequencesGate: Gate = {
  id: "sequences",
  title: "every sequence can be read on one side and set on the other",
  when: ["switch", "rollback"],
  side: "both",
  async ask({ from, to, tables }) {
    const moved = new Set(tables.map(({ id }) => id));
    // What belongs to a table that stays behind stays behind with it.
    const here = (await from.sequences()).filter(({ owner }) => owner === null || moved.has(tableId(owner)));
    const there = new Map((await to.sequences()).map((sequence) => [sequence.name, sequence]));
    const unreadable = here.filter(({ readable }) => !readable).map(({ name }) => name);
    const missing = here.filter(({ name }) => !there.has(name)).map(({ name }) => name);
    const unsettable = here.filter(({ name }) => there.get(name)?.settable === false).map(({ name }) => name);
    const open = unreadable.length + missing.length + unsettable.length === 0;
    return {
      verdict: open ? "pass" : "fail",
      evidence: {
        sequences: here.length,
        unreadable: unreadable.slice(0, 5),
        missing: missing.slice(0, 5),
        unsettable: unsettable.slice(0, 5),
      },
      advice: open ? null : fixFor({ unreadable, unsettable }, from, to),
    };
  },
};

function fixFor(
  { unreadable, unsettable }: { readonly unreadable: readonly string[]; readonly unsettable: readonly string[] },
  from: SideFacts,
  to: SideFacts,
): string {
  if (unreadable.length > 0) return `grant select on sequence ${unreadable.join(", ")} to "${from.role}";   -- at the ${from.name}`;
  if (unsettable.length > 0) return `grant update on sequence ${unsettable.join(", ")} to "${to.role}";   -- at the ${to.name}`;
  return `create the missing sequences at the ${to.name}; the switch sets their values`;
}
