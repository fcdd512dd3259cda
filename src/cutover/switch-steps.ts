/**
 * The write switch as a list of steps (order measured in the cutover research): forward from source to target, and the rollback with the
 * sides exchanged.
 *
 * At no moment do both sides take writes: the new primary is guarded before the old one is fenced, and opened when the route leads to it.
 * So whatever the route does, a switch that is cancelled before the opening has let nothing in that would have to come back.
 */
import { PghaulError } from "../errors/pghaul-error.ts";
import { formatLsn } from "../model/lsn.ts";
import { prove, roundTrips, tidyUp, wayBack } from "./calm-steps.ts";
import { POINT_OF_NO_RETURN } from "./machine.ts";
import { StallBudget } from "./stall-budget.ts";
import { switchOutline } from "./switch-outline.ts";
import { attemptOf, refuseHeld, type SwitchParts, waitForMarker } from "./switch-parts.ts";
import type { Step, StepWork } from "./walk-steps.ts";

/** The steps of one switch. */
export function switchSteps(parts: SwitchParts): readonly Step[] {
  const { from, to, settings } = parts;
  const budget = new StallBudget(settings, parts.now, parts.timer);
  const says = switchOutline({ ...settings, from: from.name, to: to.name, route: parts.route.kind });
  return [
    { ...says.wayBack, ...wayBack(parts) },
    { ...says.guard, ...guard(parts) },
    { ...says.roundTrips, ...roundTrips(parts) },
    { ...says.pause, ...pause(parts, budget) },
    { ...says.fence, ...fence(parts, budget) },
    { ...says.drain, ...drain(parts, budget) },
    { ...says.sequences, ...sequences(parts, budget) },
    { ...says.route, ...route(parts, budget) },
    { ...says.open, ...open(parts, budget) },
    { ...says.resume, ...resume(parts) },
    { ...says.tidy, ...tidyUp(parts) },
    { ...says.prove, ...prove(parts) },
  ];
}

function guard({ from, to }: SwitchParts): StepWork {
  return {
    check: async () => (await to.fenceState()) === "whole",
    act: async () => {
      await to.guard();
      return {};
    },
    // The guard stays: as long as the other side is the primary, nobody should write here. What the cancelled fence left there can go.
    undo: async () => void (await from.tidy()),
  };
}

function pause({ route: router, settings }: SwitchParts, budget: StallBudget): StepWork {
  return {
    check: async () => false,
    act: async () => {
      budget.begin();
      await router.pause(budget.limitOf("pause"));
      return {};
    },
    takeOver: () => router.takeOver(settings.routeMillis),
    undo: () => router.resume(settings.routeMillis),
  };
}

function fence(parts: SwitchParts, budget: StallBudget): StepWork {
  const { from, store, settings } = parts;
  return {
    check: async () => attemptOf(parts).fence !== null && (await from.fenceState()) === "whole",
    act: async () => {
      const { lsn, sequences: read, millis } = await from.fence(attemptOf(parts).marker, budget.limitOf("fence"));
      store.save({ ...attemptOf(parts), fence: { lsn: formatLsn(lsn), sequences: read } });
      return { lsn: formatLsn(lsn), sequences: read.length, lockedMillis: Math.round(millis) };
    },
    takeOver: () => from.takeOver(settings.sideMillis),
    undoFirst: true,
    undo: () => from.open(`${attemptOf(parts).marker}-cancelled`, settings.sideMillis),
  };
}

function drain(parts: SwitchParts, budget: StallBudget): StepWork {
  const { to } = parts;
  return {
    check: () => to.sawMarker(attemptOf(parts).marker),
    act: async () => {
      const limit = budget.limitOf("drain");
      await budget.within("drain", async () => {
        await waitForMarker(parts, { marker: attemptOf(parts).marker, limitMillis: limit, step: "drain" });
        await refuseHeld(parts);
      });
      return {};
    },
    undo: "nothing",
  };
}

function sequences(parts: SwitchParts, budget: StallBudget): StepWork {
  const { to, settings } = parts;
  return {
    check: async () => false,
    act: async () => {
      const values = attemptOf(parts).fence?.sequences ?? [];
      await budget.within("sequences", () => to.takeSequences(values, settings.sequenceMargin));
      return { sequences: values.length };
    },
    undo: "nothing",
  };
}

function route({ from, to, route: router, settings }: SwitchParts, budget: StallBudget): StepWork {
  return {
    check: async () => (await router.current(settings.routeMillis)) === to.name,
    act: async () => {
      // A hook that fails may have done its work: the route's own answer decides, if it can be asked.
      const failure = await router.switchTo(to.name, budget.limitOf("route")).then(
        () => null,
        (error: unknown) => error,
      );
      const now = await router.current(budget.limitOf("route"));
      if (failure !== null && now !== to.name) throw failure;
      if (now !== null && now !== to.name) {
        throw new PghaulError("ROUTE_FAILED", `the route was switched to the ${to.name}, but still points to the ${now}`, {
          context: { step: "route" },
        });
      }
      return { route: now ?? "unknown" };
    },
    takeOver: () => router.takeOver(settings.routeMillis),
    undo: async () => {
      const now = await router.current(settings.routeMillis).catch(() => null);
      if (now === from.name) return;
      await router.switchTo(from.name, settings.routeMillis);
      const then = await router.current(settings.routeMillis);
      if (then === to.name)
        throw new PghaulError("ROUTE_FAILED", `the route was switched back to the ${from.name}, but still points to the ${then}`);
    },
    undoMayFail: `the route could not be switched back to the ${from.name}; the ${from.name} takes writes again, the ${to.name} does not`,
  };
}

function open(parts: SwitchParts, budget: StallBudget): StepWork {
  const { to, settings } = parts;
  const opened = () => `${attemptOf(parts).marker}-open`;
  return {
    check: () => to.sawMarker(opened()),
    takeOver: () => to.takeOver(settings.sideMillis),
    act: async () => {
      // The last moment at which a missed deadline costs nothing; once an opening is under way, we have to wait for it.
      budget.refuseIfSpent(POINT_OF_NO_RETURN);
      await to.open(opened(), settings.sideMillis);
      return {};
    },
    undo: "forward-only",
  };
}

function resume({ route: router, settings }: SwitchParts): StepWork {
  return {
    takeOver: () => router.takeOver(settings.routeMillis),
    check: async () => false,
    act: async () => {
      // The primary is open by now: what is left of the stall is no limit any more.
      await router.resume(settings.deadlines.resume ?? settings.routeMillis);
      return {};
    },
    undo: "forward-only",
  };
}
