/**
 * The states of a cutover, as data. `next` is pure; the driver persists before it acts. The diagram in docs/state-machines.md is
 * generated from TRANSITIONS, and a test walks each edge.
 */
import { PghaulError } from "../errors/pghaul-error.ts";

export type CutoverState = "source-primary" | "switching-to-target" | "writes-on-target" | "switching-to-source" | "complete";

export type CutoverEvent = "switch" | "switched" | "cancelled" | "rollback" | "rolled-back" | "finish";

interface Transition {
  readonly from: CutoverState;
  readonly event: CutoverEvent;
  readonly to: CutoverState;
  /** What is true in `to`; goes into the diagram. */
  readonly note: string;
}

export const TRANSITIONS: readonly Transition[] = [
  {
    from: "source-primary",
    event: "switch",
    to: "switching-to-target",
    note: "gates open, plan confirmed",
  },
  {
    from: "switching-to-target",
    event: "cancelled",
    to: "source-primary",
    note: "undone before the route changed",
  },
  {
    from: "switching-to-target",
    event: "switched",
    to: "writes-on-target",
    note: "reverse stream carries writes back",
  },
  {
    from: "writes-on-target",
    event: "rollback",
    to: "switching-to-source",
    note: "gates open, plan confirmed",
  },
  {
    from: "switching-to-source",
    event: "cancelled",
    to: "writes-on-target",
    note: "undone before the route changed",
  },
  {
    from: "switching-to-source",
    event: "rolled-back",
    to: "source-primary",
    note: "nothing written at the target is lost",
  },
  {
    from: "writes-on-target",
    event: "finish",
    to: "complete",
    note: "the way back is given up",
  },
];

/** The state after the event; CUTOVER_STATE when the table has no such edge. */
export function nextState(from: CutoverState, event: CutoverEvent): CutoverState {
  const edge = TRANSITIONS.find((transition) => transition.from === from && transition.event === event);
  if (edge !== undefined) return edge.to;
  const possible = TRANSITIONS.filter((transition) => transition.from === from).map((transition) => transition.event);
  throw new PghaulError("CUTOVER_STATE", `"${event}" is not possible while the cutover is ${from}`, {
    context: { state: from, possible: possible.join(", ") },
    suggestion: "pghaul cutover status",
  });
}

/** Reads a persisted state; an unknown one is refused, not guessed. */
export function parseState(text: string): CutoverState {
  const known = TRANSITIONS.some(({ from, to }) => from === text || to === text);
  if (!known) throw new PghaulError("STATE_NEWER", `unknown cutover state "${text}"`);
  return text as CutoverState;
}
