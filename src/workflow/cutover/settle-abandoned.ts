/**
 * The watchdog of a switch, for the process that streams: when the process that drove a cutover has died, somebody must let the clients go
 * on, and no operator is fast enough.
 */
import { settle } from "../../cutover/run-switch.ts";
import { isUnsettled, SwitchWatch } from "../../cutover/watch-switch.ts";
import { PghaulError } from "../../errors/pghaul-error.ts";
import type { ProgressBus } from "../../observe/events.ts";
import { CutoverStore } from "../../state/cutover-store.ts";
import { acquireLease, type Lease, leaseHolder } from "../../state/lease.ts";
import type { Migration } from "../open-migration.ts";
import { systemClock } from "../system-clock.ts";
import { withCutover } from "./plan-cutover.ts";
import { SETTLING } from "./run-cutover.ts";

const POLL_MILLIS = 250;

/**
 * Settles what has lost its driver, now and whenever it happens, until `stop`: finished when the new primary was open, else cancelled. Returns
 * when it has stopped; a settlement under way is brought to its end. Never throws: what goes wrong is a warning, for the stream must go on.
 */
export async function settleAbandoned(migration: Migration, bus: ProgressBus, stop: AbortSignal): Promise<void> {
  const store = new CutoverStore(migration.state);
  const directory = migration.config.state.dir;
  const warn = (message: string): void => bus.emit({ kind: "warning", code: "CUTOVER_ABANDONED", message });
  let told = "";
  let began = "";
  // The tries go on for as long as it takes: what is begun is told once, what is reached always.
  const tellOnce = (message: string): void => {
    if (message !== began) warn(message);
    began = message;
  };
  const watch = new SwitchWatch({
    attempt: () => store.load(),
    isDriven: async () => (await leaseHolder(directory, "cutover")) !== null,
    settle: () => settleOnce(migration, bus, tellOnce),
    failed: ({ id }, tries, why) => {
      const message = why instanceof Error ? why.message : String(why);
      store.noteSettling({ attempt: id, tries, why: message, at: new Date().toISOString() });
      // Each reason once: the tries go on for as long as it takes.
      if (message !== told) warn(`the unfinished switch could not be settled yet; trying again until it is: ${message}`);
      told = message;
    },
    now: () => systemClock.now(),
  });
  const safely = (look: Promise<void>): Promise<void> =>
    look.catch((error: unknown) =>
      warn(`pghaul cannot tell whether a switch is abandoned: ${error instanceof Error ? error.message : String(error)}`),
    );
  await safely(watch.lookAtOnce());
  while (!stop.aborted) {
    await systemClock.sleep(POLL_MILLIS, stop).catch(() => undefined);
    if (!stop.aborted) await safely(watch.look());
  }
}

async function settleOnce(migration: Migration, bus: ProgressBus, warn: (message: string) => void): Promise<void> {
  const lease = await takeLease(migration.config.state.dir);
  if (lease === null) return;
  try {
    const left = new CutoverStore(migration.state).load();
    if (!isUnsettled(left)) return;
    if (left.outcome === "running") warn(`the process that drove the switch to the ${left.to} ended in the middle; settling the switch`);
    await withCutover(migration, bus, async (cutover) => {
      const settled = await settle(cutover.steps(left.to), cutover.context(left.planDigest));
      warn(
        settled?.outcome === "switched"
          ? `the switch to the ${left.to} was finished`
          : `the switch was cancelled; the old primary takes writes`,
      );
    });
  } finally {
    lease.release();
  }
}

async function takeLease(directory: string): Promise<Lease | null> {
  try {
    return await acquireLease(directory, "cutover", SETTLING);
  } catch (error) {
    if (error instanceof PghaulError && error.code === "STATE_LOCKED") return null;
    throw error;
  }
}
