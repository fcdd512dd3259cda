import type { Lsn } from "../model/lsn.ts";

interface Waiter {
  readonly lsn: Lsn;
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
}

/** How far the log has come, and those who wait for it. */
export class PassedGate {
  #passed: Lsn;
  #failure: { readonly reason: unknown } | null = null;
  readonly #waiters = new Set<Waiter>();

  constructor(passed: Lsn) {
    this.#passed = passed;
  }

  get passed(): Lsn {
    return this.#passed;
  }

  /** Moves on; never back. */
  advance(passed: Lsn): void {
    if (passed <= this.#passed) return;
    this.#passed = passed;
    for (const waiter of this.#waiters) if (waiter.lsn <= passed) waiter.resolve();
  }

  /** It will not move any more: everybody who waits, now or later, gets the reason. */
  fail(reason: unknown): void {
    this.#failure ??= { reason };
    for (const waiter of this.#waiters) waiter.reject(reason);
  }

  async wait(lsn: Lsn, signal: AbortSignal): Promise<void> {
    if (this.#passed >= lsn) return;
    signal.throwIfAborted();
    if (this.#failure !== null) throw this.#failure.reason;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiter: Waiter = { lsn, resolve, reject };
    const abort = (): void => reject(signal.reason);
    this.#waiters.add(waiter);
    signal.addEventListener("abort", abort, { once: true });
    try {
      await promise;
    } finally {
      this.#waiters.delete(waiter);
      signal.removeEventListener("abort", abort);
    }
  }
}
