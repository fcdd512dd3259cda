import type { Clock, CrashPoints } from "../../engine/ports.ts";
import type { DurableStep } from "../../log/local-log.ts";
import { type Lsn, minLsn } from "../../model/lsn.ts";

/**
 * A record costs the one thread a wait for the disk. What is fsynced and not on record yet is only sent again after a crash, and left out, for
 * the log holds it.
 */
const RECORD_MILLIS = 200;

export interface DurableRecordOptions {
  /** Makes the step durable in the state; its counts are added. */
  readonly recordDurable: (step: DurableStep) => void;
  /** Tells the slot. */
  readonly acknowledge: (lsn: Lsn) => void;
  /** What the other stores of the log hold; without it there are none. */
  readonly storedTo?: () => Lsn;
  readonly clock: Clock;
  readonly crashPoint: CrashPoints;
}

/** What the log has fsynced and the state does not know yet. The slot hears only of what both hold, and every other store of the log. */
export class DurableRecord {
  readonly #options: DurableRecordOptions;
  #step: DurableStep | null = null;
  #recorded: Lsn | null = null;
  #dueAt = Number.POSITIVE_INFINITY;

  constructor(options: DurableRecordOptions) {
    this.#options = options;
  }

  /** Milliseconds until it wants to be settled; infinite while there is nothing. */
  get dueMillis(): number {
    return Math.max(0, this.#dueAt - this.#options.clock.now());
  }

  /** Takes a step that is fsynced. */
  add(step: DurableStep): void {
    if (this.#step === null) this.#dueAt = this.#options.clock.now() + RECORD_MILLIS;
    this.#step = this.#step === null ? step : joined(this.#step, step);
  }

  /** Tells the slot of what is on record and stored elsewhere too, as far as it is. */
  acknowledge(): void {
    const { acknowledge, storedTo } = this.#options;
    if (this.#recorded !== null) acknowledge(storedTo === undefined ? this.#recorded : minLsn(this.#recorded, storedTo()));
  }

  /** Puts everything on record, and only then acknowledges it. */
  settle(): void {
    const { recordDurable, crashPoint } = this.#options;
    const step = this.#step;
    this.#step = null;
    this.#dueAt = Number.POSITIVE_INFINITY;
    if (step === null) return;
    crashPoint("before-record");
    recordDurable(step);
    this.#recorded = step.lsn;
    crashPoint("before-acknowledge");
    this.acknowledge();
  }
}

function joined(before: DurableStep, step: DurableStep): DurableStep {
  return {
    lsn: step.lsn,
    xidReference: step.xidReference,
    lastCommitMicros: step.lastCommitMicros ?? before.lastCommitMicros,
    transactions: before.transactions + step.transactions,
    changes: before.changes + step.changes,
    bytes: before.bytes + step.bytes,
  };
}
