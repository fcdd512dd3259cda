/** One seed: a world is drawn, the engine lives in it through crashes, lost connections and stops until everything has arrived. */
import type { BatchLimits, EnginePorts } from "../../src/engine/ports.ts";
import { PghaulError } from "../../src/errors/pghaul-error.ts";
import { isRetried } from "../../src/errors/policy.ts";
import type { Lsn } from "../../src/model/lsn.ts";
import type { Row } from "../../src/model/value.ts";
import { Life } from "./crash.ts";
import { SimulationFailure } from "./failure.ts";
import { Faults } from "./faults.ts";
import { DurableLog, SimLog } from "./log.ts";
import { Server } from "./postgres/server.ts";
import { SimSource } from "./postgres/source.ts";
import { makeTables, type SimTable } from "./postgres/tables.ts";
import { Workload } from "./postgres/workload.ts";
import { Random } from "./random.ts";
import { type Actor, Scheduler } from "./scheduler.ts";
import { DurableStore, SimStore } from "./store.ts";

const STEP_LIMIT = 30_000;

/** What a seed has drawn, and what is durable in it. */
export interface World {
  readonly seed: number;
  readonly random: Random;
  readonly tables: readonly SimTable[];
  readonly server: Server;
  readonly store: DurableStore;
  readonly faults: Faults;
  readonly limits: BatchLimits;
  /** How often the target fails over, and how quickly its standby follows; 0 for one that does only when the log is released. */
  readonly failOvers: number;
  readonly standbyWeight: number;
  readonly count: (what: string) => void;
  /** A verdict that was found where nobody can throw it. */
  readonly judge: (check: () => void) => void;
}

/** How a life ended, short of a crash. */
export type Ending = { readonly kind: "stopped"; readonly loaded: boolean } | { readonly kind: "failed"; readonly error: unknown };

/** The engine in one life. */
export interface SimProcess {
  readonly ending: Ending | null;
  /** Every table is as far as a load can bring it. */
  readonly loaded: boolean;
  readonly position: Lsn | null;
  start(): void;
  stop(): void;
  releaseLog(): void;
  /** Ends this life, for the next one to load tables anew. */
  endForReload(): void;
}

/** A life's part of the target, and the process over it. */
export interface Tenant {
  readonly process: SimProcess;
  /** The target has all that this life was told was there. */
  readonly targetRemembers: boolean;
  crashTarget(): void;
}

/** One way to take changes, in one world. */
export interface Way {
  start(life: Life, ports: Omit<EnginePorts, "target">): Tenant;
  /** What else moves, in the order of the scheduler. */
  actors(current: () => Tenant | null): readonly Actor[];
  /** Some table is held, or is to be loaded anew. */
  isUnfinished(): boolean;
  /** Throws where target and source differ; `live` are the rows of the source's tables. */
  atEnd(live: ReadonlyMap<string, readonly Row[]>): void;
}

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

interface Current {
  readonly life: Life;
  readonly log: SimLog;
  readonly tenant: Tenant;
}

export class Simulation {
  readonly #world: World;
  readonly #way: Way;
  readonly #scheduler: Scheduler;
  readonly #workload: Workload;
  readonly #log: DurableLog;
  readonly #happened = new Map<string, number>();
  readonly #trace: readonly string[];
  readonly #crashPointOdds: number;
  #crashesLeft: number;
  #stopsLeft: number;
  #targetCrashesLeft: number;
  #sourceCrashesLeft: number;
  #current: Current | null = null;
  #verdict: SimulationFailure | null = null;
  #arrived = false;

