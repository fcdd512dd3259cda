/**
 * `pghaul run`: the main job in one foreground process. Schema, slot, barrier, then the forward stream with its load; indexes and constraints
 * where their time has come; and, once a cutover has made the way back, the reverse stream beside it. Every step looks at what is there
 * already, so that it may be killed and started again at any moment.
 */

import { PghaulError } from "../../errors/pghaul-error.ts";
import type { Lsn } from "../../model/lsn.ts";
import type { Table } from "../../model/table.ts";
import { keepsUp } from "../../observe/eta.ts";
import type { Phase, ProgressBus, ProgressEvent } from "../../observe/events.ts";
import { emitMessage, insertLsn } from "../../side/postgres/wal.ts";
import { RunStore } from "../../state/audit/run-store.ts";
import { ControlStore } from "../../state/control-store.ts";
import { type HeldTable, HoldStore } from "../../state/hold-store.ts";
import { acquireLease } from "../../state/lease.ts";
import { ProgressStore } from "../../state/progress-store.ts";
import { TableStore } from "../../state/table-store.ts";
import { settleAbandoned } from "../cutover/settle-abandoned.ts";
import { heldError } from "../held-tables.ts";
import type { Migration } from "../open-migration.ts";
import { type PreparedRun, prepareRun } from "../prepare/prepare-run.ts";
import { readTables, type TableStatus } from "../read-status.ts";
import { ReloadRequests } from "../reload/reload-requests.ts";
import { TablesEmptied } from "../reload/watch-reloads.ts";
import { runTogether } from "../run-together.ts";
import type { EngineStream } from "../stream/engine-life.ts";
import { runStream } from "../stream/run-stream.ts";
import { systemClock } from "../system-clock.ts";
import { runVerify } from "../verify/run-verify.ts";
import type { VerifyResult } from "../verify/verify-result.ts";
import { loadForward } from "./load-forward.ts";
import { runBeside } from "./run-beside.ts";
import { StreamWatch } from "./watch-stream.ts";

/** Where `run` ends by itself; without one it streams until it is stopped. */
export type Until = "loaded" | "caught-up" | "verified";

export interface RunRequest {
  readonly migration: Migration;
  /** As the operator typed it, for the lease and for who is refused by it. */
  readonly command: string;
  readonly runId: string;
  readonly bus: ProgressBus;
  readonly until: Until | null;
  /** False: streams what has joined and loads nothing (`cdc start`). */
  readonly load: boolean;
  /** First Ctrl-C: finish the chunk. */
  readonly finish: AbortSignal;
  /** Second Ctrl-C: at once. */
  readonly now: AbortSignal;
}

export interface RunResult {
  /** What `until` asked for, or `stopped` when `cdc stop` ended it. */
  readonly reached: Until | "stopped";
  readonly phase: string;
  readonly tables: readonly TableStatus[];
  readonly chunks: { readonly done: number; readonly total: number };
  /** As last measured; null before the first table has joined. */
  readonly lag: { readonly bytes: number; readonly seconds: number } | null;
  readonly verify: VerifyResult | null;
  /** Tables of which the target refused a row; nothing of them is applied. */
  readonly held: readonly HeldTable[];
}

/** Throws INTERRUPTED, everything saved, when `finish` or `now` ended it. */
export async function runMigration(request: RunRequest): Promise<RunResult> {
  const { migration, bus } = request;
  const lease = await acquireLease(migration.config.state.dir, "stream", request.command);
  const progress = new ProgressStore(migration.state);
  const untell = bus.subscribe(recorder(progress));
  const runs = new RunStore(migration.state);
  runs.start(request.runId, request.command);
  const ended = new AbortController();
  // From the first moment, whatever keeps us from streaming: an abandoned switch needs one side where the stream needs both.
  const watchdog = settleAbandoned(migration, bus, ended.signal);
  try {
    const prepared = await prepareRun(migration, bus, request.now);
    const result = await new Run(request, prepared).run();
    runs.finish(request.runId, "done");
    return result;
  } catch (error) {
    runs.finish(request.runId, error instanceof PghaulError ? error.code : "BUG");
    if (error instanceof PghaulError && error.code !== "INTERRUPTED") {
      progress.update({ lastError: { code: error.code, message: error.message, at: new Date().toISOString() } });
    }
    throw error;
  } finally {
    ended.abort();
    await watchdog;
    untell();
    lease.release();
  }
}

/** Phases in which nothing but the stream can be waited for. */
const STREAMED: ReadonlySet<Phase> = new Set(["catching-up", "caught-up", "streaming"]);

/** Keeps phase and reason to wait in the state, for `status`. A reason is over when the stream goes on. */
function recorder(progress: ProgressStore): (event: ProgressEvent) => void {
  let streams = false;
  let waits = false;
  return (event) => {
    if (event.kind === "phase") {
      streams = STREAMED.has(event.phase);
      progress.update({ phase: event.phase, waiting: null });
    } else if (event.kind === "waiting") {
      waits = true;
      progress.update({ waiting: event.why });
    } else if (event.kind === "lag" && streams && waits && keepsUp(event)) {
      waits = false;
      progress.update({ waiting: null });
    }
  };
}

const CAUGHT_UP_POLL_MILLIS = 100;
const RELOAD_POLL_MILLIS = 250;

class Run {
  readonly #request: RunRequest;
  #prepared: PreparedRun;
  readonly #watch: StreamWatch;
  readonly #since = new Date().toISOString();
  /** Aborted when the goal is reached, or another process asked us to stop. */
  readonly #done = new AbortController();
  #reached: RunResult["reached"] = "stopped";
  #verify: VerifyResult | null = null;

