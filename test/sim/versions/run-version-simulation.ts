/** A seed of the version way: a target that takes batches and settles later. */

import type { VersionTarget } from "../../../src/engine/ports/version-target.ts";
import type { EnginePorts } from "../../../src/engine/ports.ts";
import type { VersionPorts } from "../../../src/engine/versions/version-stream.ts";
import type { Row } from "../../../src/model/value.ts";
import type { Life } from "../crash.ts";
import type { Server } from "../postgres/server.ts";
import { drawRanges, type SimTable } from "../postgres/tables.ts";
import { Process } from "../process.ts";
import { Random } from "../random.ts";
import type { Actor } from "../scheduler.ts";
import { type Outcome, Simulation, type Tenant, type Way, type World } from "../simulation.ts";
import type { MergeFault } from "./merge-versions.ts";
import { openVersions } from "./open-versions.ts";
import { SimVersionTarget } from "./sim-version-target.ts";
import { VersionOracle } from "./version-oracle.ts";
import { VersionState } from "./version-state.ts";

/** What a mutation may look into. */
export interface VersionWorld {
  readonly server: Server;
  readonly state: VersionState;
  readonly random: Random;
}

/** Breaks one thing about the ports of a life. */
export type VersionMutation = (ports: VersionPorts, world: VersionWorld) => VersionPorts;

export interface VersionSimulationOptions {
  readonly mutation?: VersionMutation;
  /** Breaks one part of the rule by which the target merges. */
  readonly fault?: MergeFault;
  readonly trace?: boolean;
}

export async function runVersionSimulation(seed: number, { trace, ...options }: VersionSimulationOptions = {}): Promise<Outcome> {
  return await new Simulation(seed, (world) => new VersionWay(world, options), trace).run();
}

class VersionWay implements Way {
  readonly #world: World;
  readonly #mutation: VersionMutation;
  readonly #state: VersionState;
  readonly #oracle: VersionOracle;
  readonly #random: Random;
  readonly #cadence: VersionTarget["cadence"];
  #reloadsLeft: number;

  constructor(world: World, { mutation, fault }: Omit<VersionSimulationOptions, "trace">) {
    this.#world = world;
    this.#mutation = mutation ?? ((ports) => ports);
    this.#random = new Random(world.seed, 8);
    this.#state = new VersionState(world.tables, this.#random.chance(0.6));
    this.#oracle = new VersionOracle(world.server.commits, this.#random, fault ?? {});
    this.#cadence = { bytes: this.#random.pick([100, 1_000, 1_000_000]), millis: this.#random.pick([0, 50, 2_000]) };
    this.#reloadsLeft = this.#random.pick([0, 0, 0, 1, 2]);
  }

  start(life: Life, others: Omit<EnginePorts, "target">): Tenant {
    const { random, server, store, tables, faults, count, judge } = this.#world;
    const watch = (state: VersionState) => judge(() => this.#oracle.afterStep(state));
    const target = new SimVersionTarget({ state: this.#state, life, faults, cadence: this.#cadence, note: count, watch });
    const ports = this.#mutation({ ...others, target }, { server, state: this.#state, random });
    const moved = tables.map(({ table }) => table);
    const process = new Process({
      ports,
      open: (signal) => openVersions(ports, moved, store, signal),
      stopsAtOnce: random.chance(0.5),
      tables: moved,
      store,
      readers: random.between(1, 4),
      ranges: (table, leaves) => drawRanges(tables.find((sim) => sim.table === table) as SimTable, leaves, random),
      holdMillis: () => (this.#random.chance(0.1) ? this.#random.pick([50, 3_000]) : 0),
    });
    return {
      process,
      crashTarget: () => target.crash(),
      get targetRemembers() {
        return target.remembers;
      },
    };
  }

  actors(current: () => Tenant | null): readonly Actor[] {
    return [
      {
        name: "operator",
        background: true,
        weight: () => (this.#reloadsLeft > 0 ? 0.05 : 0),
        move: () => {
          this.#reloadsLeft -= 1;
          this.#world.store.reloads.add(this.#random.pick(this.#world.tables).table.id);
          current()?.process.endForReload();
        },
      },
    ];
  }

  isUnfinished(): boolean {
    return this.#world.store.reloads.size > 0 || this.#state.progress().pending.length > 0;
  }

  atEnd(live: ReadonlyMap<string, readonly Row[]>): void {
    this.#oracle.atEnd(this.#state, live);
  }
}
