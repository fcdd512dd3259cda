import { availableParallelism, loadavg } from "node:os";

/** Beyond this a machine is not busy but stuck, and a test that hangs should say so within the hour. */
const MOST_PATIENCE = 10;
/** CI's machine is somebody else's. */
const CI_PATIENCE = 2;

/**
 * Milliseconds that something may take which needs `quietMillis` at most on a machine that has nothing else to do. Every deadline of the
 * tests goes through here: one that is met on a quiet machine must not fail because two other suites run beside it. PGHAUL_TEST_PATIENCE
 * sets the factor.
 */
export function deadline(quietMillis: number): number {
  return Math.round(quietMillis * patience());
}

/** Runnable processes for each core, over the last minute. */
function patience(): number {
  const set = Number(process.env.PGHAUL_TEST_PATIENCE ?? Number.NaN);
  if (Number.isFinite(set) && set > 0) return set;
  const [lastMinute = 0] = loadavg();
  const floor = process.env.CI === "true" ? CI_PATIENCE : 1;
  return Math.min(MOST_PATIENCE, Math.max(floor, lastMinute / availableParallelism()));
}
