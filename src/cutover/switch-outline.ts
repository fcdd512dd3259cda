/**
 * What a switch does, in its order: ids, titles and how each step is taken back. The plan of a migration, the plan of a switch and the switch
 * itself say the same words, because they have them from here.
 */
import type { SideName } from "../model/side.ts";
import { POINT_OF_NO_RETURN } from "./machine.ts";

export interface StepOutline {
  readonly id: string;
  readonly title: string;
  /**
   * `undone`: by itself when the switch is cancelled. `stays`: what it made is not taken back then. `nothing`: it made nothing.
   * `forward-only`: the new primary takes writes.
   */
  readonly undo: "undone" | "stays" | "nothing" | "forward-only";
}

export interface OutlineParts {
  readonly from: SideName;
  readonly to: SideName;
  /** Kind of the route. */
  readonly route: string;
  readonly maxStallMillis: number;
  readonly roundTripMillis: number;
  readonly sequenceMargin: number;
}

/** Markers sent ahead. */
export const ROUND_TRIPS = 3;

export function switchOutline({ from, to, route, maxStallMillis, roundTripMillis, sequenceMargin }: OutlineParts) {
  return {
    wayBack: outline("way-back", `make the way back: a stream out of the ${to}, kept until the operator gives it up`, "stays"),
    guard: outline("guard", `guard the ${to}: until it is opened, its tables refuse every writer except pghaul's appliers`, "stays"),
    roundTrips: outline("round-trips", `send ${ROUND_TRIPS} markers from ${from} to ${to}, each within ${roundTripMillis} ms`, "nothing"),
    pause: outline(
      "pause",
      `pause new transactions at the route (${route}); from here on clients wait, at most ${maxStallMillis} ms`,
      "undone",
    ),
    fence: outline(
      "fence",
      `fence the ${from}: lock the tables, refuse every writer except pghaul's appliers, write the marker, read the sequences`,
      "undone",
    ),
    drain: outline("drain", `wait until everything up to the marker has reached the ${to}`, "nothing"),
    sequences: outline(
      "sequences",
      `set the sequences of the ${to} ${sequenceMargin} steps ahead; commit synchronously, so that everything applied so far is durable`,
      "nothing",
    ),
    route: outline("route", `change the route (${route}) to the ${to}, which does not take writes yet`, "undone"),
    open: outline(POINT_OF_NO_RETURN, `POINT OF NO RETURN: let the ${to} take writes`, "forward-only"),
    resume: outline("resume", "let transactions go on at the route", "forward-only"),
    tidy: outline("tidy", `remove open fences from the tables of the ${to}, where that needs no wait for a lock`, "nothing"),
    prove: outline(
      "prove",
      `prove the fence: every table of the ${from} refuses a write, and its log shows no write by others after the fence`,
      "forward-only",
    ),
  } as const;
}

function outline(id: string, title: string, undo: StepOutline["undo"]): StepOutline {
  return { id, title, undo };
}
