/** `pghaul cutover plan` and `check`: what a switch would do, and whether it may. Both only read. */

import { gatesTo } from "../../cutover/check-gates.ts";
import type { GateResult } from "../../cutover/gate.ts";
import { type CutoverState, isOpened, POINT_OF_NO_RETURN, stateOf } from "../../cutover/machine.ts";
import { PghaulError } from "../../errors/pghaul-error.ts";
import type { SideName } from "../../model/side.ts";
import type { ProgressBus } from "../../observe/events.ts";
import { type ToldHold, toldHolds } from "../held-tables.ts";
import type { Migration } from "../open-migration.ts";
import { cutoverDigest } from "./cutover-digest.ts";
import { askGates, tablesNow } from "./cutover-gates.ts";
import { type OpenCutover, openCutover } from "./open-cutover.ts";

export interface PlannedStep {
  readonly id: string;
  readonly title: string;
  /** What takes the step back when the switch is cancelled. */
  readonly undo: "undone" | "stays" | "forward-only";
  readonly pointOfNoReturn: boolean;
}

export interface CutoverPlan {
  readonly migration: string;
  readonly to: SideName;
  readonly digest: string;
  readonly state: CutoverState;
  readonly steps: readonly PlannedStep[];
  readonly gates: readonly { readonly id: string; readonly title: string }[];
  readonly route: string;
  readonly tables: number;
  /** Of which a side refused a row: while there is one, its gate is closed. Not in the digest. */
  readonly held: readonly ToldHold[];
  readonly maxStallMillis: number;
  readonly deadlines: Readonly<Record<string, number>>;
}

export async function planCutover(migration: Migration, to: SideName, bus: ProgressBus): Promise<CutoverPlan> {
  return withCutover(migration, bus, (cutover) => describePlan(cutover, to));
}

export interface CheckedGates {
  readonly to: SideName;
  readonly state: CutoverState;
  readonly digest: string;
  /** Every gate is open. */
  readonly open: boolean;
  readonly gates: readonly GateResult[];
}

export async function checkCutover(migration: Migration, to: SideName, bus: ProgressBus): Promise<CheckedGates> {
  return withCutover(migration, bus, async (cutover) => {
    const { digest, state } = await describePlan(cutover, to);
    const gates = await askGates(cutover, to);
    return { to, state, digest, open: gates.every(({ open }) => open), gates };
  });
}

async function describePlan(cutover: OpenCutover, to: SideName): Promise<CutoverPlan> {
  const { migration, route, store } = cutover;
  const steps = cutover.steps(to).map(
    ({ id, title, undo }): PlannedStep => ({
      id,
      title,
      undo: undo === "forward-only" ? undo : undo === "nothing" ? "stays" : "undone",
      pointOfNoReturn: id === POINT_OF_NO_RETURN,
    }),
  );
  const { maxStall, deadlines } = migration.config.cutover;
  return {
    migration: migration.name,
    to,
    digest: await digestOf(
      cutover,
      to,
      steps.map(({ title }) => title),
    ),
    state: stateOf(store.load()),
    steps,
    gates: gatesTo(to).map(({ id, title }) => ({ id, title })),
    route: route.kind,
    tables: cutover.tables.length,
    held: toldHolds(migration.state),
    maxStallMillis: maxStall,
    deadlines: Object.fromEntries(Object.entries(deadlines).flatMap(([step, millis]) => (millis === undefined ? [] : [[step, millis]]))),
  };
}

/** Behind its point of no return a switch goes on by the plan that was confirmed, and the side it left need not be there to be asked. */
async function digestOf({ migration, store, watch }: OpenCutover, to: SideName, titles: readonly string[]): Promise<string> {
  const attempt = store.load();
  if (attempt !== null && attempt.to === to && isOpened(attempt)) return attempt.planDigest;
  return cutoverDigest(migration, to, await tablesNow(migration.config.tables, await watch("source")), titles);
}

export async function withCutover<T>(migration: Migration, bus: ProgressBus, work: (cutover: OpenCutover) => Promise<T>): Promise<T> {
  if (migration.target.switching === null) {
    throw new PghaulError(
      "TARGET_KIND",
      "traffic cannot be switched to this kind of target; it can only be loaded, kept up to date and verified",
      {
        suggestion: "pghaul status",
      },
    );
  }
  const cutover = openCutover(migration, bus);
  try {
    return await work(cutover);
  } finally {
    await cutover.close();
  }
}
