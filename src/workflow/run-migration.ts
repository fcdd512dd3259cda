/**
 * `pghaul run`: the main job in one foreground process. Schema, slot, barrier, then the forward stream with its load; indexes and constraints
 * where their time has come; and, once a cutover has made the way back, the reverse stream beside it. Every step is a check of what is there
 * already, so that it may be killed and started again at any moment.
 */
import type { StreamApply } from "../engine/stream-apply.ts";
import { PghaulError } from "../errors/pghaul-error.ts";
import type { Lsn } from "../model/lsn.ts";
import type { Phase, ProgressBus } from "../observe/events.ts";
import { acquireLease } from "../state/lease.ts";
import { ProgressStore } from "../state/progress-store.ts";
import { TableStore } from "../state/table-store.ts";
import { loadForward } from "./load-forward.ts";
import type { Migration } from "./open-migration.ts";
import { type PreparedRun, prepareRun } from "./prepare-run.ts";
import { insertLsn } from "./prepare-slot.ts";
import { runStream } from "./run-stream.ts";
import { systemClock } from "./system-clock.ts";
import { EngineWatch } from "./watch-engine.ts";
import { watchBoth } from "./watch-streams.ts";

/** Where `run` ends by itself; without one it streams until it is stopped. */
export type Until = "loaded" | "caught-up";

export interface RunRequest {
  readonly migration: Migration;
  readonly command: string;
  readonly bus: ProgressBus;
  readonly until: Until | null;
  /** First Ctrl-C: finish the chunk. */
  readonly finish: AbortSignal;
  /** Second Ctrl-C: at once. */
  readonly now: AbortSignal;
}

export interface RunResult {
  readonly phase: Phase;
  readonly reached: Until | null;
}

export async function runMigration(request: RunRequest): Promise<RunResult> {
  const { migration, bus } = request;
  const lease = await acquireLease(migration.config.state.dir, "stream", request.command);
  const progress = new ProgressStore(migration.state);
  const untell = bus.subscribe((event) => {
    if (event.kind === "phase") progress.update({ phase: event.phase, waiting: null });
    if (event.kind === "waiting") progress.update({ waiting: event.why });
  });
  try {
    const prepared = await prepareRun(migration, bus, request.now);
    return await new Run(request, prepared).run();
  } catch (error) {
    if (error instanceof PghaulError)
      progress.update({ lastError: { code: error.code, message: error.message, at: new Date().toISOString() } });
    throw error;
  } finally {
    untell();
    lease.release();
  }
}

/** How close to the source's end counts as caught up when there is traffic. */
const CAUGHT_UP_POLL_MILLIS = 100;

class Run {
  readonly #request: RunRequest;
  readonly #prepared: PreparedRun;
  readonly #done = new AbortController();
  readonly #watch: EngineWatch;
  #stream: StreamApply | null = null;
  #reached: Until | null = null;

  constructor(request: RunRequest, prepared: PreparedRun) {
    this.#request = request;
    this.#prepared = prepared;
    this.#watch = new EngineWatch(new TableStore(request.migration.state), request.bus);
  }

  async run(): Promise<RunResult> {
    const { migration, bus, finish, now } = this.#request;
    const stop = AbortSignal.any([finish, this.#done.signal]);
    const { tables, tail, identifiers } = this.#prepared;
    const broken = new AbortController();
    const signal = AbortSignal.any([now, broken.signal]);
    const beside = new AbortController();
    const forward = runStream({
      migration,
      name: "forward",
      systemIdentifier: identifiers.source,
      tail,
      tables,
      bus,
      stop,
      signal,
      watch: this.#watch,
      load: loadForward(migration, this.#prepared, bus, (stream) => this.#allJoined(stream)),
      streaming: (stream) => {
        this.#stream = stream;
      },
    }).finally(() => beside.abort());
    const others = watchBoth({
      migration,
      prepared: this.#prepared,
      bus,
      watch: this.#watch,
      position: () => this.#stream?.position ?? null,
      stop,
      signal: AbortSignal.any([signal, beside.signal]),
    });
    const failures: unknown[] = [];
    const note = (error: unknown): void => {
      if (beside.signal.aborted && failures.length === 0 && error === beside.signal.reason) return;
      failures.push(error);
      broken.abort(error);
    };
    await Promise.all([forward.catch(note), others.catch(note)]);
    if (now.aborted || (finish.aborted && !this.#done.signal.aborted)) throw interrupted();
    if (failures.length > 0) throw failures[0];
    return { phase: this.#reached === "loaded" ? "loading" : "caught-up", reached: this.#reached };
  }

  async #allJoined(stream: StreamApply): Promise<void> {
    const { bus, until } = this.#request;
    if (until === "loaded") return this.#end("loaded");
    bus.emit({ kind: "phase", phase: "catching-up" });
    await this.#catchUp(stream);
    bus.emit({ kind: "phase", phase: "caught-up" });
    if (until === "caught-up") return this.#end("caught-up");
    bus.emit({ kind: "phase", phase: "streaming" });
  }

  #end(reached: Until): void {
    this.#reached = reached;
    this.#done.abort(new Error(`reached ${reached}`));
  }

  /** Until the stream has passed where the source was when we asked; under constant traffic "caught up" can mean nothing else. */
  async #catchUp(stream: StreamApply): Promise<void> {
    const { migration, finish, now } = this.#request;
    const client = await migration.connect("source", "catch up");
    try {
      const goal: Lsn = await insertLsn(client);
      while (!finish.aborted && (stream.position ?? 0n) < goal) {
        await client.query("select pg_logical_emit_message(true, 'pghaul', '')");
        await systemClock.sleep(CAUGHT_UP_POLL_MILLIS, now);
      }
    } finally {
      await client.end();
    }
  }
}

function interrupted(): PghaulError {
  return new PghaulError("INTERRUPTED", "stopped; everything that was done is saved", { suggestion: "pghaul run" });
}
