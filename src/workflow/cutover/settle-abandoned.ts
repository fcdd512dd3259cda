/**
 * The watchdog of a switch, for the process that streams: when the process that drove a cutover has died, somebody must let the clients go
 * on, and no operator is fast enough.
 */
import type { Attempt } from "../../cutover/ports.ts";
import { settle } from "../../cutover/run-switch.ts";
import { PghaulError } from "../../errors/pghaul-error.ts";
import type { ProgressBus } from "../../observe/events.ts";
import { CutoverStore } from "../../state/cutover-store.ts";
import { acquireLease, leaseHolder } from "../../state/lease.ts";
import type { Migration } from "../open-migration.ts";
import { withCutover } from "./plan-cutover.ts";
import { SETTLING } from "./run-cutover.ts";

/** A driver takes its lease before its first record and keeps it to the last; this much is for a machine that is busy. */
const GRACE_MILLIS = 2_000;

/** Looks, each time it is called, whether a switch has lost its driver, and settles it once: finished when the new primary was open, else cancelled. */
export class AbandonedCutover {
  readonly #migration: Migration;
  readonly #bus: ProgressBus;
  readonly #now: () => number;
  #since: number | null = null;
  /** The attempt, as it was when settling it failed: tried again only when somebody has moved it. */
  #given: string | null = null;

  constructor(migration: Migration, bus: ProgressBus, now: () => number) {
    this.#migration = migration;
    this.#bus = bus;
    this.#now = now;
  }

  /** Cheap when nothing is to be done. Never throws: what goes wrong is a warning, for the stream must go on. */
  async look(): Promise<void> {
    try {
      if (!(await this.#isAbandoned())) this.#since = null;
      else if (this.#since === null) this.#since = this.#now();
      else if (this.#now() - this.#since >= GRACE_MILLIS) await this.#settle();
    } catch (error) {
      this.#since = null;
      this.#warn(`an unfinished cutover could not be settled: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  async #isAbandoned(): Promise<boolean> {
    const attempt = this.#attempt();
    if (attempt?.outcome !== "running" || this.#given === JSON.stringify(attempt)) return false;
    return (await leaseHolder(this.#migration.config.state.dir, "cutover")) === null;
  }

  async #settle(): Promise<void> {
    this.#since = null;
    const lease = await this.#takeLease();
    if (lease === null) return;
    try {
      const left = this.#attempt();
      if (left?.outcome !== "running") return;
      this.#warn(`the process that drove the switch to the ${left.to} has ended in the middle; settling it`);
      await withCutover(this.#migration, this.#bus, async (cutover) => {
        const settled = await settle(cutover.steps(left.to), cutover.context(left.planDigest));
        this.#warn(
          settled?.outcome === "switched"
            ? `the switch to the ${left.to} was finished`
            : `the switch was cancelled; the old primary takes writes`,
        );
      });
    } finally {
      this.#given = JSON.stringify(this.#attempt());
      lease.release();
    }
  }

  async #takeLease(): Promise<Awaited<ReturnType<typeof acquireLease>> | null> {
    try {
      return await acquireLease(this.#migration.config.state.dir, "cutover", SETTLING);
    } catch (error) {
      if (error instanceof PghaulError && error.code === "STATE_LOCKED") return null;
      throw error;
    }
  }

  #attempt(): Attempt | null {
    return new CutoverStore(this.#migration.state).load();
  }

  #warn(message: string): void {
    this.#bus.emit({ kind: "warning", code: "CUTOVER_ABANDONED", message });
  }
}
