import type { Route, SideName } from "../cutover/ports.ts";
import { PghaulError } from "../errors/pghaul-error.ts";

/** Several routes as one: pauses and switches all, in order; where they disagree, nobody guesses. */
export class AllRoutes implements Route {
  readonly kind: string;
  readonly #routes: readonly Route[];

  constructor(routes: readonly Route[]) {
    this.#routes = routes;
    this.kind = routes.map(({ kind }) => kind).join(" + ");
  }

  async pause(): Promise<void> {
    await Promise.all(this.#routes.map((route) => route.pause()));
  }

  async resume(): Promise<void> {
    await Promise.all(this.#routes.map((route) => route.resume()));
  }

  async switchTo(side: SideName): Promise<void> {
    for (const route of this.#routes) await route.switchTo(side);
  }

  async current(): Promise<SideName | null> {
    const told = new Set((await Promise.all(this.#routes.map((route) => route.current()))).filter((side) => side !== null));
    if (told.size <= 1) return [...told][0] ?? null;
    throw new PghaulError("REALITY_DIFFERS", `the routes disagree: some lead to the source, some to the target (${this.kind})`, {
      suggestion: "pghaul cutover status",
    });
  }
}
