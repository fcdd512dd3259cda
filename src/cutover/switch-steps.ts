/**
 * The write switch as a list of steps (order measured in the cutover research): forward from source to target, and the rollback with the
 * sides exchanged. Each wait has a deadline; a miss cancels, and the old primary takes writes again.
 */
import { PghaulError } from "../errors/pghaul-error.ts";
import { formatLsn, parseLsn } from "../model/lsn.ts";
import type { AttemptStore, CutoverSide, Route, StreamControl } from "./ports.ts";
import type { Step } from "./walk-steps.ts";

export interface SwitchSettings {
  /** Longest wait for the fence's locks, ms. */
  readonly lockMillis: number;
  /** Longest wait for the marker to arrive after the fence, ms. */
  readonly drainMillis: number;
  /** Each of the three markers sent ahead must arrive within it, ms. */
  readonly roundTripMillis: number;
  /** Sequences are set this many increments ahead. */
  readonly sequenceMargin: number;
  /** How long after the switch the log is read for writes that passed the fence, ms. */
  readonly proofMillis: number;
}

export interface SwitchParts {
  readonly from: CutoverSide;
  readonly to: CutoverSide;
  readonly route: Route;
  readonly stream: StreamControl;
  readonly store: AttemptStore;
  readonly settings: SwitchSettings;
  readonly sleep: (millis: number) => Promise<void>;
  readonly now: () => number;
}

const POLL_MILLIS = 2;
const ROUND_TRIPS = 3;

/** The steps of one switch. The point of no return is the step `route`. */
export function switchSteps(parts: SwitchParts): readonly Step[] {
  return [
    wayBack(parts),
    roundTrips(parts),
    pause(parts),
    fence(parts),
    drain(parts),
    sequences(parts),
    open(parts),
    route(parts),
    resume(parts),
    prove(parts),
  ];
}

function wayBack({ to, stream }: SwitchParts): Step {
  return {
    id: "way-back",
    title: `make the way back: slot and stream out of the ${to.name}, held until the operator gives it up`,
    check: async () => (await stream.notRunning(to.name)) === null,
    act: async () => {
      await stream.prepareWayBack();
      return {};
    },
    undo: "nothing",
  };
}

function roundTrips(parts: SwitchParts): Step {
  const { from, to, settings } = parts;
  return {
    id: "round-trips",
    title: `send ${ROUND_TRIPS} markers from ${from.name} to ${to.name}, each within ${settings.roundTripMillis} ms`,
    check: async () => false,
    act: async () => {
      const millis: number[] = [];
      for (let trip = 1; trip <= ROUND_TRIPS; trip += 1) {
        const marker = `${attemptOf(parts).marker}-try-${trip}-${Math.round(parts.now())}`;
        const began = parts.now();
        await from.writeMarker(marker);
        await waitForMarker(parts, marker, settings.roundTripMillis, "round-trips");
        millis.push(Math.round(parts.now() - began));
      }
      return { millis };
    },
    undo: "nothing",
  };
}

function pause({ route: router }: SwitchParts): Step {
  return {
    id: "pause",
    title: `pause new transactions at the route (${router.kind})`,
    check: async () => false,
    act: async () => {
      await router.pause();
      return {};
    },
    undo: () => router.resume(),
  };
}

function fence(parts: SwitchParts): Step {
  const { from, to, store, settings } = parts;
  return {
    id: "fence",
    title: `fence the ${from.name}: lock the tables (at most ${settings.lockMillis} ms), refuse every writer but our appliers, write the marker, read the sequences`,
    check: async () => attemptOf(parts).fence !== null && (await from.fenceState()) === "whole",
    act: async () => {
      const fact = await from.fence(attemptOf(parts).marker, settings.lockMillis);
      const lsn = formatLsn(fact.lsn);
      store.save({
        ...attemptOf(parts),
        fence: { lsn, sequences: fact.sequences, otherSide: await to.fenceState() },
      });
      return {
        lsn,
        sequences: fact.sequences.length,
        lockedMillis: Math.round(fact.millis),
      };
    },
    undo: () => from.unfence(),
  };
}

