import { ConstraintConflict } from "../../../engine/ports.ts";
import { sqlState } from "../../../postgres/wrap-error.ts";
import type { TargetSession } from "../target-session.ts";

export const SAVEPOINT = "savepoint pghaul";
export const RELEASE = "release savepoint pghaul";
const UNDO = ["rollback to savepoint pghaul", RELEASE];

/** Around more than one of ours; SAVEPOINT may be set and released within. */
const OUTER = "savepoint pghaul_attempt";
const RELEASE_OUTER = "release savepoint pghaul_attempt";

/** unique_violation, exclusion_violation. */
const CONFLICTS: ReadonlySet<string | undefined> = new Set(["23505", "23P01"]);

/** True when a unique or exclusion constraint refused. */
export function isConflict(error: unknown): boolean {
  return CONFLICTS.has(sqlState(error));
}

/**
 * Runs `work`, which sets and releases SAVEPOINT itself (in the same round trip as its statements). When a unique or exclusion
 * constraint refuses, undoes it, runs `after` and throws ConstraintConflict; the transaction can go on.
 */
export async function undoneOnConflict<T>(session: TargetSession, after: readonly string[], work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!isConflict(error)) throw error;
    await session.script([...UNDO, ...after]);
    throw new ConstraintConflict(error instanceof Error ? error.message : "a constraint refused");
  }
}

/** Runs `work`; when it throws, what it did is undone and the transaction can go on. */
export async function undoneOnError<T>(session: TargetSession, work: () => Promise<T>): Promise<T> {
  await session.script([OUTER]);
  const made = session.stages.made;
  try {
    const result = await work();
    await session.script([RELEASE_OUTER]);
    return result;
  } catch (error) {
    if (session.lost) throw error;
    await session.script(["rollback to savepoint pghaul_attempt", RELEASE_OUTER]);
    session.stages.undoneTo(made);
    throw error;
  }
}
