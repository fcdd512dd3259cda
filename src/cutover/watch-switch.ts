/**
 * The watchdog of a switch: looks, each time it is asked to, whether one has lost its driver, and settles it. It goes on until that has
 * succeeded: a target that is away for a minute must not leave two databases that both refuse.
 */
import type { Attempt } from "./ports.ts";

export interface SwitchWatchParts {
  readonly attempt: () => Attempt | null;
  /** A process drives a switch now, or settles one. */
  readonly isDriven: () => Promise<boolean>;
  /** Settles it, unless another process has taken the lead meanwhile. Throws what keeps it. */
  readonly settle: () => Promise<void>;
  /** Hears each failure; `tries` counts them since the switch was abandoned. */
  readonly failed: (attempt: Attempt, tries: number, why: unknown) => void;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
}

/** A driver takes its lease before its first record and keeps it to the last; this much is for a machine that is busy. */
const GRACE_MILLIS = 2_000;
const FIRST_PAUSE_MILLIS = 1_000;
const LONGEST_PAUSE_MILLIS = 10_000;

/** Neither side, nor the route, may be as the record says they will be: somebody has to go on with it. */
export function isUnsettled(attempt: Attempt | null): attempt is Attempt {
  return attempt !== null && (attempt.outcome === "running" || Object.values(attempt.steps).some(({ state }) => state === "left"));
}

export class SwitchWatch {
  readonly #parts: SwitchWatchParts;
  #dueAt: number | null = null;
  #tries = 0;

  constructor(parts: SwitchWatchParts) {
    this.#parts = parts;
  }

  /** Cheap when nothing is to be done. Never throws. */
  async look(): Promise<void> {
    await this.#lookAfter(GRACE_MILLIS);
  }

  /** The same without grace, for the begin of a process's life. */
  async lookAtOnce(): Promise<void> {
    await this.#lookAfter(0);
  }

  async #lookAfter(graceMillis: number): Promise<void> {
    const { attempt, isDriven, now } = this.#parts;
    const left = attempt();
    if (!isUnsettled(left)) {
      this.#tries = 0;
      this.#dueAt = null;
      return;
    }
    if (await isDriven()) {
      this.#dueAt = null;
      return;
    }
    this.#dueAt ??= now() + graceMillis;
    if (now() >= this.#dueAt) await this.#settle(left);
  }

  async #settle(left: Attempt): Promise<void> {
    const { settle, failed, now } = this.#parts;
    try {
      await settle();
      this.#dueAt = null;
    } catch (error) {
      this.#dueAt = now() + Math.min(FIRST_PAUSE_MILLIS * 2 ** this.#tries, LONGEST_PAUSE_MILLIS);
      this.#tries += 1;
      failed(left, this.#tries, error);
    }
  }
}
