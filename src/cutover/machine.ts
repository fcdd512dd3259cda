/**
 * The states of a cutover, as data. The state is that of the last attempt, which is persisted before anything is done; a test holds the
 * diagram of docs/state-machines.md against this table.
 */

import { PghaulError } from "../errors/pghaul-error.ts";
import { otherSide, type SideName } from "../model/side.ts";
import type { Attempt } from "./ports.ts";

/** The step after which a switch can only go forward: the new primary takes writes. */
export const POINT_OF_NO_RETURN = "open";

export type CutoverState = "source-primary" | "switching-to-target" | "writes-on-target" | "switching-to-source" | "complete";

export type CutoverEvent = "switch" | "switched" | "cancelled" | "rollback" | "rolled-back" | "finish";

interface Transition {
  readonly from: CutoverState;
  readonly event: CutoverEvent;
  readonly to: CutoverState;
  /** What is true in `to`; goes into the diagram. */
  readonly note: string;
}

const TRANSITIONS: readonly Transition[] = [
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
    note: "undone before the target took writes",
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
    note: "undone before the source took writes",
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
  const possible = eventsIn(from);
  throw new PghaulError("CUTOVER_STATE", `"${event}" is not possible while the cutover is ${from}`, {
    context: { state: from, possible: possible.join(", ") },
    suggestion: "pghaul cutover status",
  });
}

const STATES: Readonly<Record<Attempt["outcome"], Readonly<Record<SideName, CutoverState>>>> = {
  running: { target: "switching-to-target", source: "switching-to-source" },
  switched: { target: "writes-on-target", source: "source-primary" },
  cancelled: { target: "source-primary", source: "writes-on-target" },
};

/** The state that the last attempt leaves; STATE_NEWER for one that this version does not know: it is refused, not guessed. */
export function stateOf(attempt: Attempt | null): CutoverState {
  if (attempt === null) return "source-primary";
  const state = STATES[attempt.outcome]?.[attempt.to];
  if (state !== undefined) return state;
  throw new PghaulError("STATE_NEWER", `unknown cutover state "${attempt.outcome}" on the way to "${attempt.to}"`);
}

const OUTCOMES = { cancelled: "cancelled", switched: "switched", "rolled-back": "switched" } as const;

/** The attempt as it has ended. Throws CUTOVER_STATE when it is not one that can end so. */
export function ended(attempt: Attempt, how: "cancelled" | "done"): Attempt {
  const event = how === "cancelled" ? how : attempt.to === "target" ? "switched" : "rolled-back";
  nextState(stateOf(attempt), event);
  return { ...attempt, outcome: OUTCOMES[event] };
}

/** Throws CUTOVER_STATE where no attempt to switch to that side may begin. */
export function refuseBegin(last: Attempt | null, to: SideName): void {
  nextState(stateOf(last), to === "target" ? "switch" : "rollback");
}

/** It is under way, or was left, and its new primary is on record as open: nothing can be cancelled any more. */
export function isOpened({ outcome, steps }: Attempt): boolean {
  return outcome === "running" && steps[POINT_OF_NO_RETURN]?.state === "done";
}

/** The side whose writes count after the last attempt: the one that is measured, watched and shown to operators. */
export function primaryOf(attempt: Attempt | null): SideName {
  if (attempt === null) return "source";
  return attempt.outcome === "switched" || isOpened(attempt) ? attempt.to : otherSide(attempt.to);
}

/** The events that a state allows. */
export function eventsIn(state: CutoverState): readonly CutoverEvent[] {
  return TRANSITIONS.filter(({ from }) => from === state).map(({ event }) => event);
}
