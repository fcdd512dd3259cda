/** The steps of a switch during which nobody waits: what is made sure of before the pause, and proven after it. */
import { PghaulError } from "../errors/pghaul-error.ts";
import { formatLsn, parseLsn } from "../model/lsn.ts";
import { attemptOf, type SwitchParts, waitForMarker } from "./switch-parts.ts";
import type { Step } from "./walk-steps.ts";

const ROUND_TRIPS = 3;

export function wayBack({ to, stream }: SwitchParts): Step {
  return {
    id: "way-back",
    title: `make the way back: a stream out of the ${to.name}, held until the operator gives it up`,
    check: async () => (await stream.notRunning(to.name)) === null,
    act: async () => {
      await stream.prepare(to.name);
      return {};
    },
    undo: "nothing",
  };
}

export function roundTrips(parts: SwitchParts): Step {
  const { from, to, settings } = parts;
  return {
    id: "round-trips",
    title: `send ${ROUND_TRIPS} markers from ${from.name} to ${to.name}, each within ${settings.roundTripMillis} ms`,
    check: async () => false,
    act: async () => {
      const millis: number[] = [];
      for (let trip = 1; trip <= ROUND_TRIPS; trip += 1) {
        const began = parts.now();
        const marker = `${attemptOf(parts).marker}-try-${trip}-${Math.round(began)}`;
        await from.writeMarker(marker);
        await waitForMarker(parts, { marker, limitMillis: settings.roundTripMillis, step: "round-trips" });
        millis.push(Math.round(parts.now() - began));
      }
      return { millis };
    },
    undo: "nothing",
  };
}

/** Earlier fences of the new primary cost a function call a statement. What cannot be had at once waits for the next occasion. */
export function tidyUp({ to }: SwitchParts): Step {
  return {
    id: "tidy",
    title: `take the open fence off the tables of the ${to.name}, where no lock is waited for`,
    check: async () => true,
    act: async () => ({ tablesLeft: await to.tidy() }),
    mayBeLeft: `earlier fences are still on the tables of the ${to.name}, which let everybody pass and cost a call a statement`,
    undo: "nothing",
  };
}

export function prove(parts: SwitchParts): Step {
  const { from, stream, settings } = parts;
  return {
    id: "prove",
    title: `prove the fence: every table of the ${from.name} refuses a write, and its log shows none by others behind the fence`,
    check: async () => false,
    act: async () => {
      const open = await from.probeWrites();
      await parts.sleep(settings.proofMillis);
      const lsn = attemptOf(parts).fence?.lsn ?? "0/0";
      const { count, readTo } = await stream.foreignWrites(from.name, parseLsn(lsn));
      if (open.length === 0 && count === 0) return { fenceLsn: lsn, readTo: formatLsn(readTo), foreignWrites: 0 };
      throw new PghaulError(
        "FENCE_BREACH",
        `the fence at the ${from.name} leaks: ${open.length} tables take writes, ${count} foreign transactions between ${lsn} and ${formatLsn(readTo)}`,
        { context: { step: "prove", tables: open.slice(0, 10).join(", "), lsn }, suggestion: "pghaul verify run" },
      );
    },
    mayBeLeft: `the fence at the ${from.name} is not proven`,
    undo: "forward-only",
  };
}
