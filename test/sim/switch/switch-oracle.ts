/** What must hold in a simulated switch, behind each change of the world. The first thing that does not is the verdict. */
import { primaryOf } from "../../../src/cutover/machine.ts";
import type { Attempt } from "../../../src/cutover/ports.ts";
import { isUnsettled } from "../../../src/cutover/watch-switch.ts";
import { otherSide, type SideName } from "../../../src/model/side.ts";
import type { SimRouter } from "./sim-route.ts";
import type { SimServer } from "./sim-side.ts";

export interface JudgedWorld {
  readonly servers: Readonly<Record<SideName, SimServer>>;
  readonly router: SimRouter;
  readonly acknowledged: ReadonlySet<string>;
  readonly attempt: () => Attempt | null;
}

export class SwitchOracle {
  verdict: Error | null = null;
  readonly #world: JudgedWorld;
  readonly #closed = new Set<SimServer>();

  constructor(world: JudgedWorld) {
    this.#world = world;
  }

  /** Never two primaries, nothing acknowledged missing where writes go, and what the record says is so. */
  changed(what: string): void {
    const { servers, router } = this.#world;
    const { source, target } = servers;
    this.#newlyOpen();
    if (source.takesWrites && target.takesWrites && target.wasGuarded) this.fail(`two primaries, behind "${what}"`);
    const attempt = this.#world.attempt();
    if (attempt?.outcome === "running") return;
    const primary = primaryOf(attempt);
    const other = otherSide(primary);
    if (!servers[primary].takesWrites) this.fail(`the record says that the ${primary} takes writes; it does not, behind "${what}"`);
    if (attempt?.steps["round-trips"] !== undefined && servers[other].takesWrites) {
      this.fail(`nobody is inside a switch, and the ${other} takes writes too, behind "${what}"`);
    }
    // A cancelled one may still have to lead the route back; what a finished one has left is no business of the clients.
    if (attempt?.outcome === "cancelled" && isUnsettled(attempt)) return;
    if (router.paused) this.fail(`the route is paused and nobody is inside a switch, behind "${what}"`);
    if (router.side !== primary) this.fail(`the route leads to the ${router.side}, the primary is the ${primary}, behind "${what}"`);
  }

  /** Everything has come to rest: both sides hold all that was acknowledged. */
  atEnd(): void {
    const { source, target } = this.#world.servers;
    this.changed("the end");
    for (const id of this.#world.acknowledged) {
      if (!source.rows.has(id) || !target.rows.has(id)) this.fail(`${id} was acknowledged and is lost`);
    }
  }

  fail(why: string): void {
    this.verdict ??= new Error(why);
  }

  /** A side that begins to take writes has everything that was acknowledged before. */
  #newlyOpen(): void {
    for (const server of Object.values(this.#world.servers)) {
      if (!server.takesWrites) this.#closed.add(server);
      else if (this.#closed.delete(server)) {
        const missing = [...this.#world.acknowledged].filter((id) => !server.rows.has(id));
        if (missing.length > 0) this.fail(`the ${server.name} was opened without ${missing.join(", ")}, which were acknowledged`);
      }
    }
  }
}
