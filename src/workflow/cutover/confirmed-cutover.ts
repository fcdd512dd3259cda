/** A switch from the operator's wish to its result: plan, confirmation, gates, steps. */
import type { SideName } from "../../model/side.ts";
import type { ProgressBus } from "../../observe/events.ts";
import type { Migration } from "../open-migration.ts";
import { type CheckedGates, type CutoverPlan, checkCutover, planCutover } from "./plan-cutover.ts";
import { type CutoverResult, runCutover } from "./run-cutover.ts";

export interface CutoverWish {
  readonly migration: Migration;
  readonly to: SideName;
  /** As the operator typed it, for the lease. */
  readonly command: string;
  readonly dryRun: boolean;
  /** Somebody sits at a terminal: the gates are asked before the question, and again behind it. */
  readonly interactive: boolean;
  readonly bus: ProgressBus;
  /** Throws NOT_CONFIRMED or PLAN_CHANGED. */
  readonly confirm: (plan: CutoverPlan, checked: CheckedGates | null) => Promise<object>;
}

export interface WishedCutover extends CutoverResult {
  readonly plan: CutoverPlan;
}

/** Throws what `runCutover` does. A closed gate, like a dry run, is an answer whose steps have no state but `planned`. */
export async function confirmedCutover(wish: CutoverWish): Promise<WishedCutover> {
  const { migration, to, command, bus } = wish;
  const plan = await planCutover(migration, to, bus);
  // An unfinished switch is settled whatever the gates say, and the side that they would ask may be dead.
  const unfinished = plan.state === "switching-to-target" || plan.state === "switching-to-source";
  const checked = wish.dryRun || (wish.interactive && !unfinished) ? await checkCutover(migration, to, bus) : null;
  if (wish.dryRun || (checked?.open === false && !unfinished)) return { ...planned(plan, checked), plan };
  const confirmation = { ...(await wish.confirm(plan, checked)) };
  return { ...(await runCutover({ migration, to, command, planDigest: plan.digest, confirmation, bus })), plan };
}

function planned({ state, steps }: CutoverPlan, checked: CheckedGates | null): CutoverResult {
  return {
    state,
    gates: checked?.gates ?? [],
    steps: steps.map(({ id, title }) => ({ id, state: "planned", millis: null, evidence: { title } })),
    stallMs: null,
    attempt: null,
  };
}