  constructor(seed: number, way: (world: World) => Way, trace = false) {
    const random = new Random(seed, 1);
    this.#scheduler = new Scheduler(new Random(seed, 2));
    this.#trace = trace ? this.#scheduler.keepTrace() : [];
    const tables = makeTables(random);
    const server = new Server(tables, new Random(seed, 3));
    const count = (what: string) => void this.#happened.set(what, (this.#happened.get(what) ?? 0) + 1);
    this.#workload = new Workload(server, new Random(seed, 4), count);
    this.#crashPointOdds = random.pick([0, 0, 0.01, 0.05]);
    this.#crashesLeft = random.pick([0, 1, 3, 6]);
    this.#stopsLeft = random.pick([0, 0, 1, 2]);
    this.#targetCrashesLeft = random.pick([0, 0, 1, 3]);
    const failOvers = random.pick([0, 0, 0, 1, 2]);
    this.#sourceCrashesLeft = random.pick([0, 0, 1, 3]);
    const limits = { changes: random.pick([1, 3, 8, 10_000]), bytes: random.pick([300, 16 * 1024 * 1024]) };
    const standbyWeight = random.pick([0, 0.1, 1]);
    const faults = new Faults(new Random(seed, 5));
    const judge = (check: () => void) => this.#judge(check);
    this.#world = { seed, random, tables, server, store: new DurableStore(), faults, limits, failOvers, standbyWeight, count, judge };
    this.#way = way(this.#world);
    // Some history before the slot; what is running then gets its commit record before the slot is consistent, visible or not.
    for (let moves = random.between(0, 15); moves > 0; moves--) this.#workload.move();
    this.#workload.endRunning();
    this.#log = new DurableLog(server);
    for (const actor of [...this.#actors(), ...this.#way.actors(() => this.#current?.tenant ?? null), this.#stopper()])
      this.#scheduler.addActor(actor);
  }

  async run(): Promise<Outcome> {
    let failure: SimulationFailure | null = null;
    const { seed, server } = this.#world;
    try {
      while (!(await this.#liveOnce())) this.#world.count("life");
      this.#way.atEnd(new Map([...server.heaps].map(([id, heap]) => [id, [...heap.live.values()].map(({ row }) => row)])));
    } catch (error) {
      failure = asFailure(error);
    }
    const { steps, hash } = this.#scheduler;
    return { seed, failure: this.#verdict ?? failure, hash, steps, happened: this.#happened, trace: this.#trace };
  }

  /** Returns true when everything has arrived, false when the process must be started again. */
  async #liveOnce(): Promise<boolean> {
    const { life, tenant } = this.#start();
    const { process } = tenant;
    await this.#scheduler.runUntil(
      () => this.#verdict !== null || !life.alive || process.ending !== null || this.#mayEnd(tenant),
      STEP_LIMIT,
    );
    if (this.#verdict !== null) throw this.#verdict;
    if (!life.alive) {
      this.#world.count("crash");
      return false;
    }
    life.end();
    return process.ending !== null && this.#isFinal(process.ending);
  }

  #isFinal(ending: Ending): boolean {
    if (ending.kind === "failed") {
      if (!isRetried(ending.error)) throw ending.error;
      this.#world.count("connection lost");
      return false;
    }
    this.#world.count("stop");
    return ending.loaded && this.#arrived && this.#current?.tenant.targetRemembers === true;
  }

  /** Once the application has ended and the stream has everything, the process is stopped as an operator would. Never true itself. */
  #mayEnd({ process, targetRemembers }: Tenant): boolean {
    const last = this.#world.server.commits.at(-1)?.header.endLsn ?? 0n;
    const arrived = this.#workload.ended && process.loaded && (process.position ?? 0n) >= last;
    if (!this.#way.isUnfinished() && targetRemembers && arrived) {
      this.#arrived = true;
      process.stop();
    }
    return false;
  }

  #start(): Current {
    const { random, server, store, faults, count } = this.#world;
    const life = new Life(this.#scheduler, random, this.#crashPointOdds);
    const log = new SimLog(this.#log, life, random);
    const tenant = this.#way.start(life, {
      source: new SimSource(server, life, random, faults),
      log,
      store: new SimStore(store, life),
      clock: { now: () => life.now, sleep: (millis, signal) => life.sleep(millis, signal) },
      observer: {
        chunkStarted: () => count("chunk read"),
        chunkMerged: () => count("chunk merged"),
        tableLoaded: () => count("table loaded"),
        tableJoined: () => count("table joined"),
        tableHeld: () => count("table held"),
        applied: () => count("batch applied"),
        waiting: () => {},
      },
      crashPoint: (name) => this.#crashesLeft > 0 && life.crashPoint(name),
      limits: this.#world.limits,
    });
    this.#current = { life, log, tenant };
    tenant.process.start();
    return this.#current;
  }

  #judge(check: () => void): void {
    try {
      check();
    } catch (error) {
      this.#verdict ??= asFailure(error);
    }
  }

  #actors(): readonly Actor[] {
    const { server, count } = this.#world;
    return [
      this.#workload,
      { name: "tail", weight: () => this.#current?.log.weight() ?? 0, move: () => this.#current?.log.move() },
      { name: "release", weight: () => 0.2, move: () => this.#current?.tenant.process.releaseLog() },
      {
        name: "crash",
        background: true,
        weight: () => (this.#crashesLeft > 0 ? 0.05 : 0),
        move: () => {
          this.#crashesLeft -= 1;
          this.#current?.life.end();
        },
      },
      {
        name: "target crash",
        background: true,
        weight: () => (this.#targetCrashesLeft > 0 ? 0.05 : 0),
        move: () => {
          this.#targetCrashesLeft -= 1;
          this.#current?.tenant.crashTarget();
          count("target crash");
        },
      },
      {
        name: "source crash",
        background: true,
        // Most often while it has something to forget.
        weight: () => (this.#sourceCrashesLeft === 0 ? 0 : server.forgetful ? 0.5 : 0.02),
        move: () => {
          this.#sourceCrashesLeft -= 1;
          this.#workload.crash();
          count("source crash");
        },
      },
    ];
  }

  #stopper(): Actor {
    return {
      name: "stop",
      background: true,
      weight: () => (this.#stopsLeft > 0 ? 0.03 : 0),
      move: () => {
        this.#stopsLeft -= 1;
        this.#current?.tenant.process.stop();
      },
    };
  }
}

function asFailure(error: unknown): SimulationFailure {
  if (error instanceof SimulationFailure) return error;
  if (error instanceof PghaulError && error.code === "TARGET_DRIFT") return new SimulationFailure("drift", error.message, error);
  return new SimulationFailure("error", error instanceof Error ? error.message : String(error), error);
}
