/** A switch that nobody drives and that is not over, from the state on this machine: what `status` must not be silent about. */
import { isOpened } from "../../cutover/machine.ts";
import type { Attempt } from "../../cutover/ports.ts";
import { isUnsettled } from "../../cutover/watch-switch.ts";
import type { SideName } from "../../model/side.ts";
import { CutoverStore } from "../../state/cutover-store.ts";
import { leaseHolder } from "../../state/lease.ts";
import type { StateDatabase } from "../../state/state-database.ts";
import { SETTLING } from "./run-cutover.ts";

export interface Unsettled {
  readonly attempt: number;
  readonly to: SideName;
  /**
   * `undecided`: neither side may take writes. `opened`: the new primary does, and the switch can only go on. `cancelled`: the old primary
   * does, the route does not lead there yet. `switched`: done, but for what is `left`.
   */
  readonly stage: "undecided" | "opened" | "cancelled" | "switched";
  /** What of it is still to come, in words. */
  readonly left: string | null;
  /** The last step that was begun. */
  readonly step: string | null;
  /** ISO 8601: when the attempt was begun. */
  readonly since: string;
  /** `pghaul run` is alive and goes on trying. */
  readonly isTried: boolean;
  /** How often it has failed, and why the last time. */
  readonly tries: number;
  readonly why: string | null;
}

/** Null where there is none, or a command drives it at this moment. */
export async function readUnsettled(state: StateDatabase, directory: string): Promise<Unsettled | null> {
  const store = new CutoverStore(state);
  const attempt = store.load();
  if (!isUnsettled(attempt)) return null;
  const driver = await leaseHolder(directory, "cutover");
  if (driver !== null && driver.command !== SETTLING) return null;
  const settling = store.settling();
  const failed = settling?.attempt === attempt.id ? settling : null;
  return {
    attempt: attempt.id,
    to: attempt.to,
    stage: stageOf(attempt),
    left: leftIn(attempt),
    step: Object.keys(attempt.steps).at(-1) ?? null,
    since: attempt.startedAt,
    isTried: (await leaseHolder(directory, "stream")) !== null,
    tries: failed?.tries ?? 0,
    why: failed?.why ?? null,
  };
}

function stageOf(attempt: Attempt): Unsettled["stage"] {
  if (attempt.outcome !== "running") return attempt.outcome;
  return isOpened(attempt) ? "opened" : "undecided";
}

function leftIn({ steps }: Attempt): string | null {
  const left = Object.values(steps).find(({ state }) => state === "left")?.evidence?.left;
  return typeof left === "string" ? left : null;
}
