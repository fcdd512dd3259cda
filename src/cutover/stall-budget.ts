import { PghaulError } from "../errors/pghaul-error.ts";

/** Steps during which clients wait, in their order. */
export type PausedStep = "pause" | "fence" | "drain" | "sequences" | "route" | "open" | "resume";

export interface StallLimits {
  /** Longest time from the pause to the opening of the new primary, ms. */
  readonly maxStallMillis: number;
  /** Of single steps, ms; a step without one may take what is left of the whole. */
  readonly deadlines: Partial<Readonly<Record<PausedStep, number>>>;
}

/** Calls `late` after that many milliseconds, unless what it returns is called before. */
export type Timer = (millis: number, late: () => void) => () => void;

/** How much of the stall is left. A miss before the point of no return cancels the switch. */
export class StallBudget {
  readonly #limits: StallLimits;
  readonly #now: () => number;
  readonly #timer: Timer;
  #began: number | null = null;
  /** Since when each step has had its turn. */
  readonly #turns: { readonly step: PausedStep; readonly at: number }[] = [];

  constructor(limits: StallLimits, now: () => number, timer: Timer = systemTimer) {
    this.#timer = timer;
    this.#limits = limits;
    this.#now = now;
  }

  /** Clients wait from now on. */
  begin(): void {
    this.#began = this.#now();
    this.#turns.length = 0;
  }

  /** The time that a step may take; its full limit if no clients wait (a switch that continues in a new process has not paused them). */
  limitOf(step: PausedStep): number {
    const now = this.#now();
    if (this.#turns.at(-1)?.step !== step) this.#turns.push({ step, at: now });
    const { maxStallMillis, deadlines } = this.#limits;
    const left = this.#began === null ? maxStallMillis : maxStallMillis - (now - this.#began);
    const own = deadlines[step];
    // A step may ask twice, for each of its calls: its own deadline is one for all of them.
    const ownLeft = own === undefined ? left : own - (now - (this.#turns.at(-1)?.at ?? now));
    return Math.max(1, Math.min(left, ownLeft));
  }

  /** Throws CUTOVER_DEADLINE when nothing is left. */
  refuseIfSpent(step: PausedStep): void {
    const { maxStallMillis } = this.#limits;
    if (this.#began !== null && this.#now() - this.#began > maxStallMillis) throw this.#missed(step, maxStallMillis);
  }

  /**
   * Runs `work` and stops waiting for it at its limit: a server that has frozen must not keep the clients waiting. The rest of `work`
   * goes on unobserved, so it must be harmless however late it ends. Throws CUTOVER_DEADLINE.
   */
  async within<T>(step: PausedStep, work: () => Promise<T>): Promise<T> {
    const limit = this.limitOf(step);
    const late = Promise.withResolvers<never>();
    late.promise.catch(() => undefined);
    const stop = this.#timer(limit, () => late.reject(this.#missed(step, limit)));
    const running = work();
    running.catch(() => undefined);
    try {
      return await Promise.race([running, late.promise]);
    } finally {
      stop();
    }
  }

  /** Names the step that used up the time: it is seldom the one that found none left. */
  #missed(step: PausedStep, limitMillis: number): PghaulError {
    const now = this.#now();
    const took = this.#turns.map(({ step: one, at }, turn) => ({ step: one, millis: Math.round((this.#turns[turn + 1]?.at ?? now) - at) }));
    const longest = took.reduce((most, one) => (one.millis > most.millis ? one : most), { step, millis: 0 });
    const own = this.#limits.deadlines[step];
    const isOwn = longest.step === step || (own !== undefined && limitMillis >= own);
    const message = isOwn
      ? `the step "${step}" was not done within ${Math.round(limitMillis)} ms`
      : `the step "${longest.step}" took ${longest.millis} ms of the ${this.#limits.maxStallMillis} ms that clients may wait, so nothing was left for "${step}"`;
    return new PghaulError("CUTOVER_DEADLINE", message, {
      context: {
        step: isOwn ? step : longest.step,
        limitMillis: Math.round(limitMillis),
        took: took.map((one) => `${one.step} ${one.millis} ms`).join(", "),
      },
      suggestion: "pghaul cutover check   # then run it again; cutover.maxStall and cutover.deadlines limit how long a step may take",
    });
  }
}

const systemTimer: Timer = (millis, late) => {
  const timer = setTimeout(late, millis);
  return () => clearTimeout(timer);
};
