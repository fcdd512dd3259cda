/** A route that a hook of the operator changes: a process of its own, which takes its time, fails, hangs, and may outlive who called it. */
import type { Route } from "../../../src/cutover/ports.ts";
import { PghaulError } from "../../../src/errors/pghaul-error.ts";
import type { SideName } from "../../../src/model/side.ts";
import type { Life } from "../crash.ts";
import type { Random } from "../random.ts";

interface Hook {
  readonly life: Life;
  readonly what: string;
  readonly run: () => void;
  readonly end: (error: unknown) => void;
}

export class SimRouter {
  side: SideName = "source";
  paused = false;
  /** Odds of a hook that fails, before or after its work. */
  failureOdds = 0;
  readonly #changed: (what: string) => void;
  #hooks: Hook[] = [];

  constructor(changed: (what: string) => void) {
    this.#changed = changed;
  }

  weight(): number {
    return this.#hooks.length * 3;
  }

  /** One of the hooks does its work and ends. */
  move(random: Random): void {
    const hook = random.pick(this.#hooks);
    const fails = random.chance(this.failureOdds);
    if (!fails || random.chance(0.5)) hook.run();
    this.#hooks = this.#hooks.filter((other) => other !== hook);
    this.#changed(`hook ${hook.what}`);
    hook.end(fails ? new PghaulError("ROUTE_FAILED", "exit 1") : null);
  }

  start(hook: Hook): void {
    this.#hooks.push(hook);
  }

  /** Kills hooks; their work is not done. */
  kill(which: (hook: Hook) => boolean, error: unknown): void {
    const killed = this.#hooks.filter(which);
    this.#hooks = this.#hooks.filter((hook) => !which(hook));
    for (const { end } of killed) end(error);
  }
}

/** The route as one process sees it. */
export class SimRoute implements Route {
  readonly kind = "simulated";
  readonly #router: SimRouter;
  readonly #life: Life;

  constructor(router: SimRouter, life: Life) {
    this.#router = router;
    this.#life = life;
  }

  async takeOver(): Promise<void> {
    await this.#life.turn("route take over");
    this.#router.kill(({ life }) => life !== this.#life, new PghaulError("ROUTE_FAILED", "killed"));
  }

  pause(limitMillis: number): Promise<void> {
    return this.#call("pause", limitMillis, () => {
      this.#router.paused = true;
    });
  }

  resume(limitMillis: number): Promise<void> {
    return this.#call("resume", limitMillis, () => {
      this.#router.paused = false;
    });
  }

  switchTo(side: SideName, limitMillis: number): Promise<void> {
    return this.#call(`switch ${side}`, limitMillis, () => {
      this.#router.side = side;
    });
  }

  async current(limitMillis: number): Promise<SideName | null> {
    let side: SideName = this.#router.side;
    await this.#call("status", limitMillis, () => {
      side = this.#router.side;
    });
    return side;
  }

  async #call(what: string, limitMillis: number, run: () => void): Promise<void> {
    await this.#life.turn(`route ${what}`);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const hook: Hook = { life: this.#life, what, run, end: (error) => (error === null ? resolve() : reject(error)) };
    this.#router.start(hook);
    const timer = new AbortController();
    this.#life.sleep(limitMillis, timer.signal).then(
      () => this.#router.kill((other) => other === hook, new PghaulError("ROUTE_FAILED", "did not end in time")),
      () => undefined,
    );
    try {
      await promise;
      await this.#life.turn(`route answers ${what}`);
    } finally {
      timer.abort();
    }
  }
}
