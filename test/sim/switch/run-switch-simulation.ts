/**
 * One seed of a switch: two databases, a route, writers, a process that streams and watches, and an operator who switches there and back. Drivers
 * die at any await, also inside an act whose statement or hook lives on; servers freeze, go away and come back; hooks fail. At the end
 * everything is well again, and then the switch must be settled.
 */

import { primaryOf } from "../../../src/cutover/machine.ts";
import type { Attempt, AttemptStore, StreamControl } from "../../../src/cutover/ports.ts";
import { runSwitch, settle } from "../../../src/cutover/run-switch.ts";
import { switchSteps } from "../../../src/cutover/switch-steps.ts";
import type { Step, WalkContext } from "../../../src/cutover/walk-steps.ts";
import { isUnsettled, SwitchWatch } from "../../../src/cutover/watch-switch.ts";
import { PghaulError } from "../../../src/errors/pghaul-error.ts";
import { otherSide, type SideName } from "../../../src/model/side.ts";
import { Crashed, Life } from "../crash.ts";
import { Random } from "../random.ts";
import { Scheduler } from "../scheduler.ts";
import { SimRoute, SimRouter } from "./sim-route.ts";
import { SimServer, SimSide, SimStream } from "./sim-side.ts";
import { simStreamControl } from "./sim-stream-control.ts";
import type { SwitchMutation } from "./switch-mutants.ts";
import { SwitchOracle } from "./switch-oracle.ts";
import type { SwitchOutcome } from "./switch-outcome.ts";

const STEP_LIMIT = 60_000;

export async function runSwitchSimulation(seed: number, mutation: SwitchMutation = {}, trace = false): Promise<SwitchOutcome> {
  return await new SwitchSimulation(seed, mutation, trace).run();
}

type Paced = SideName | "hook" | "commit" | "stream";

class SwitchSimulation {
  readonly #seed: number;
  readonly #mutation: SwitchMutation;
  readonly #random: Random;
  readonly #scheduler: Scheduler;
  readonly #trace: readonly string[];
  readonly #servers: Readonly<Record<SideName, SimServer>>;
  readonly #router: SimRouter;
  readonly #streams: readonly SimStream[];
  readonly #acknowledged = new Set<string>();
  readonly #happened = new Map<string, number>();
  readonly #maxStallMillis: number;
  readonly #crashOdds: number;
  readonly #oracle: SwitchOracle;
  /** Some seeds have slow servers, slow hooks, long transactions: what was sent is done long after who sent it is gone. */
  readonly #paces: Readonly<Record<Paced, number>>;
  #attempt: Attempt | null = null;
  #wayBack = false;
  /** Who may drive: the lease of the operating system, gone with its process. */
  #driver: Life | null = null;
  #runLife: Life | null = null;
  #writes = 0;
  #writing: { readonly side: SideName; readonly id: string }[] = [];
  #commands: number;
  #faults: number;

