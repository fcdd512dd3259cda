/**
 * One list of steps, walked by the dry run, the real run, the resume and the cancel. Undo belongs to the step it undoes; a step that is
 * `forward-only` can only be repeated.
 */
import { PghaulError } from "../errors/pghaul-error.ts";
import type { Attempt, AttemptStore, Journal, StepRecord } from "./ports.ts";

export type Evidence = Readonly<Record<string, unknown>>;

/** A step with its name and its words. */
export interface Step extends StepWork {
  readonly id: string;
  /** What it does, as the plan and the dry run print it. */
  readonly title: string;
}

/** What a step does. */
export interface StepWork {
  /** Asks reality whether the step's effect is there. A step that must always run again answers false. */
  readonly check: () => Promise<boolean>;
  readonly act: () => Promise<Evidence>;
  /** Ends what an earlier process may still have under way for this step; until then the answers of `check` and `undo` can become wrong. */
  readonly takeOver?: () => Promise<void>;
  readonly undo: (() => Promise<void>) | "forward-only" | "nothing";
  /** Its undo ends the outage and waits for no other undo. */
  readonly undoFirst?: true;
  /** Set if the other undos are right even when this one fails; says what is left. */
  readonly undoMayFail?: string;
  /**
   * Set on a step after the point of no return that the switch can be done without; says what is left when it fails. It is tried
   * again, and nothing else waits for it: the side that it asks may be the one that was dying, which is why its writes were moved away.
   */
  readonly mayBeLeft?: string;
}

export interface StepWatcher {
  step(id: string, title: string, state: "running" | "done" | "failed" | "undone", millis?: number): void;
}

export interface WalkContext {
  readonly store: AttemptStore;
  readonly journal: Journal;
  readonly watcher: StepWatcher;
  /** Makes what `work` records durable in one go: clients wait for the disk, too. */
  readonly together: (work: () => void) => void;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
  /** The time of day, ISO 8601. */
  readonly at: () => string;
  readonly crashPoint: (name: string) => void;
}

/** Runs the steps in order; those whose effect is already there are only noted. Throws what a step threw; nothing is undone here. */
export async function walkForward(steps: readonly Step[], context: WalkContext): Promise<void> {
  for (const step of steps) {
    if (recordOf(context, step.id)?.state === "done" && (await step.check())) continue;
    await runStep(step, context);
  }
}

async function runStep(step: Step, context: WalkContext): Promise<void> {
  const { watcher, now, crashPoint } = context;
  const at = context.at();
  note(context, step, { record: { state: "started", at }, kind: "step-started", evidence: {} });
  watcher.step(step.id, step.title, "running");
  crashPoint(`cutover-before-${step.id}`);
  const began = now();
  try {
    const evidence = await step.act();
    crashPoint(`cutover-after-${step.id}`);
    const millis = Math.round(now() - began);
    note(context, step, { record: { state: "done", at, millis, evidence }, kind: "step-done", evidence: { millis, ...evidence } });
    watcher.step(step.id, step.title, "done", millis);
  } catch (error) {
    watcher.step(step.id, step.mayBeLeft ?? step.title, "failed");
    if (step.mayBeLeft === undefined || isForAPerson(error)) {
      note(context, step, { record: { state: "failed", at }, kind: "step-failed", evidence: { error: messageOf(error) } });
      throw error;
    }
    const evidence = { left: step.mayBeLeft, error: messageOf(error) };
    note(context, step, { record: { state: "left", at, evidence }, kind: "step-left", evidence });
  }
}

/** It would give the same answer again, so there is nothing to wait for. */
function isForAPerson(error: unknown): boolean {
  return error instanceof PghaulError && error.code === "FENCE_BREACH";
}

/**
 * Undoes every step that was started: first those that let the old primary take writes, then last first. Refuses when a forward-only step's effect is
 * there. An undo that throws ends it there: what comes after would let clients run into a closed door.
 */
export async function walkBack(steps: readonly Step[], context: WalkContext): Promise<void> {
  const begun = steps.filter((step) => recordOf(context, step.id) !== undefined);
  for (const step of begun) {
    if (step.undo === "forward-only" && (await step.check())) {
      throw new PghaulError("CUTOVER_STATE", `step "${step.id}" has taken effect: the switch can only go forward`, {
        context: { step: step.id },
        suggestion: "pghaul cutover run",
      });
    }
  }
  const backwards = begun.toReversed();
  for (const step of [...backwards.filter(({ undoFirst }) => undoFirst), ...backwards.filter(({ undoFirst }) => !undoFirst)]) {
    if (typeof step.undo !== "function") continue;
    context.crashPoint(`cutover-undo-${step.id}`);
    await undo(step, step.undo, context);
  }
}

/** Does, or undoes, what an earlier walk had to leave. Throws the error that prevents it; journals only changes. */
export async function finishWhatIsLeft(steps: readonly Step[], context: WalkContext): Promise<void> {
  for (const step of steps) {
    if (recordOf(context, step.id)?.state !== "left") continue;
    if (context.store.load()?.outcome === "switched") await actAgain(step, context);
    else if (typeof step.undo === "function") {
      await undo(step, step.undo, context);
      if (recordOf(context, step.id)?.state === "left")
        throw new PghaulError("ROUTE_FAILED", step.undoMayFail ?? "", { context: { step: step.id } });
    }
  }
}

async function actAgain(step: Step, context: WalkContext): Promise<void> {
  const at = context.at();
  const began = context.now();
  try {
    const evidence = await step.act();
    const millis = Math.round(context.now() - began);
    note(context, step, { record: { state: "done", at, millis, evidence }, kind: "step-done", evidence: { millis, ...evidence } });
    context.watcher.step(step.id, step.title, "done", millis);
  } catch (error) {
    if (isForAPerson(error))
      note(context, step, { record: { state: "failed", at }, kind: "step-failed", evidence: { error: messageOf(error) } });
    throw error;
  }
}

async function undo(step: Step, act: () => Promise<void>, context: WalkContext): Promise<void> {
  const at = context.at();
  try {
    await step.takeOver?.();
    await act();
  } catch (error) {
    if (step.undoMayFail === undefined) throw error;
    const evidence = { left: step.undoMayFail, error: messageOf(error) };
    // Once: the watchdog comes back every few seconds.
    if (recordOf(context, step.id)?.state !== "left")
      note(context, step, { record: { state: "left", at, evidence }, kind: "undo-failed", evidence });
    context.watcher.step(step.id, step.undoMayFail, "failed");
    return;
  }
  note(context, step, { record: { state: "undone", at }, kind: "step-undone", evidence: {} });
  context.watcher.step(step.id, step.title, "undone");
}

function recordOf({ store }: WalkContext, id: string): StepRecord | undefined {
  return store.load()?.steps[id];
}

interface Note {
  readonly record: StepRecord;
  readonly kind: string;
  readonly evidence: Evidence;
}

function note({ store, journal, together }: WalkContext, { id }: Step, { record, kind, evidence }: Note): void {
  together(() => {
    const attempt = store.load();
    if (attempt === null) throw new Error("cutover: no attempt to record a step in");
    const doneAt = attempt.steps[id]?.doneAt ?? (record.state === "done" ? endOf(record) : undefined);
    const steps: Attempt["steps"] = { ...attempt.steps, [id]: doneAt === undefined ? record : { ...record, doneAt } };
    store.save({ ...attempt, steps });
    journal.append(kind, { step: id, ...evidence });
  });
}

function endOf({ at, millis = 0 }: StepRecord): string {
  return new Date(Date.parse(at) + millis).toISOString();
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
