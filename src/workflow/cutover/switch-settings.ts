import type { Config } from "../../config/config.ts";
import { type StepOutline, switchOutline } from "../../cutover/switch-outline.ts";
import type { SwitchSettings } from "../../cutover/switch-parts.ts";

/** For questions to the route that no client waits for, and for its resume, which is worth more than a deadline. */
const ROUTE_LIMIT_MILLIS = 10_000;
/** For a side to be taken over and to be opened again: an earlier backend is gone within milliseconds, a frozen server is not. */
const SIDE_LIMIT_MILLIS = 5_000;
/** After the switch the log is read this much later for the proof of the fence. */
const PROOF_MILLIS = 500;

export function switchSettings(cutover: Config["cutover"]): SwitchSettings {
  const { maxStall, sequenceMargin, deadlines } = cutover;
  return {
    maxStallMillis: maxStall,
    deadlines: Object.fromEntries(Object.entries(deadlines).filter(([, millis]) => millis !== undefined)),
    // What a marker needs on the way is what the drain will need at least: it must leave room for the rest of the stall.
    roundTripMillis: maxStall / 2,
    sequenceMargin,
    proofMillis: PROOF_MILLIS,
    routeMillis: ROUTE_LIMIT_MILLIS,
    sideMillis: SIDE_LIMIT_MILLIS,
  };
}

/** The switch to the target as a plan tells it, also where no route is configured yet. */
export function plannedSwitch(cutover: Config["cutover"]): readonly StepOutline[] {
  const routes = cutover.routing.map(({ kind }) => kind);
  const route = routes.length === 0 ? "not configured yet: cutover.routing" : routes.join(", ");
  return Object.values(switchOutline({ ...switchSettings(cutover), from: "source", to: "target", route }));
}
