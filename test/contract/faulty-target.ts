/** A target's port with a fault in front of one of its calls: what a network, a full disk or a slow warehouse make of it. */

export type Fault =
  /** The call is not made. */
  | "rejects"
  /** The call is made, and its answer lost. */
  | "fails after success"
  /** The call is made, and its answer comes when the test lets it. */
  | "holds"
  /** The call is made a while later. */
  | "delays";

export class FaultPlan {
  /** Calls so far. */
  calls = 0;
  readonly #at: number;
  readonly #fault: Fault;
  readonly #error: () => Error;
  readonly #held = Promise.withResolvers<void>();

  /** The fault strikes at call number `at` (from 1 on), and at no other; `error` makes what is thrown. */
  constructor(at: number, fault: Fault, error: () => Error) {
    this.#at = at;
    this.#fault = fault;
    this.#error = error;
  }

  get hasStruck(): boolean {
    return this.calls >= this.#at;
  }

  /** Lets an answer go that is held. */
  release(): void {
    this.#held.resolve();
  }

  async around<T>(call: () => Promise<T>): Promise<T> {
    this.calls += 1;
    if (this.calls !== this.#at) return await call();
    if (this.#fault === "rejects") throw this.#error();
    if (this.#fault === "delays") for (let ticks = 0; ticks < 5; ticks++) await new Promise((resolve) => setImmediate(resolve));
    const answer = await call();
    if (this.#fault === "holds") await this.#held.promise;
    if (this.#fault === "fails after success") throw this.#error();
    return answer;
  }
}

/** The same port, each call of which goes through the plan. */
export function faulty<T extends object>(port: T, plan: FaultPlan): T {
  return new Proxy(port, {
    get: (object, name) => {
      const member: unknown = Reflect.get(object, name, object);
      return typeof member === "function" ? (...args: unknown[]) => plan.around(async () => await member.apply(object, args)) : member;
    },
  });
}