function drain(parts: SwitchParts): Step {
  const { to, settings } = parts;
  return {
    id: "drain",
    title: `wait until everything up to the marker is at the ${to.name} (at most ${settings.drainMillis} ms)`,
    check: () => to.sawMarker(attemptOf(parts).marker),
    act: async () => {
      await waitForMarker(parts, attemptOf(parts).marker, settings.drainMillis, "drain");
      return {};
    },
    undo: "nothing",
  };
}

function sequences(parts: SwitchParts): Step {
  const { to, settings } = parts;
  return {
    id: "sequences",
    title: `set the sequences of the ${to.name} ${settings.sequenceMargin} steps ahead; commit synchronously, so that all that was applied is durable`,
    check: async () => false,
    act: async () => {
      const values = attemptOf(parts).fence?.sequences ?? [];
      await to.takeSequences(values, settings.sequenceMargin);
      return { sequences: values.length };
    },
    undo: "nothing",
  };
}

function open(parts: SwitchParts): Step {
  const { to, settings } = parts;
  return {
    id: "open",
    title: `let the ${to.name} take writes: remove its fence, if it has one`,
    check: async () => (await to.fenceState()) === "none",
    act: async () => {
      await to.unfence();
      return {};
    },
    // The fence comes back only where there was one: on a rollback that is cancelled, the source must stay closed.
    undo: async () => {
      const before = attemptOf(parts).fence?.otherSide ?? "none";
      if (before !== "none") await to.fence(`${attemptOf(parts).marker}-cancelled`, settings.lockMillis);
    },
  };
}

function route({ to, route: router }: SwitchParts): Step {
  return {
    id: "route",
    title: `POINT OF NO RETURN: change the route (${router.kind}) to the ${to.name}`,
    check: async () => (await router.current()) === to.name,
    act: async () => {
      await router.switchTo(to.name);
      const now = await router.current();
      if (now !== null && now !== to.name)
        throw new PghaulError("ROUTE_FAILED", `the route still leads to the ${now}`, { context: { step: "route" } });
      return { route: now ?? "not told" };
    },
    undo: "forward-only",
  };
}

function resume({ route: router }: SwitchParts): Step {
  return {
    id: "resume",
    title: "let transactions go on at the route",
    check: async () => false,
    act: async () => {
      await router.resume();
      return {};
    },
    undo: "forward-only",
  };
}

function prove(parts: SwitchParts): Step {
  const { from, stream, settings } = parts;
  return {
    id: "prove",
    title: `prove the fence: every table of the ${from.name} refuses a write, and its log shows none by others after the marker`,
    check: async () => false,
    act: async () => {
      const open = await from.probeWrites();
      await parts.sleep(settings.proofMillis);
      const lsn = attemptOf(parts).fence?.lsn ?? "0/0";
      const found = await stream.foreignWrites(from.name, parseLsn(lsn));
      if (open.length === 0 && found.count === 0)
        return {
          fenceLsn: lsn,
          readTo: formatLsn(found.readTo),
          foreignWrites: 0,
        };
      throw new PghaulError(
        "FENCE_BREACH",
        `the fence at the ${from.name} leaks: ${open.length} tables take writes, ${found.count} foreign transactions after ${lsn}`,
        {
          context: { step: "prove", tables: open.join(", "), lsn },
          suggestion: "pghaul verify run",
        },
      );
    },
    undo: "forward-only",
  };
}

async function waitForMarker(parts: SwitchParts, marker: string, limit: number, step: string): Promise<void> {
  const began = parts.now();
  while (!(await parts.to.sawMarker(marker))) {
    if (parts.now() - began > limit) {
      throw new PghaulError("CUTOVER_DEADLINE", `the marker did not reach the ${parts.to.name} within ${limit} ms`, {
        context: { step },
        suggestion: "pghaul status   # look at the lag, then run again",
      });
    }
    await parts.sleep(POLL_MILLIS);
  }
}

function attemptOf({ store }: SwitchParts): NonNullable<ReturnType<AttemptStore["load"]>> {
  const attempt = store.load();
  if (attempt === null) throw new Error("cutover: no attempt");
  return attempt;
}
