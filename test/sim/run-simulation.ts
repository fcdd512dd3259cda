/** A seed of the row way: a target that answers at once what it holds. */
import type { EnginePorts } from "../../src/engine/ports.ts";
import { PghaulError } from "../../src/errors/pghaul-error.ts";
import type { Row } from "../../src/model/value.ts";
import type { Life } from "./crash.ts";
import { type OracleName, SimulationFailure } from "./failure.ts";
import { openRows } from "./open-rows.ts";
import { Oracle } from "./oracle.ts";
import type { Server } from "./postgres/server.ts";
import { drawRanges, rowText, type SimTable } from "./postgres/tables.ts";
import { Process } from "./process.ts";
import { Random } from "./random.ts";
import type { Actor } from "./scheduler.ts";
import { type Outcome, Simulation, type Tenant, type Way, type World } from "./simulation.ts";
import { SimTarget } from "./target/target.ts";
import { TargetState } from "./target/target-state.ts";

/** What a mutation may look into. */
export interface RowWorld {
  readonly server: Server;
  readonly target: TargetState;
  readonly random: Random;
}

/** Breaks one thing about the ports of a life; how a test shows that the oracles see it. */
export type Mutation = (ports: EnginePorts, world: RowWorld) => EnginePorts;

export interface SimulationOptions {
  readonly mutation?: Mutation;
  /** Oracles that keep silent. */
  readonly blind?: readonly OracleName[];
  readonly trace?: boolean;
}

export async function runSimulation(seed: number, { trace, ...options }: SimulationOptions = {}): Promise<Outcome> {
  return await new Simulation(seed, (world) => new RowWay(world, options), trace).run();
}

class RowWay implements Way {
  readonly #world: World;
  readonly #mutation: Mutation;
  readonly #target: TargetState;
  readonly #oracle: Oracle;
  readonly #holds: Random;
  readonly #holdOdds: number;
  #failOversLeft: number;

  constructor(world: World, { mutation, blind }: Omit<SimulationOptions, "trace">) {
    this.#world = world;
    this.#mutation = mutation ?? ((ports) => ports);
    this.#target = new TargetState(world.tables);
    this.#oracle = new Oracle(world.server.commits, world.store, blind ?? []);
    this.#holds = new Random(world.seed, 6);
    this.#holdOdds = this.#holds.pick([0, 0, 0.05, 0.3]);
    this.#failOversLeft = world.failOvers;
    this.#drawRefusals();
  }

  start(life: Life, others: Omit<EnginePorts, "target">): Tenant {
    const { random, server, store, tables, faults, count } = this.#world;
    const watch = (state: TargetState, touched: ReadonlySet<string>, streamMoved: boolean) =>
      this.#world.judge(() => this.#oracle.afterCommit(state, touched, streamMoved));
    const target = new SimTarget({ state: this.#target, life, random, faults, watch, note: count });
    const ports = this.#mutation({ ...others, target }, { server, target: this.#target, random });
    const moved = tables.map(({ table }) => table);
    const indexMillis = () => random.pick([0, 50, 3_000]);
    const process = new Process({
      ports,
      open: (signal) => openRows({ ports, tables: moved, store, makeDurable: () => this.#makeDurable(target), indexMillis }, signal),
      stopsAtOnce: random.chance(0.5),
      tables: moved,
      store,
      readers: random.between(1, 4),
      ranges: (table, leaves) => drawRanges(tables.find((sim) => sim.table === table) as SimTable, leaves, random),
      holdMillis: () => (this.#holds.chance(this.#holdOdds) ? this.#holds.pick([50, 3_000, 20_000]) : 0),
    });
    return new RowTenant(process, target, count);
  }

  actors(current: () => Tenant | null): readonly Actor[] {
    return [
      {
        name: "target fails over",
        background: true,
        weight: () => (this.#failOversLeft > 0 ? 0.03 : 0),
        move: () => {
          this.#failOversLeft -= 1;
          (current() as RowTenant | null)?.failOver();
        },
      },
      {
        name: "standby follows",
        background: true,
        weight: () => this.#world.standbyWeight,
        move: () => this.#target.standbyFollows(),
      },
      {
        name: "operator",
        weight: () => (this.#heldTables().length > 0 ? 0.1 : 0),
        move: () => {
          // As often as not the cause was another one, and the table is refused again.
          for (const table of this.#heldTables()) {
            if (this.#holds.chance(0.7)) this.#target.refusing.delete(table);
            this.#world.store.reloads.add(table);
          }
          current()?.process.endForReload();
        },
      },
    ];
  }

  isUnfinished(): boolean {
    return this.#world.store.reloads.size > 0 || [...this.#target.progress.values()].some(({ state }) => state === "held");
  }

  atEnd(live: ReadonlyMap<string, readonly Row[]>): void {
    this.#oracle.atEnd(this.#target, live);
  }

  async #makeDurable(target: SimTarget): Promise<void> {
    await target.makeDurable();
    // The log is kept for as long as a standby may be behind.
    this.#target.standbyFollows();
  }

  /** Some seeds have a table of which the target refuses some rows, until the operator removes the cause. */
  #drawRefusals(): void {
    const random = new Random(this.#world.seed, 7);
    if (!random.chance(0.3)) return;
    const table = random.pick([...this.#target.tables.values()]);
    const [every, rest] = [random.pick([3, 7, 20]), random.below(3)];
    this.#target.refusing.set(table.sim.table.id, (row) => checksum(rowText(row)) % every === rest);
    for (const [id, rows] of this.#target.tables) {
      rows.guard = (row) => {
        if (this.#target.progress.get(id)?.state === "held")
          throw new SimulationFailure("wrong-row", `${id} is written to while it is held`);
        if (this.#target.refusing.get(id)?.(row) === true) throw new PghaulError("ROW_REFUSED", `${id}: simulated`);
      };
    }
  }

  /** Held, and not yet asked to be loaded anew. */
  #heldTables(): readonly string[] {
    const { reloads } = this.#world.store;
    return [...this.#target.progress].flatMap(([id, { state }]) => (state === "held" && !reloads.has(id) ? [id] : []));
  }
}

class RowTenant implements Tenant {
  readonly process: Process;
  readonly #target: SimTarget;
  readonly #count: (what: string) => void;

  constructor(process: Process, target: SimTarget, count: (what: string) => void) {
    this.process = process;
    this.#target = target;
    this.#count = count;
  }

  get targetRemembers(): boolean {
    return this.#target.remembers;
  }

  crashTarget(): void {
    this.#target.crash();
  }

  failOver(): void {
    this.#target.failOver();
    if (!this.targetRemembers) this.#count("target went back");
  }
}

function checksum(text: string): number {
  let sum = 0;
  for (let index = 0; index < text.length; index++) sum = (sum * 31 + text.charCodeAt(index)) % 65_521;
  return sum;
}
