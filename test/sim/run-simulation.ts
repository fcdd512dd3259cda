/** One seed: a world is drawn, the engine lives in it through crashes, lost connections and stops until everything has arrived. */
import type { BatchLimits, EnginePorts } from "../../src/engine/ports.ts";
import { PghaulError } from "../../src/errors/pghaul-error.ts";
import { isRetried } from "../../src/errors/policy.ts";
import { Life } from "./crash.ts";
import { type OracleName, SimulationFailure } from "./failure.ts";
import { Faults } from "./faults.ts";
import { DurableLog, SimLog } from "./log.ts";
import { Oracle } from "./oracle.ts";
import { Server } from "./postgres/server.ts";
import { SimSource } from "./postgres/source.ts";
import { drawRanges, makeTables, rowText, type SimTable } from "./postgres/tables.ts";
import { Workload } from "./postgres/workload.ts";
import { type Ending, Process } from "./process.ts";
import { Random } from "./random.ts";
import { Scheduler } from "./scheduler.ts";
import { DurableStore, SimStore } from "./store.ts";
import { SimTarget } from "./target/target.ts";
import { TargetState } from "./target/target-state.ts";

const STEP_LIMIT = 30_000;

/** The durable world, for a mutation to look into. */
export interface World {
  readonly server: Server;
  readonly target: TargetState;
  readonly random: Random;
}

/** Breaks one thing about the ports of a life; how a test shows that the oracles see it. */
export type Mutation = (ports: EnginePorts, world: World) => EnginePorts;

export interface Outcome {
  readonly seed: number;
  readonly failure: SimulationFailure | null;
  /** Equal for equal seeds, or the simulation is not deterministic. */
  readonly hash: string;
  readonly steps: number;
  /** How often things happened that a seed may or may not meet. */
  readonly happened: ReadonlyMap<string, number>;
  readonly trace: readonly string[];
}

export interface SimulationOptions {
  readonly mutation?: Mutation;
  /** Oracles that keep silent. */
  readonly blind?: readonly OracleName[];
  readonly trace?: boolean;
}

export async function runSimulation(seed: number, options: SimulationOptions = {}): Promise<Outcome> {
  return await new Simulation(seed, options).run();
}

interface Current {
  readonly life: Life;
  readonly target: SimTarget;
  readonly log: SimLog;
  readonly process: Process;
}

class Simulation {
  readonly #seed: number;
  readonly #mutation: Mutation;
  readonly #random: Random;
  readonly #scheduler: Scheduler;
  readonly #tables: readonly SimTable[];
  readonly #server: Server;
  readonly #workload: Workload;
  readonly #target: TargetState;
  readonly #store = new DurableStore();
  readonly #log: DurableLog;
  readonly #oracle: Oracle;
  readonly #faults: Faults;
  readonly #happened = new Map<string, number>();
  readonly #trace: readonly string[];
  readonly #crashPointOdds: number;
  readonly #holds: Random;
  readonly #holdOdds: number;
  #crashesLeft: number;
  #stopsLeft: number;
  #targetCrashesLeft: number;
  #failOversLeft: number;
  #sourceCrashesLeft: number;
  readonly #limits: BatchLimits;
  /** How quickly the target's standby follows; 0 for one that does only when the log is released, which keeps what it may need. */
  readonly #standbyWeight: number;
  #current: Current | null = null;
  #verdict: SimulationFailure | null = null;

