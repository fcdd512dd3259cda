/** A switch over two fake databases and a fake route, which remember what was done to them and can be killed at any crash point. */

import type { Attempt, AttemptStore, CutoverSide, FenceFact, Route, SequenceValue, StreamControl } from "../../src/cutover/ports.ts";
import { runSwitch, settle } from "../../src/cutover/run-switch.ts";
import type { StallLimits } from "../../src/cutover/stall-budget.ts";
import { switchSteps } from "../../src/cutover/switch-steps.ts";
import type { Step, WalkContext } from "../../src/cutover/walk-steps.ts";
import { PghaulError } from "../../src/errors/pghaul-error.ts";
import type { SideName } from "../../src/model/side.ts";

/** Thrown at a crash point: the process is gone, nothing after it runs. */
export class Killed extends Error {}

const SEQUENCE: SequenceValue = { schema: "public", name: "orders_id_seq", lastValue: "41" };

export class FakeSide implements CutoverSide {
  readonly name: SideName;
  readonly markers = new Set<string>();
  fenced = false;
  sequence = 41;
  failFence: Error | null = null;
  leaks: readonly string[] = [];
  peer: FakeSide | null = null;
  /** Set when a side was opened while the other took writes: two primaries. */
  bothOpen = false;
  /** It cannot be reached. */
  away = false;
  /** Resolves never: the server has frozen. */
  frozen = false;
  /** False: markers do not arrive at the peer. */
  streams = true;

  constructor(name: SideName) {
    this.name = name;
  }

  async takeOver(): Promise<void> {
    if (this.away) throw new PghaulError(this.name === "source" ? "SOURCE_UNREACHABLE" : "TARGET_UNREACHABLE", "away");
  }

  async fence(marker: string): Promise<FenceFact> {
    if (this.failFence !== null) throw this.failFence;
    this.fenced = true;
    await this.writeMarker(marker);
    return { lsn: 4096n, sequences: [SEQUENCE], millis: 3 };
  }

  async guard(): Promise<void> {
    this.fenced = true;
  }

  async open(marker: string): Promise<void> {
    if (this.peer?.fenced === false) this.bothOpen = true;
    this.fenced = false;
    await this.writeMarker(marker);
  }

  async tidy(): Promise<number> {
    return 0;
  }

  async fenceState(): Promise<"none" | "whole"> {
    return this.fenced ? "whole" : "none";
  }

  async writeMarker(id: string): Promise<void> {
    this.markers.add(id);
    if (this.streams) this.peer?.markers.add(id);
  }

  async sawMarker(id: string): Promise<boolean> {
    return this.markers.has(id);
  }

  async takeSequences(values: readonly SequenceValue[], margin: number): Promise<void> {
    if (this.frozen) await new Promise(() => {});
    for (const { lastValue } of values) this.sequence = Math.max(this.sequence, Number(lastValue) + margin);
  }

  async probeWrites(): Promise<readonly string[]> {
    await this.takeOver();
    return this.fenced ? this.leaks : ["public.orders"];
  }
}

export class FakeRoute implements Route {
  readonly kind = "fake";
  side: SideName = "source";
  paused = false;
  failSwitch: Error | null = null;
  /** What a switch that fails has done all the same. */
  movesAllTheSame = false;
  /** How long the last resume was given. */
  resumeMillis = 0;
  /** False: it cannot say where it leads. */
  tells = true;
  failResume: Error | null = null;
  /** What happens in the world once clients go on. */
  resumed: () => void = () => {};

  async takeOver(): Promise<void> {}

  async pause(): Promise<void> {
    this.paused = true;
  }

  async resume(limitMillis: number): Promise<void> {
    this.resumeMillis = limitMillis;
    if (this.failResume !== null) throw this.failResume;
    this.paused = false;
    this.resumed();
  }

  async switchTo(side: SideName): Promise<void> {
    if (this.failSwitch === null || this.movesAllTheSame) this.side = side;
    if (this.failSwitch !== null) throw this.failSwitch;
  }

  async current(): Promise<SideName | null> {
    return this.tells ? this.side : null;
  }
}

export class FakeWorld {
  readonly source = new FakeSide("source");
  readonly target = new FakeSide("target");
  readonly route = new FakeRoute();
  readonly journal: string[] = [];
  readonly passed: string[] = [];
  wayBack = false;
  foreign = 0;
  held: readonly string[] = [];
  maxStallMillis = 1000;
  deadlines: StallLimits["deadlines"] = {};
  attempt: Attempt | null = null;
  killAt: string | null = null;
  #clock = 0;

  constructor() {
    this.source.peer = this.target;
    this.target.peer = this.source;
  }

  steps(to: SideName): readonly Step[] {
    const stream: StreamControl = {
      prepare: async () => {
        this.wayBack = true;
      },
      notRunning: async () => (this.wayBack ? null : "no way back yet"),
      foreignWrites: async () => ({ count: this.foreign, readTo: 8192n }),
      heldAt: async () => this.held,
    };
    return switchSteps({
      from: this.#mortal(to === "target" ? this.source : this.target),
      to: this.#mortal(to === "target" ? this.target : this.source),
      route: this.#mortal(this.route),
      stream: this.#mortal(stream),
      store: this.#store(),
      settings: {
        maxStallMillis: this.maxStallMillis,
        deadlines: this.deadlines,
        roundTripMillis: 60,
        sequenceMargin: 1000,
        proofMillis: 1,
        routeMillis: 100,
        sideMillis: 100,
      },
      sleep: async (millis) => {
        this.#clock += millis;
      },
      now: () => (this.#clock += 1),
    });
  }

  run(to: SideName): Promise<Attempt> {
    const id = (this.attempt?.id ?? 0) + 1;
    return runSwitch(this.steps(to), { to, planDigest: "abc", marker: `marker-${to}-${id}` }, this.context());
  }

  context(): WalkContext {
    return {
      store: this.#store(),
      journal: { append: (kind) => void this.journal.push(kind) },
      watcher: { step: () => {} },
      together: (work) => work(),
      now: () => (this.#clock += 1),
      at: () => {
        this.#clock += 1;
        return new Date(this.#clock).toISOString();
      },
      crashPoint: (name) => {
        this.passed.push(name);
        if (name !== this.killAt) return;
        this.killAt = null;
        this.#dead = true;
        throw new Killed(name);
      },
    };
  }

  /** What the watchdog of the streaming process does. */
  settle(): Promise<Attempt | null> {
    return settle(this.steps(this.attempt?.to ?? "target"), this.context());
  }

  hoursPass(): void {
    this.#clock += 8 * 3_600_000;
  }

  /** A killed process writes nothing more; the next `run` is another process. */
  revive(): void {
    this.#dead = false;
  }

  #dead = false;

  /** Nothing that a dead process still calls reaches the world. */
  #mortal<T extends object>(part: T): T {
    return new Proxy(part, {
      get: (object, name) => {
        const member: unknown = Reflect.get(object, name, object);
        if (typeof member !== "function") return member;
        return async (...given: unknown[]) => {
          if (this.#dead) throw new Killed("dead");
          return member.apply(object, given);
        };
      },
    });
  }

  #store(): AttemptStore {
    return {
      load: () => this.attempt,
      save: (attempt) => {
        if (this.#dead) throw new Killed("dead");
        this.attempt = attempt;
      },
    };
  }
}
