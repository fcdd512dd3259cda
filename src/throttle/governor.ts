/**
 * Decides whether the load may start another read. It measures only when somebody asks, and not more often than every two seconds: a load that
 * has ended, or is busy with long reads, costs the source nothing.
 */
import type { Clock, ReadGate } from "../engine/ports.ts";
import type { Pressure } from "./pressure.ts";
import { type Limits, reasonsToHold } from "./reasons.ts";

const MEASURE_EVERY_MILLIS = 2_000;
/** Slower to let go than to hold: a standby that has just caught up would fall behind again at once. */
const GOOD_TO_RELEASE = 3;

export interface GovernorParts {
  readonly limits: Limits;
  /** Null when the source did not answer: that proves nothing either way, and whoever reads there will say so. */
  readonly measure: (signal: AbortSignal) => Promise<Pressure | null>;
  readonly clock: Clock;
  readonly today: () => Date;
  /** Hears why at every measurement that finds a reason to hold, and null once when reads are released. */
  readonly told: (why: string | null) => void;
}

export class Governor implements ReadGate {
  readonly #parts: GovernorParts;
  #measuring: Promise<void> | null = null;
  #measuredAt = Number.NEGATIVE_INFINITY;
  #held = false;
  #good = 0;

  constructor(parts: GovernorParts) {
    this.#parts = parts;
  }

  /** Whoever asks at the same time has the same `signal`, or one that aborts with it. */
  async mayRead(signal: AbortSignal): Promise<void> {
    const { clock } = this.#parts;
    for (;;) {
      signal.throwIfAborted();
      if (clock.now() - this.#measuredAt >= MEASURE_EVERY_MILLIS) await this.#measureOnce(signal);
      if (!this.#held) return;
      await clock.sleep(Math.max(0, this.#measuredAt + MEASURE_EVERY_MILLIS - clock.now()), signal);
    }
  }

  async #measureOnce(signal: AbortSignal): Promise<void> {
    this.#measuring ??= this.#measure(signal).finally(() => {
      this.#measuring = null;
    });
    await this.#measuring;
  }

  async #measure(signal: AbortSignal): Promise<void> {
    const { limits, measure, clock, today, told } = this.#parts;
    const pressure = await measure(signal);
    signal.throwIfAborted();
    this.#measuredAt = clock.now();
    const reasons = reasonsToHold(limits, pressure, today());
    if (reasons.length > 0) {
      this.#held = true;
      this.#good = 0;
      told(reasons.join("; "));
    } else if (this.#held && pressure !== null) {
      this.#good += 1;
      if (this.#good < GOOD_TO_RELEASE) return;
      this.#held = false;
      told(null);
    }
  }
}
