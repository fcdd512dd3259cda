/** What the steps of a switch work on. */
import { PghaulError } from "../errors/pghaul-error.ts";
import type { Attempt, AttemptStore, CutoverSide, Route, StreamControl } from "./ports.ts";
import type { StallLimits, Timer } from "./stall-budget.ts";

export interface SwitchSettings extends StallLimits {
  /** Each of the markers sent ahead must arrive within it, ms. */
  readonly roundTripMillis: number;
  /** Sequences are set this many increments ahead. */
  readonly sequenceMargin: number;
  /** How long after the switch the log is read for writes that passed the fence, ms. */
  readonly proofMillis: number;
  /** For the route where nobody waits for it, ms. */
  readonly routeMillis: number;
  /** For a side to be taken over, and to be opened again, ms. */
  readonly sideMillis: number;
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
  /** A clock other than the system's. */
  readonly timer?: Timer;
}

/** The attempt that is under way. */
export function attemptOf({ store }: Pick<SwitchParts, "store">): Attempt {
  const attempt = store.load();
  if (attempt === null) throw new Error("cutover: no attempt");
  return attempt;
}

const POLL_MILLIS = 2;

/** Until a marker of the one side is seen at the other. Throws CUTOVER_DEADLINE. */
export async function waitForMarker(
  { to, now, sleep }: SwitchParts,
  { marker, limitMillis, step }: { readonly marker: string; readonly limitMillis: number; readonly step: string },
): Promise<void> {
  const began = now();
  while (!(await to.sawMarker(marker))) {
    if (now() - began > limitMillis) {
      throw new PghaulError("CUTOVER_DEADLINE", `the marker did not reach the ${to.name} within ${Math.round(limitMillis)} ms`, {
        context: { step },
        suggestion: "pghaul status   # look at the lag, then run it again",
      });
    }
    await sleep(POLL_MILLIS);
  }
}

/**
 * A row that is refused after the gates were checked holds its table, but the marker still arrives, in another table. The hold is written
 * in the stream's order, so whoever sees the marker also sees the hold. Throws TABLE_HELD.
 */
export async function refuseHeld({ to, stream }: SwitchParts): Promise<void> {
  const held = await stream.heldAt(to.name);
  if (held.length === 0) return;
  throw new PghaulError("TABLE_HELD", `the ${to.name} has refused a row since the gates were checked; held: ${held.join(", ")}`, {
    context: { step: "drain" },
    suggestion: "pghaul status",
  });
}
