/**
 * Drives one switch: settles what an earlier, killed attempt left behind, then walks the steps. Before the new primary is open, any failure
 * cancels; afterwards the switch can only go forward.
 */

import { PghaulError } from "../errors/pghaul-error.ts";
import type { SideName } from "../model/side.ts";
import { ended, isOpened, POINT_OF_NO_RETURN, refuseBegin } from "./machine.ts";
import type { Attempt } from "./ports.ts";
import { finishWhatIsLeft, type Step, type WalkContext, walkBack, walkForward } from "./walk-steps.ts";

export interface SwitchRequest {
  readonly to: SideName;
  readonly planDigest: string;
  /** Unique to the attempt; the marker rows bear it. */
  readonly marker: string;
}

const TRIED_AGAIN = "pghaul cutover status   # `pghaul run` tries every few seconds until the switch is settled";
const LEFT_OVER = "left over from a process that ended in the middle";

/**
 * Switches to `request.to`. Returns the attempt, outcome `switched`; throws after cancelling. With FENCE_BREACH the switch has been done,
 * and somebody must look at what got past the fence. CUTOVER_UNSETTLED says what is left to do, and on which side of the point of no return.
 */
export async function runSwitch(steps: readonly Step[], request: SwitchRequest, context: WalkContext): Promise<Attempt> {
  const left = context.store.load();
  if (left?.outcome === "running" && left.to !== request.to) {
    throw new PghaulError("CUTOVER_STATE", `a switch to the ${left.to} was not finished`, { suggestion: suggestionFor(left.to) });
  }
  if (left?.outcome === "running") {
    if (await isPastReturn(steps, left)) return goOn(steps, context);
    await cancel(steps, context, LEFT_OVER);
  }
  // Before anything is looked at: a guard of last year's attempt must not fall on next year's primary.
  for (const step of steps) await step.takeOver?.();
  begin(request, context);
  return walk(steps, context);
}

/** Finishes or cancels an attempt that no process drives any more. `steps` are those of its own direction. */
export async function settle(steps: readonly Step[], context: WalkContext): Promise<Attempt | null> {
  const left = context.store.load();
  if (left?.outcome !== "running") {
    await finishWhatIsLeft(steps, context).catch((error: unknown) => {
      throw left?.outcome === "switched" ? leftOf(left, steps, error) : error;
    });
    return context.store.load();
  }
  if (await isPastReturn(steps, left)) return goOn(steps, context);
  await cancel(steps, context, LEFT_OVER);
  return context.store.load();
}

/** From the point of no return on: the earlier steps are over, and a second pause would be a second stall. */
async function goOn(steps: readonly Step[], context: WalkContext): Promise<Attempt> {
  context.journal.append("going-on", { from: POINT_OF_NO_RETURN });
  const ahead = steps.slice(steps.findIndex(({ id }) => id === POINT_OF_NO_RETURN));
  for (const step of ahead) await step.takeOver?.();
  return walk(ahead, context);
}

async function walk(steps: readonly Step[], context: WalkContext): Promise<Attempt> {
  try {
    await walkForward(steps, context);
  } catch (error) {
    await afterFailure(steps, context, error).catch((why: unknown) => {
      throw unsettled(error, why, context);
    });
    throw withWhatIsLeft(error, steps, context);
  }
  const attempt = end(context);
  const left = leftOf(attempt, steps);
  if (left !== null) throw left;
  return attempt;
}

/** Undoes an unfinished attempt. Throws CUTOVER_STATE when the new primary is open: then only `run` helps. */
async function cancel(steps: readonly Step[], context: WalkContext, why: string): Promise<void> {
  context.journal.append("cancelling", { why });
  await walkBack(steps, context);
  context.together(() => {
    const attempt = context.store.load();
    if (attempt !== null) context.store.save({ ...ended(attempt, "cancelled"), stallMillis: stallOf(attempt, context.at()) });
    context.journal.append("cancelled", { why });
  });
}

/**
 * Reality over memory: the new primary itself says whether it was opened, once nothing is under way there that could still open it. It is not
 * asked if no opening was begun, which is recorded before the act: a new primary that is down must not keep the old one closed.
 */
async function isPastReturn(steps: readonly Step[], attempt: Attempt): Promise<boolean> {
  if (attempt.steps[POINT_OF_NO_RETURN] === undefined) return false;
  const point = steps.find(({ id }) => id === POINT_OF_NO_RETURN);
  if (point === undefined) throw new Error("cutover: no point of no return");
  await point.takeOver?.();
  const opened = await point.check();
  if (!opened && isOpened(attempt)) {
    throw new PghaulError(
      "REALITY_DIFFERS",
      `the record says that the ${attempt.to} was opened for writes; the ${attempt.to} itself has no trace of that`,
      {
        context: { step: POINT_OF_NO_RETURN },
        suggestion: "pghaul cutover status",
      },
    );
  }
  return opened;
}

