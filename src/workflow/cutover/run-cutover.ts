/** `pghaul cutover run` and `rollback`: one engine, two directions. */

import { randomBytes } from "node:crypto";
import type { GateResult } from "../../cutover/gate.ts";
import { type CutoverState, refuseBegin, stateOf } from "../../cutover/machine.ts";
import type { Attempt } from "../../cutover/ports.ts";
import { runSwitch, settle } from "../../cutover/run-switch.ts";
import { isUnsettled } from "../../cutover/watch-switch.ts";
import { PghaulError } from "../../errors/pghaul-error.ts";
import type { SideName } from "../../model/side.ts";
import type { ProgressBus } from "../../observe/events.ts";
import { acquireLease, type Lease, leaseHolder } from "../../state/lease.ts";
import type { Migration } from "../open-migration.ts";
import { systemClock } from "../system-clock.ts";
import { askGates } from "./cutover-gates.ts";
import type { OpenCutover } from "./open-cutover.ts";
import { withCutover } from "./plan-cutover.ts";

export interface CutoverRequest {
  readonly migration: Migration;
  readonly to: SideName;
  /** As the operator typed it, for the lease. */
  readonly command: string;
  /** The plan that was confirmed, and how. */
  readonly planDigest: string;
  readonly confirmation: Readonly<Record<string, unknown>>;
  readonly bus: ProgressBus;
}

export interface CutoverResult {
  readonly state: CutoverState;
  readonly gates: readonly GateResult[];
  readonly steps: readonly StepResult[];
  /** From the pause to the end of the resume; null when nothing was paused. */
  readonly stallMs: number | null;
  readonly attempt: number | null;
}

export interface StepResult {
  readonly id: string;
  readonly state: string;
  readonly millis: number | null;
  readonly evidence: Readonly<Record<string, unknown>>;
}

/** How the watchdog of the streaming process calls itself in the lease. */
export const SETTLING = "run (settling)";
const SETTLING_LIMIT_MILLIS = 30_000;
const SETTLING_POLL_MILLIS = 200;

/**
 * Switches to `to`, or finishes what a killed process left. A closed gate is an answer: the result then has no steps. Throws STATE_LOCKED,
 * CUTOVER_STATE, CUTOVER_DEADLINE and ROUTE_FAILED (everything undone), FENCE_BREACH (switched), REALITY_DIFFERS.
 */
export async function runCutover(request: CutoverRequest): Promise<CutoverResult> {
  const { migration, bus } = request;
  const lease = await takeLease(migration.config.state.dir, request.command);
  try {
    return await withCutover(migration, bus, (cutover) => drive(cutover, request));
  } finally {
    lease.release();
  }
}

/** The watchdog of the streaming process may be about to settle what the operator has come to settle: it is done within moments. */
async function takeLease(directory: string, command: string): Promise<Lease> {
  const until = systemClock.now() + SETTLING_LIMIT_MILLIS;
  for (;;) {
    try {
      return await acquireLease(directory, "cutover", command);
    } catch (error) {
      const isSettling = (await leaseHolder(directory, "cutover"))?.command === SETTLING;
      if (!(error instanceof PghaulError && error.code === "STATE_LOCKED") || !isSettling || systemClock.now() > until) throw error;
    }
    await systemClock.sleep(SETTLING_POLL_MILLIS, new AbortController().signal);
  }
}

async function drive(cutover: OpenCutover, { to, planDigest, confirmation, bus }: CutoverRequest): Promise<CutoverResult> {
  const context = cutover.context(planDigest);
  const left = cutover.store.load();
  // What a finished switch has left holds up no rollback.
  if (isUnsettled(left) && (left.to === to || left.outcome === "cancelled")) {
    const settled = await settle(cutover.steps(left.to), context);
    if (settled?.outcome === "switched") return resultOf(settled, []);
  }
  refuseBegin(cutover.store.load(), to);
  bus.emit({ kind: "phase", phase: "cutover" });
  const gates = await askGates(cutover, to);
  if (gates.some(({ open }) => !open)) return { state: stateOf(cutover.store.load()), gates, steps: [], stallMs: null, attempt: null };
  context.journal.append("confirmed", { to, ...confirmation });
  await cutover.warmUp();
  const attempt = await runSwitch(cutover.steps(to), { to, planDigest, marker: newMarker(to) }, context);
  return resultOf(attempt, gates);
}

/** Unique for good: the rows stay, and one that is there already would look like a marker that has arrived. */
function newMarker(to: SideName): string {
  return `cutover-${to}-${Date.now()}-${randomBytes(4).toString("hex")}`;
}

export function resultOf(attempt: Attempt, gates: readonly GateResult[]): CutoverResult {
  return {
    state: stateOf(attempt),
    gates,
    steps: Object.entries(attempt.steps).map(([id, { state, millis, evidence }]) => ({
      id,
      state,
      millis: millis ?? null,
      evidence: evidence ?? {},
    })),
    stallMs: attempt.stallMillis,
    attempt: attempt.id,
  };
}