  constructor(seed: number, { mutation, blind, trace }: SimulationOptions) {
    this.#seed = seed;
    this.#mutation = mutation ?? ((ports) => ports);
    this.#random = new Random(seed, 1);
    this.#scheduler = new Scheduler(new Random(seed, 2));
    this.#trace = trace === true ? this.#scheduler.keepTrace() : [];
    this.#tables = makeTables(this.#random);
    this.#server = new Server(this.#tables, new Random(seed, 3));
    this.#workload = new Workload(this.#server, new Random(seed, 4), (what) => this.#count(what));
    this.#target = new TargetState(this.#tables);
    this.#faults = new Faults(new Random(seed, 5));
    this.#oracle = new Oracle(this.#server.commits, this.#store, blind ?? []);
    this.#crashPointOdds = this.#random.pick([0, 0, 0.01, 0.05]);
    this.#holds = new Random(seed, 6);
    this.#holdOdds = this.#holds.pick([0, 0, 0.05, 0.3]);
    this.#crashesLeft = this.#random.pick([0, 1, 3, 6]);
    this.#stopsLeft = this.#random.pick([0, 0, 1, 2]);
    this.#drawRefusals();
    this.#targetCrashesLeft = this.#random.pick([0, 0, 1, 3]);
    this.#failOversLeft = this.#random.pick([0, 0, 0, 1, 2]);
    this.#sourceCrashesLeft = this.#random.pick([0, 0, 1, 3]);
    this.#limits = { changes: this.#random.pick([1, 3, 8, 10_000]), bytes: this.#random.pick([300, 16 * 1024 * 1024]) };
    this.#standbyWeight = this.#random.pick([0, 0.1, 1]);
    // Some history before the slot; what is running then gets its commit record before the slot is consistent, visible or not.
    for (let moves = this.#random.between(0, 15); moves > 0; moves--) this.#workload.move();
    this.#workload.endRunning();
    this.#log = new DurableLog(this.#server);
    this.#addActors();
  }

  async run(): Promise<Outcome> {
    let failure: SimulationFailure | null = null;
    try {
      while (!(await this.#liveOnce())) this.#count("life");
      this.#oracle.atEnd(
        this.#target,
        new Map([...this.#server.heaps].map(([id, heap]) => [id, [...heap.live.values()].map(({ row }) => row)])),
      );
    } catch (error) {
      failure = asFailure(error);
    }
    const { steps, hash } = this.#scheduler;
    return { seed: this.#seed, failure: this.#verdict ?? failure, hash, steps, happened: this.#happened, trace: this.#trace };
  }

  /** Returns true when everything has arrived, false when the process must be started again. */
  async #liveOnce(): Promise<boolean> {
    const current = this.#start();
    const { life, process } = current;
    await this.#scheduler.runUntil(
      () => this.#verdict !== null || !life.alive || process.ending !== null || this.#mayEnd(process),
      STEP_LIMIT,
    );
    if (this.#verdict !== null) throw this.#verdict;
    if (!life.alive) {
      this.#count("crash");
      return false;
    }
    life.end();
    return process.ending !== null && this.#isFinal(process.ending);
  }

  #isFinal(ending: Ending): boolean {
    if (ending.kind === "failed") {
      if (!isRetried(ending.error)) throw ending.error;
      this.#count("connection lost");
      return false;
    }
    this.#count("stop");
    return ending.loaded && this.#arrived && this.#current?.target.remembers === true;
  }

  #arrived = false;

  /** Once the application has ended and the stream has everything, the process is stopped as an operator would. Never true itself. */
  #mayEnd(process: Process): boolean {
    const last = this.#server.commits.at(-1)?.header.endLsn ?? 0n;
    const anew = this.#store.reloads.size > 0 || [...this.#target.progress.values()].some(({ state }) => state === "held");
    const arrived = this.#workload.ended && process.loaded && (process.position ?? 0n) >= last;
    if (!anew && this.#current?.target.remembers === true && arrived) {
      this.#arrived = true;
      process.stop();
    }
    return false;
  }

  /** Some seeds have a table of which the target refuses some rows, until the operator removes the cause. */
  #drawRefusals(): void {
    const random = new Random(this.#seed, 7);
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

  #start(): Current {
    const life = new Life(this.#scheduler, this.#random, this.#crashPointOdds);
    const log = new SimLog(this.#log, life, this.#random);
    const target = this.#targetOf(life);
    const ports = this.#mutation(this.#portsOf(life, log, target), { server: this.#server, target: this.#target, random: this.#random });
    const process = new Process({
      ports,
      makeDurable: async () => {
        await target.makeDurable();
        // The log is kept for as long as a standby may be behind.
        this.#target.standbyFollows();
      },
      stopsAtOnce: this.#random.chance(0.5),
      tables: this.#tables.map(({ table }) => table),
      store: this.#store,
      readers: this.#random.between(1, 4),
      ranges: (table, leaves) => drawRanges(this.#tables.find((sim) => sim.table === table) as SimTable, leaves, this.#random),
      indexMillis: () => this.#random.pick([0, 50, 3_000]),
      holdMillis: () => (this.#holds.chance(this.#holdOdds) ? this.#holds.pick([50, 3_000, 20_000]) : 0),
    });
    this.#current = { life, log, target, process };
    process.start();
    return this.#current;
  }

  #targetOf(life: Life): SimTarget {
    const watch = (state: TargetState, touched: ReadonlySet<string>, streamMoved: boolean) => {
      try {
        this.#oracle.afterCommit(state, touched, streamMoved);
      } catch (error) {
        this.#verdict ??= asFailure(error);
      }
    };
    const note = (what: string) => this.#count(what);
    return new SimTarget({ state: this.#target, life, random: this.#random, faults: this.#faults, watch, note });
  }

  #portsOf(life: Life, log: SimLog, target: SimTarget): EnginePorts {
    const note = (what: string) => this.#count(what);
    return {
      source: new SimSource(this.#server, life, this.#random, this.#faults),
      log,
      target,
      store: new SimStore(this.#store, life),
      clock: { now: () => life.now, sleep: (millis, signal) => life.sleep(millis, signal) },
      observer: {
        chunkStarted: () => note("chunk read"),
        chunkMerged: () => note("chunk merged"),
        tableLoaded: () => note("table loaded"),
        tableJoined: () => note("table joined"),
        tableHeld: () => note("table held"),
        applied: () => note("batch applied"),
        waiting: () => {},
      },
      crashPoint: (name) => this.#mayCrash() && life.crashPoint(name),
      limits: this.#limits,
    };
  }

  #mayCrash(): boolean {
    return this.#crashesLeft > 0;
  }

  #addActors(): void {
    const scheduler = this.#scheduler;
    scheduler.addActor(this.#workload);
    scheduler.addActor({ name: "tail", weight: () => this.#current?.log.weight() ?? 0, move: () => this.#current?.log.move() });
    scheduler.addActor({ name: "release", weight: () => 0.2, move: () => this.#current?.process.releaseLog() });
    scheduler.addActor({
      name: "crash",
      background: true,
      weight: () => (this.#crashesLeft > 0 ? 0.05 : 0),
      move: () => {
        this.#crashesLeft -= 1;
        this.#current?.life.end();
      },
    });
    scheduler.addActor({
      name: "target crash",
      background: true,
      weight: () => (this.#targetCrashesLeft > 0 ? 0.05 : 0),
      move: () => {
        this.#targetCrashesLeft -= 1;
        this.#current?.target.crash();
        this.#count("target crash");
      },
    });
    scheduler.addActor({
      name: "source crash",
      background: true,
      // Most often while it has something to forget.
      weight: () => (this.#sourceCrashesLeft === 0 ? 0 : this.#server.forgetful ? 0.5 : 0.02),
      move: () => {
        this.#sourceCrashesLeft -= 1;
        this.#workload.crash();
        this.#count("source crash");
      },
    });
    scheduler.addActor({
      name: "target fails over",
      background: true,
      weight: () => (this.#failOversLeft > 0 ? 0.03 : 0),
      move: () => {
        this.#failOversLeft -= 1;
        this.#current?.target.failOver();
        if (this.#current?.target.remembers === false) this.#count("target went back");
      },
    });
    scheduler.addActor({
      name: "standby follows",
      background: true,
      weight: () => this.#standbyWeight,
      move: () => this.#target.standbyFollows(),
    });
    scheduler.addActor({
      name: "operator",
      weight: () => (this.#heldTables().length > 0 ? 0.1 : 0),
      move: () => {
        // As often as not the cause was another one, and the table is refused again.
        for (const table of this.#heldTables()) {
          if (this.#holds.chance(0.7)) this.#target.refusing.delete(table);
          this.#store.reloads.add(table);
        }
        this.#current?.process.endForReload();
      },
    });
    scheduler.addActor({
      name: "stop",
      background: true,
      weight: () => (this.#stopsLeft > 0 ? 0.03 : 0),
      move: () => {
        this.#stopsLeft -= 1;
        this.#current?.process.stop();
      },
    });
  }

  /** Held, and not yet asked to be loaded anew. */
  #heldTables(): readonly string[] {
    return [...this.#target.progress].flatMap(([id, { state }]) => (state === "held" && !this.#store.reloads.has(id) ? [id] : []));
  }

  #count(what: string): void {
    this.#happened.set(what, (this.#happened.get(what) ?? 0) + 1);
  }
}

function checksum(text: string): number {
  let sum = 0;
  for (let index = 0; index < text.length; index++) sum = (sum * 31 + text.charCodeAt(index)) % 65_521;
  return sum;
}

function asFailure(error: unknown): SimulationFailure {
  if (error instanceof SimulationFailure) return error;
  if (error instanceof PghaulError && error.code === "TARGET_DRIFT") return new SimulationFailure("drift", error.message, error);
  return new SimulationFailure("error", error instanceof Error ? error.message : String(error), error);
}
