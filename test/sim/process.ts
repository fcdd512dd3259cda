/** The engine in one life, wired as the workflow wires it: known progress, barrier, load and stream together. */
import { type LoadOptions, TablesLoad } from "../../src/engine/load-tables.ts";
import type { ChunkRange, EnginePorts } from "../../src/engine/ports.ts";
import type { TableLoading } from "../../src/engine/table-loading.ts";
import { PghaulError } from "../../src/errors/pghaul-error.ts";
import { type Lsn, maxLsn, minLsn } from "../../src/model/lsn.ts";
import type { Table, TableLeaf } from "../../src/model/table.ts";
import type { Ending, SimProcess } from "./simulation.ts";
import type { DurableStore } from "./store.ts";

const BUDGET = { millis: 3_000, bytes: 1_000_000 };

export interface ProcessParts {
  readonly ports: Omit<EnginePorts, "target">;
  /** Opens the engine over the target: what was asked to be loaded anew is forgotten first. */
  readonly open: (signal: AbortSignal) => Promise<OpenEngine>;
  /** One stop for load and stream at once, instead of the load first. */
  readonly stopsAtOnce: boolean;
  readonly tables: readonly Table[];
  readonly store: DurableStore;
  readonly readers: number;
  readonly ranges: (table: Table, leaves: readonly TableLeaf[]) => readonly ChunkRange[];
  /** How long a reader is held back before its next read. */
  readonly holdMillis: () => number;
}

/** The engine over one kind of target. */
export interface OpenEngine {
  readonly stream: {
    readonly position: Lsn | null;
    readonly recordedPosition: Lsn | null;
    run(stop: AbortSignal, signal: AbortSignal): Promise<void>;
  };
  readonly loading: TableLoading;
  readonly loaded: LoadOptions["loaded"];
  readonly makeDurable: () => Promise<unknown>;
}

export class Process implements SimProcess {
  ending: Ending | null = null;
  readonly #parts: ProcessParts;
  readonly #stopLoad = new AbortController();
  readonly #stopStream = new AbortController();
  readonly #failed = new AbortController();
  readonly #failures: unknown[] = [];
  #load: TablesLoad | null = null;
  #engine: OpenEngine | null = null;
  #loaded = false;
  /** The load has a floor that is proved. */
  #barred = false;

  constructor(parts: ProcessParts) {
    this.#parts = parts;
  }

  get loaded(): boolean {
    return this.#loaded;
  }

  get position(): Lsn | null {
    return this.#engine?.stream.position ?? null;
  }

  start(): void {
    this.#run().then(
      () => {
        this.ending = { kind: "stopped", loaded: this.#loaded };
      },
      (error: unknown) => {
        this.ending = { kind: "failed", error };
      },
    );
  }

  /** The operator's Ctrl-C: the load finishes its chunks, then (or at the same time) the stream its batch. */
  stop(): void {
    this.#stopLoad.abort(new Error("stopped"));
    if (this.#loaded || this.#parts.stopsAtOnce) this.#stopStream.abort(new Error("stopped"));
  }

  endForReload(): void {
    this.#breakOff(new PghaulError("TARGET_LOST", "a table is to be loaded anew"));
  }

  /** What the workflow does now and then with segments that nobody needs. */
  releaseLog(): void {
    this.#release().catch((error: unknown) => this.#breakOff(error));
  }

  async #release(): Promise<void> {
    if (this.#load === null || this.#engine === null) return;
    const recorded = this.#engine.stream.recordedPosition;
    const needed = [recorded, this.#load.oldestPosition()].filter((position) => position !== null);
    if (this.#barred) this.#parts.store.visibleFloor = maxLsn(this.#parts.store.visibleFloor, this.#load.visibleFloor);
    // What the stream has on record a crash of the target may still take back; and a target that went back is noticed here at the latest.
    await this.#engine.makeDurable();
    if (needed.length > 0) await this.#parts.ports.log.release(needed.reduce(minLsn));
  }

  async #run(): Promise<void> {
    const { ports, tables, store, readers } = this.#parts;
    const signal = this.#failed.signal;
    if (!store.barrierPassed) {
      await ports.source.barrier(() => {}, signal);
      store.barrierPassed = true;
      store.visibleFloor = ports.log.start();
    }
    const engine = await this.#parts.open(signal);
    this.#engine = engine;
    const load = new TablesLoad(ports, engine.loading, {
      tables,
      ranges: async (table, leaves) => this.#parts.ranges(table, leaves),
      budget: () => BUDGET,
      readers,
      gate: { mayRead: (ended) => ports.clock.sleep(this.#parts.holdMillis(), ended) },
      loaded: engine.loaded,
      stop: this.#stopLoad.signal,
      signal,
    });
    this.#load = load;
    const loading = this.#loadBehindBarrier(load, signal).then((all) => {
      this.#loaded = all;
      if (this.#stopLoad.signal.aborted) this.#stopStream.abort(new Error("stopped"));
    });
    await this.#both(loading, engine.stream.run(this.#stopStream.signal, signal));
  }

  /** As the workflow does: the stream does not wait for the barrier, and a stop ends the wait. */
  async #loadBehindBarrier(load: TablesLoad, signal: AbortSignal): Promise<boolean> {
    const { ports, store } = this.#parts;
    const floor = ports.log.start();
    if (load.oldestPosition() === null) return load.run();
    if (floor > store.visibleFloor) {
      const ended = AbortSignal.any([this.#stopLoad.signal, signal]);
      try {
        await ports.source.barrier(() => {}, ended);
      } catch (error) {
        if (signal.aborted || !this.#stopLoad.signal.aborted) throw error;
        return false;
      }
    }
    this.#barred = true;
    return load.run();
  }

  /** Waits for both; the first that fails stops the other. */
  async #both(...running: readonly Promise<void>[]): Promise<void> {
    await Promise.all(running.map((one) => one.catch((error: unknown) => this.#breakOff(error))));
    const failure = this.#failures[0];
    if (failure !== undefined && !isInterruption(failure)) throw failure;
  }

  #breakOff(error: unknown): void {
    this.#failures.push(error);
    this.#failed.abort(error);
  }
}

/** A table that could not be finished because the stream was told to stop: it is in the next life. */
function isInterruption(error: unknown): boolean {
  return error instanceof PghaulError && error.code === "INTERRUPTED";
}
