/** The steps of a switch during which nobody waits: what is made sure of before the pause, and proven after it. */
import { PghaulError } from "../errors/pghaul-error.ts";
import { formatLsn, parseLsn } from "../model/lsn.ts";
import { ROUND_TRIPS } from "./switch-outline.ts";
import { attemptOf, type SwitchParts, waitForMarker } from "./switch-parts.ts";
import type { StepWork } from "./walk-steps.ts";

export function wayBack({ to, stream }: SwitchParts): StepWork {
  return {
    check: async () => (await stream.notRunning(to.name)) === null,
    act: async () => {
      await stream.prepare(to.name);
      return {};
    },
    undo: "nothing",
  };
}

export function roundTrips(parts: SwitchParts): StepWork {
  const { from, settings } = parts;
  return {
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

/** Earlier fences of the new primary cost a function call per statement. Tables whose lock is not granted at once wait for the next occasion. */
export function tidyUp({ to }: SwitchParts): StepWork {
  return {
    check: async () => true,
    act: async () => ({ tablesLeft: await to.tidy() }),
    mayBeLeft: `open fences are still on the tables of the ${to.name}; they let every write pass, but cost a function call per statement`,
    undo: "nothing",
  };
}

export function prove(parts: SwitchParts): StepWork {
  const { from, stream, settings } = parts;
  return {
    check: async () => false,
    act: async () => {
      const open = await from.probeWrites();
      await parts.sleep(settings.proofMillis);
      const lsn = attemptOf(parts).fence?.lsn ?? "0/0";
      const { count, readTo } = await stream.foreignWrites(from.name, parseLsn(lsn));
      if (open.length === 0 && count === 0) return { fenceLsn: lsn, readTo: formatLsn(readTo), foreignWrites: 0 };
      throw new PghaulError(
        "FENCE_BREACH",
        `the fence at the ${from.name} leaks: ${open.length} tables take writes; ${count} transactions by others between ${lsn} and ${formatLsn(readTo)}`,
        { context: { step: "prove", tables: open.slice(0, 10).join(", "), lsn }, suggestion: "pghaul verify run" },
      );
    },
    mayBeLeft: `the fence at the ${from.name} is not proved yet`,
    undo: "forward-only",
  };
}
