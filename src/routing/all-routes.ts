import type { Route } from "../cutover/ports.ts";
import { PghaulError } from "../errors/pghaul-error.ts";
import type { SideName } from "../model/side.ts";

/** Several routes as one: pauses and switches all, in order; where they disagree, nobody guesses. */
export class AllRoutes implements Route {
  readonly kind: string;
  readonly #routes: readonly Route[];

  constructor(routes: readonly Route[]) {
    this.#routes = routes;
    this.kind = routes.map(({ kind }) => kind).join(" + ");
  }

  async takeOver(limitMillis: number): Promise<void> {
    await all(this.#routes, (route) => route.takeOver(limitMillis));
  }

  async pause(limitMillis: number): Promise<void> {
    await all(this.#routes, (route) => route.pause(limitMillis));
  }

  /** One that fails does not keep the others waiting. */
  async resume(limitMillis: number): Promise<void> {
    await all(this.#routes, (route) => route.resume(limitMillis));
  }

  async switchTo(side: SideName, limitMillis: number): Promise<void> {
    const until = performance.now() + limitMillis;
    for (const route of this.#routes) await route.switchTo(side, Math.max(1, until - performance.now()));
  }

  async current(limitMillis: number): Promise<SideName | null> {
    const told = new Set((await Promise.all(this.#routes.map((route) => route.current(limitMillis)))).filter((side) => side !== null));
    if (told.size <= 1) return [...told][0] ?? null;
    throw new PghaulError("REALITY_DIFFERS", `the routes disagree: some point to the source, some to the target (${this.kind})`, {
      suggestion: "pghaul cutover status",
    });
  }
}

/** Waits for every one, then throws what the first that failed threw. */
async function all(routes: readonly Route[], act: (route: Route) => Promise<void>): Promise<void> {
  const failed = (await Promise.allSettled(routes.map(act))).find((result) => result.status === "rejected");
  if (failed !== undefined) throw failed.reason;
}
