/**
 * Drives one switch: settles what an earlier, killed attempt left behind, then walks the steps; before the route has changed any failure
 * cancels, afterwards there is only forward.
 */
import { PghaulError } from "../errors/pghaul-error.ts";
import type { Attempt, SideName } from "./ports.ts";
import { type Step, type WalkContext, walkBack, walkForward } from "./walk-steps.ts";

export interface SwitchRequest {
  readonly to: SideName;
  readonly planDigest: string;
  /** Unique to the attempt; the marker rows bear it. */
  readonly marker: string;
  readonly at: string;
}

/** Steps during which clients wait: the stall is the time from the first's start to the last's end. */
const STALL_FROM = "pause";

/** Switches to `request.to`. Returns the attempt, outcome `switched`; throws after cancelling. */
export async function runSwitch(steps: readonly Step[], request: SwitchRequest, context: WalkContext): Promise<Attempt> {
  const left = context.store.load();
  const goOn = left?.outcome === "running" && left.to === request.to && (await isPastReturn(steps, left));
  if (left?.outcome === "running" && !goOn) await cancel(steps, context, "left over by an earlier process");
  if (!goOn) begin(request, context);
  const stall = watchStall(context);
  try {
    await walkForward(steps, stall.context);
  } catch (error) {
    await afterFailure(steps, context, error);
    throw error;
  }
  return end(context, stall.millis());
}

/** Undoes an unfinished attempt. Throws CUTOVER_STATE when the route has changed: then only `run` helps. */
export async function cancel(steps: readonly Step[], context: WalkContext, why: string): Promise<void> {
  context.journal.append("cancelling", { why });
  await walkBack(steps, context);
  const attempt = context.store.load();
  if (attempt !== null) context.store.save({ ...attempt, outcome: "cancelled" });
  context.journal.append("cancelled", { why });
}

/** Reality over memory: the route decides. Only where it cannot tell, the record does. */
async function isPastReturn(steps: readonly Step[], attempt: Attempt): Promise<boolean> {
  const route = steps.find(({ id }) => id === "route");
  if (route === undefined) throw new Error("cutover: no route step");
  const shown = await route.check();
  const recorded = attempt.steps.route?.state === "done";
  if (recorded && !shown) {
    throw new PghaulError("REALITY_DIFFERS", `the record says that the route leads to the ${attempt.to}; the route says that it does not`, {
      context: { step: "route" },
      suggestion: "pghaul cutover status",
    });
  }
  return shown;
}

function begin({ to, planDigest, marker, at }: SwitchRequest, { store, journal }: WalkContext): void {
  const id = (store.load()?.id ?? 0) + 1;
  store.save({
    id,
    to,
    planDigest,
    marker,
    startedAt: at,
    outcome: "running",
    steps: {},
    fence: null,
    stallMillis: null,
  });
  journal.append("attempt-started", { attempt: id, to, planDigest, marker });
}

async function afterFailure(steps: readonly Step[], context: WalkContext, error: unknown): Promise<void> {
  const attempt = context.store.load();
  if (attempt === null) return;
  const route = attempt.steps.route;
  if (route?.state === "done" || (route !== undefined && (await isPastReturn(steps, attempt)))) {
    context.journal.append("stopped-past-return", {
      error: error instanceof Error ? error.message : String(error),
    });
    return;
  }
  await cancel(steps, context, error instanceof Error ? error.message : String(error));
}

function watchStall(context: WalkContext): {
  readonly context: WalkContext;
  millis(): number | null;
} {
  let began: number | null = null;
  let ended: number | null = null;
  const watcher: WalkContext["watcher"] = {
    step(id, title, state, millis) {
      if (id === STALL_FROM && state === "running") began = context.now();
      if (id === "resume" && state === "done") ended = context.now();
      context.watcher.step(id, title, state, millis);
    },
  };
  return {
    context: { ...context, watcher },
    millis: () => (began === null || ended === null ? null : Math.round(ended - began)),
  };
}

function end({ store, journal }: WalkContext, stallMillis: number | null): Attempt {
  const attempt = store.load();
  if (attempt === null) throw new Error("cutover: the attempt is gone");
  const done: Attempt = { ...attempt, outcome: "switched", stallMillis };
  store.save(done);
  journal.append("switched", { attempt: done.id, to: done.to, stallMillis });
  return done;
}