function begin({ to, planDigest, marker }: SwitchRequest, { store, journal, together, at }: WalkContext): void {
  together(() => {
    const last = store.load();
    refuseBegin(last, to);
    const id = (last?.id ?? 0) + 1;
    store.save({ id, to, planDigest, marker, startedAt: at(), outcome: "running", steps: {}, fence: null, stallMillis: null });
    journal.append("attempt-started", { attempt: id, to, planDigest, marker });
  });
}

async function afterFailure(steps: readonly Step[], context: WalkContext, error: unknown): Promise<void> {
  const attempt = context.store.load();
  if (attempt === null) return;
  const why = error instanceof Error ? error.message : String(error);
  if (!(await isPastReturn(steps, attempt))) return cancel(steps, context, why);
  const code = error instanceof PghaulError ? error.code : "BUG";
  context.journal.append("stopped-past-return", { code, error: why });
  // Traffic has moved, and a rollback must stay possible; the breach is for a person to judge.
  if (error instanceof PghaulError && error.code === "FENCE_BREACH") end(context);
}

/** What went wrong first, and what prevented it from being settled. */
function unsettled(error: unknown, why: unknown, { journal }: WalkContext): unknown {
  // An error that a person must judge is passed on as it is.
  if (!(error instanceof Error && why instanceof PghaulError) || why.code === "REALITY_DIFFERS" || why.code === "CUTOVER_STATE") return why;
  journal.append("unsettled", { error: error.message, why: why.message });
  return new PghaulError("CUTOVER_UNSETTLED", `${error.message}; it could not be cancelled yet: ${why.message}`, {
    cause: why,
    context: why.context,
    suggestion: TRIED_AGAIN,
  });
}

/** From the first error alone, a reader would conclude that the route is right again, or that the old primary takes writes. */
function withWhatIsLeft(error: unknown, steps: readonly Step[], { store }: WalkContext): unknown {
  const attempt = store.load();
  if (attempt === null || !(error instanceof Error)) return error;
  if (isOpened(attempt)) {
    const message = `the ${attempt.to} takes writes, but the switch could not be finished yet: ${error.message}`;
    return new PghaulError("CUTOVER_UNSETTLED", message, { cause: error, suggestion: TRIED_AGAIN });
  }
  const left = steps.find(({ id }) => attempt.steps[id]?.state === "left");
  if (left?.undoMayFail === undefined) return error;
  return new PghaulError("CUTOVER_UNSETTLED", `${error.message}; the switch was cancelled, but ${left.undoMayFail}`, {
    cause: error,
    context: { step: left.id },
    suggestion: TRIED_AGAIN,
  });
}

/** The switch is done; says which of its work is left, null if none is. `error` is the last one that prevented it. */
function leftOf(attempt: Attempt, steps: readonly Step[], error?: unknown): unknown {
  const left = steps.find(({ id }) => attempt.steps[id]?.state === "left");
  if (left?.mayBeLeft === undefined) return error ?? null;
  if (error instanceof PghaulError && error.code === "FENCE_BREACH") return error;
  const why = error instanceof Error ? error.message : String(attempt.steps[left.id]?.evidence?.error);
  return new PghaulError("CUTOVER_UNSETTLED", `the switch to the ${attempt.to} is done, but ${left.mayBeLeft}: ${why}`, {
    ...(error === undefined ? {} : { cause: error }),
    context: { step: left.id },
    suggestion: TRIED_AGAIN,
  });
}

/** How long clients may have waited: from the start of the pause until the resume was first done, else until `to`. */
function stallOf({ steps }: Attempt, to: string): number | null {
  if (steps.pause === undefined) return null;
  return Math.max(0, Date.parse(steps.resume?.doneAt ?? to) - Date.parse(steps.pause.at));
}

function end({ store, journal, together, at }: WalkContext): Attempt {
  const attempt = store.load();
  if (attempt === null) throw new Error("cutover: the attempt is gone");
  const done: Attempt = { ...ended(attempt, "done"), stallMillis: stallOf(attempt, at()) };
  together(() => {
    store.save(done);
    journal.append("switched", { attempt: done.id, to: done.to, stallMillis: done.stallMillis });
  });
  return done;
}

function suggestionFor(to: SideName): string {
  return to === "target" ? "pghaul cutover run" : "pghaul cutover rollback";
}