  constructor(request: RunRequest, prepared: PreparedRun) {
    this.#request = request;
    this.#prepared = prepared;
    const { state, target } = request.migration;
    this.#watch = new StreamWatch({ stream: "forward", destinations: target.destinations, state, bus: request.bus });
  }

  async run(): Promise<RunResult> {
    const { migration, finish, now } = this.#request;
    const stop = AbortSignal.any([finish, this.#done.signal]);
    for (let again = true; again; ) {
      again = false;
      try {
        await this.#streams(stop);
      } catch (error) {
        // A load that is told to stop while a table waits to join says so by this error; it is no failure.
        const stopped = error instanceof PghaulError && error.code === "INTERRUPTED" && stop.aborted;
        again = error instanceof TablesEmptied && !stop.aborted;
        if (!now.aborted && !stopped && !(error instanceof TablesEmptied)) throw error;
      }
      if (again) this.#prepared = { ...this.#prepared, tables: asOnRecord(migration, this.#prepared.tables) };
    }
    if (!this.#done.signal.aborted) throw interrupted();
    return resultOf(migration, this.#reached, this.#verify);
  }

  /** Until they have ended. Throws TablesEmptied where they are to begin again, with other columns. */
  async #streams(stop: AbortSignal): Promise<void> {
    const { migration, bus, now } = this.#request;
    const streamed = new AbortController();
    const beside = { migration, prepared: this.#prepared, bus, watch: this.#watch, stop };
    await runTogether(
      [
        (signal) => this.#forward(stop, signal).finally(() => streamed.abort()),
        (signal) => runBeside({ ...beside, askedToStop: () => this.#askedToStop(), streamed: streamed.signal, signal }),
      ],
      now,
    );
  }

  #forward(stop: AbortSignal, signal: AbortSignal): Promise<void> {
    const { migration, bus, load } = this.#request;
    const { tables, tail, identifiers } = this.#prepared;
    if (!load) bus.emit({ kind: "phase", phase: "streaming" });
    return runStream({
      migration,
      name: "forward",
      systemIdentifier: identifiers.source,
      tail,
      tables,
      bus,
      stop,
      signal,
      watch: this.#watch,
      load: load ? loadForward(migration, this.#prepared, bus, (stream, signal) => this.#allJoined(stream, signal)) : null,
    });
  }

  async #allJoined(stream: EngineStream, signal: AbortSignal): Promise<void> {
    const { migration, runId, bus, until, finish } = this.#request;
    // No goal is reached without the tables that are held; without a goal the others stream on.
    if (until !== null) await this.#insistOnAll(signal);
    if (until === "loaded") return this.#end("loaded");
    bus.emit({ kind: "phase", phase: "catching-up" });
    await this.#catchUp(stream, signal);
    bus.emit({ kind: "phase", phase: "caught-up" });
    if (until !== null) await this.#insistOnAll(signal);
    if (until === "caught-up") return this.#end("caught-up");
    if (until === "verified") {
      this.#verify = await runVerify({ migration, runId, only: null, differences: 0, bus, signal: AbortSignal.any([signal, finish]) });
      return this.#end("verified");
    }
    bus.emit({ kind: "phase", phase: "streaming" });
  }

  /** A held table that is about to be loaded anew ends this life of the engine, or its wish is given back; until then nothing is decided. */
  async #insistOnAll(signal: AbortSignal): Promise<void> {
    const { migration, bus, finish } = this.#request;
    const reloads = new ReloadRequests({ migration, bus, tables: this.#prepared.tables });
    while (!finish.aborted && reloads.asked().length > 0) await systemClock.sleep(RELOAD_POLL_MILLIS, signal);
    const held = heldError(migration.state);
    if (held !== null) throw held;
  }

  #end(reached: RunResult["reached"]): void {
    this.#reached = reached;
    this.#done.abort(new Error(`reached ${reached}`));
  }

  #askedToStop(): void {
    const request = new ControlStore(this.#request.migration.state).stopRequested(this.#since);
    if (request === null || this.#done.signal.aborted) return;
    this.#request.bus.emit({ kind: "waiting", why: `stopping, because ${request.by} asked for it` });
    this.#end("stopped");
  }

  /** Until the stream has passed where the source was when we asked; under constant traffic "caught up" can mean nothing else. */
  async #catchUp(stream: EngineStream, signal: AbortSignal): Promise<void> {
    const { migration, finish } = this.#request;
    const client = await migration.connect("source", "catch up");
    try {
      const goal: Lsn = await insertLsn(client);
      while (!finish.aborted && (stream.position ?? 0n) < goal) {
        await emitMessage(client);
        await systemClock.sleep(CAUGHT_UP_POLL_MILLIS, signal);
      }
    } finally {
      await client.end();
    }
  }
}

/** The tables, ours among them, with the definitions that they have by now. */
function asOnRecord({ state }: Migration, tables: readonly Table[]): readonly Table[] {
  const known = new Map(new TableStore(state).all().map(({ table }) => [table.id, table]));
  return tables.map((table) => known.get(table.id) ?? table);
}

function resultOf({ state }: Migration, reached: RunResult["reached"], verify: VerifyResult | null): RunResult {
  const { phase, lag } = new ProgressStore(state).get() ?? { phase: "not-started", lag: null };
  const tables = readTables(state);
  const done = tables.reduce((sum, { chunks }) => sum + chunks.done, 0);
  const total = tables.reduce((sum, { chunks }) => sum + chunks.total, 0);
  return { reached, phase, tables, chunks: { done, total }, lag, verify, held: new HoldStore(state).all() };
}

function interrupted(): PghaulError {
  return new PghaulError("INTERRUPTED", "stopped; all progress is saved");
}