  constructor(seed: number, mutation: SwitchMutation, trace: boolean) {
    this.#seed = seed;
    this.#mutation = mutation;
    this.#random = new Random(seed, 11);
    this.#scheduler = new Scheduler(new Random(seed, 12));
    this.#trace = trace ? this.#scheduler.keepTrace() : [];
    const watch = { changed: (what: string) => this.#changed(what) };
    this.#servers = { source: new SimServer("source", watch), target: new SimServer("target", watch) };
    this.#router = new SimRouter(watch.changed);
    this.#oracle = new SwitchOracle({
      servers: this.#servers,
      router: this.#router,
      acknowledged: this.#acknowledged,
      attempt: () => this.#attempt,
    });
    this.#streams = [new SimStream(this.#servers.source, this.#servers.target), new SimStream(this.#servers.target, this.#servers.source)];
    this.#router.failureOdds = this.#random.pick([0, 0, 0.1, 0.3]);
    const pace = (): number => this.#random.pick([1, 1, 0.3, 0.05, 0.01]);
    this.#paces = { source: pace(), target: pace(), hook: pace(), commit: pace(), stream: pace() };
    this.#maxStallMillis = this.#random.pick([100, 400, 2_000]);
    this.#crashOdds = this.#random.pick([0, 0.01, 0.04]);
    this.#commands = this.#random.between(3, 9);
    this.#faults = this.#random.pick([0, 3, 6, 10]);
    this.#startRun();
    this.#addActors();
  }

  async run(): Promise<SwitchOutcome> {
    let failure: Error | null = null;
    try {
      await this.#scheduler.runUntil(() => this.#oracle.verdict !== null || this.#isOver(), STEP_LIMIT);
      this.#atEnd();
    } catch (error) {
      failure = error as Error;
    }
    this.#driver?.end();
    this.#runLife?.end();
    return {
      seed: this.#seed,
      failure: this.#oracle.verdict ?? failure,
      hash: this.#scheduler.hash,
      happened: this.#happened,
      trace: this.#trace,
    };
  }

  #changed(what: string): void {
    this.#scheduler.note(what);
    this.#oracle.changed(what);
  }

  #atEnd(): void {
    if (this.#oracle.verdict === null) this.#oracle.atEnd();
    if (this.#oracle.verdict !== null) throw this.#oracle.verdict;
  }

  /** Everything was tried, is well again and has come to rest. */
  #isOver(): boolean {
    if (this.#commands > 0 || this.#faults > 0 || this.#driver !== null || this.#writing.length > 0) return false;
    return (
      this.#isWell() &&
      !isUnsettled(this.#attempt) &&
      this.#streams.every((stream, index) => stream.caughtUp || (index === 1 && !this.#wayBack))
    );
  }

  #isWell(): boolean {
    return this.#runLife !== null && Object.values(this.#servers).every(({ frozen, away }) => !frozen && !away);
  }

  // The world.

  #addActors(): void {
    const scheduler = this.#scheduler;
    const random = this.#random;
    for (const server of Object.values(this.#servers)) {
      scheduler.addActor({
        name: `${server.name} works`,
        weight: () => server.weight() * this.#pace(server.name),
        move: () => server.move(random),
      });
    }
    for (const [index, stream] of this.#streams.entries()) {
      const runs = (): boolean => this.#runLife !== null && (index === 0 || this.#wayBack) && stream.canMove();
      scheduler.addActor({
        name: `stream ${stream.name}`,
        weight: () => (runs() ? 6 * this.#pace("stream") : 0),
        move: () => stream.move(),
      });
    }
    scheduler.addActor({ name: "hook", weight: () => this.#router.weight() * this.#pace("hook"), move: () => this.#router.move(random) });
    scheduler.addActor({ name: "writer", background: true, weight: () => (this.#isOver() ? 0 : 0.6), move: () => this.#beginWrite() });
    scheduler.addActor({ name: "commit", weight: () => this.#writing.length * this.#pace("commit"), move: () => this.#commit() });
    scheduler.addActor({ name: "operator", weight: () => (this.#mayCommand() ? 0.6 : 0), move: () => this.#command() });
    scheduler.addActor({ name: "fault", weight: () => (this.#faults > 0 ? 0.06 : 0), move: () => this.#fault() });
    // The moments that matter: a driver dies while a statement or a hook of its is under way.
    scheduler.addActor({
      name: "kill inside",
      weight: () => (this.#faults > 0 && this.#driver !== null && this.#isInside() ? 0.4 : 0),
      move: () => {
        this.#faults -= 1;
        this.#kill(this.#driver, "driver killed inside");
      },
    });
    scheduler.addActor({ name: "recovery", weight: () => (this.#isWell() ? 0 : 0.1), move: () => this.#recover() });
  }

  #isInside(): boolean {
    return this.#router.weight() > 0 || Object.values(this.#servers).some(({ locksWanted }) => locksWanted);
  }

  /** Once all has been tried, everything works as it should. */
  #pace(what: Paced): number {
    return this.#commands > 0 || this.#faults > 0 ? this.#paces[what] : 1;
  }

  /** Applications follow the route; some late, and are refused. */
  #beginWrite(): void {
    const side = this.#random.chance(0.1) && this.#servers.target.wasGuarded ? otherSide(this.#router.side) : this.#router.side;
    const server = this.#servers[side];
    if (this.#router.paused || this.#writing.length > 3 || server.frozen || server.away || server.locksWanted || !server.takesWrites)
      return;
    server.openWriters += 1;
    this.#writing.push({ side, id: `w${++this.#writes}` });
  }

  #commit(): void {
    const [write] = this.#writing.splice(this.#random.below(this.#writing.length), 1);
    if (write === undefined) return;
    const server = this.#servers[write.side];
    // A crash of the server has ended the transaction.
    if (server.openWriters === 0) return;
    if (server.frozen) return void this.#writing.push(write);
    server.openWriters -= 1;
    if (this.#random.chance(0.2)) return;
    server.write(write.id, false);
    this.#acknowledged.add(write.id);
    this.#count("acknowledged");
  }

  #fault(): void {
    this.#faults -= 1;
    const server = this.#servers[this.#random.pick<SideName>(["source", "target"])];
    switch (this.#random.pick(["kill", "kill", "kill run", "freeze", "away"])) {
      case "kill":
        this.#kill(this.#driver, "driver killed");
        break;
      case "kill run":
        this.#kill(this.#runLife, "run killed");
        break;
      case "freeze":
        server.frozen = true;
        this.#count("frozen");
        break;
      default:
        server.crash();
        this.#writing = this.#writing.filter(({ side }) => side !== server.name);
        this.#count("away");
    }
  }

  #recover(): void {
    const bad = Object.values(this.#servers).filter(({ frozen, away }) => frozen || away);
    if (this.#runLife === null && (bad.length === 0 || this.#random.chance(0.5))) {
      this.#startRun();
      return;
    }
    const server = this.#random.pick(bad);
    server.frozen = false;
    server.away = false;
  }

  #kill(life: Life | null, what: string): void {
    if (life === null) return;
    this.#count(what);
    life.end();
  }

  // Its processes.

  #newLife(gone: () => void): Life {
    const life = new Life(this.#scheduler, this.#random, this.#faults > 0 ? this.#crashOdds : 0);
    life.hold(gone);
    return life;
  }

  #mayCommand(): boolean {
    return this.#commands > 0 && this.#driver === null;
  }

  /** `cutover run` or `rollback`. */
  #command(): void {
    this.#commands -= 1;
    const life = this.#newLife(() => {
      if (this.#driver === life) this.#driver = null;
    });
    this.#driver = life;
    this.#drive(life).then(
      () => this.#ended(life, "switched"),
      (error: unknown) => this.#ended(life, this.#tell(error)),
    );
  }

  async #drive(life: Life): Promise<void> {
    const left = this.#attempt;
    if (isUnsettled(left) && left.outcome !== "switched") {
      await settle(this.#steps(life, left.to), this.#context(life));
      if (left.outcome === "running" && this.#attempt?.outcome === "switched") return;
    }
    const to = otherSide(primaryOf(this.#attempt));
    if (this.#router.side === to) return this.#count("route gate closed");
    const marker = `marker-${(this.#attempt?.id ?? 0) + 1}`;
    await runSwitch(this.#steps(life, to), { to, planDigest: "d", marker }, this.#context(life));
  }

  #ended(life: Life, how: string): void {
    if (!life.alive) return;
    this.#count(how);
    life.end();
  }

  /** What an operator may be told; anything else is a fault of ours. */
  #tell(error: unknown): string {
    if (error instanceof Crashed) return "crashed";
    if (!(error instanceof PghaulError)) this.#oracle.fail(`the driver threw ${String(error)}`);
    else if (error.code === "FENCE_BREACH" || error.code === "REALITY_DIFFERS") this.#oracle.fail(`${error.code}: ${error.message}`);
    return error instanceof PghaulError ? error.code : "bug";
  }

  #startRun(): void {
    const life = this.#newLife(() => {
      if (this.#runLife === life) this.#runLife = null;
    });
    this.#runLife = life;
    const { tries = Number.POSITIVE_INFINITY } = this.#mutation;
    let failures = 0;
    const watch = new SwitchWatch({
      attempt: () => this.#attempt,
      isDriven: async () => this.#driver !== null,
      settle: async () => {
        if (failures < tries) await this.#settleAs(life);
      },
      failed: (_, __, why) => {
        failures += 1;
        this.#count(`watchdog: ${this.#tell(why)}`);
      },
      now: () => life.now,
    });
    const watching = async (): Promise<void> => {
      await watch.lookAtOnce();
      for (;;) {
        await life.sleep(250, new AbortController().signal);
        await watch.look();
      }
    };
    watching().catch((error: unknown) => this.#tell(error));
  }

  /** The watchdog drives as part of `run`, and dies with it. */
  async #settleAs(life: Life): Promise<void> {
    await life.turn("settle");
    if (this.#driver !== null || !isUnsettled(this.#attempt)) return;
    const release = life.hold(() => {
      if (this.#driver === life) this.#driver = null;
    });
    this.#driver = life;
    try {
      await settle(this.#steps(life, this.#attempt.to), this.#context(life));
      this.#count("settled by the watchdog");
    } finally {
      if (life.alive) release();
    }
  }

  #steps(life: Life, to: SideName): readonly Step[] {
    const { side = (port) => port, route = (port) => port } = this.#mutation;
    const sides = { source: side(new SimSide(this.#servers.source, life)), target: side(new SimSide(this.#servers.target, life)) };
    return switchSteps({
      from: sides[otherSide(to)],
      to: sides[to],
      route: route(new SimRoute(this.#router, life)),
      stream: this.#streamControl(life),
      store: this.#store(life),
      settings: {
        maxStallMillis: this.#maxStallMillis,
        deadlines: {},
        roundTripMillis: this.#maxStallMillis / 2,
        sequenceMargin: 1,
        proofMillis: 5,
        routeMillis: 500,
        sideMillis: 500,
      },
      sleep: (millis) => life.sleep(millis, new AbortController().signal),
      timer: (millis, late) => {
        const timer = new AbortController();
        life.sleep(millis, timer.signal).then(late, () => undefined);
        return () => timer.abort();
      },
      now: () => life.now,
    });
  }

  #streamControl(life: Life): StreamControl {
    return simStreamControl(life, {
      servers: this.#servers,
      isRunning: () => this.#runLife !== null,
      hasWayBack: () => this.#wayBack,
      makeWayBack: () => {
        this.#wayBack = true;
      },
    });
  }

  #store(life: Life): AttemptStore {
    return {
      load: () => this.#attempt,
      save: (attempt) => {
        life.demand();
        this.#attempt = attempt;
        this.#changed(`record ${attempt.id} ${attempt.outcome}`);
      },
    };
  }

  #context(life: Life): WalkContext {
    return {
      store: this.#store(life),
      journal: { append: () => life.demand() },
      watcher: { step: () => {} },
      together: (work) => work(),
      now: () => life.now,
      at: () => new Date(life.now).toISOString(),
      crashPoint: (name) => {
        if (this.#faults > 0) life.crashPoint(name);
      },
    };
  }

  #count(what: string): void {
    this.#happened.set(what, (this.#happened.get(what) ?? 0) + 1);
  }
}
