/**
 * The load of many tables by a few readers: the largest table first, several readers inside one table. A reader holds its chunk in memory
 * until it is merged, so memory is bounded by readers, not by how far the target is behind.
 */
import type { PghaulError } from "../errors/pghaul-error.ts";
import { type Lsn, minLsn } from "../model/lsn.ts";
import { leafRelation, type Table, type TableLeaf } from "../model/table.ts";
import type { ChunkBudget, ChunkRange, ChunkRecord, EnginePorts, ReadGate, TableProgress } from "./ports.ts";
import { isRefusal } from "./refusal.ts";
import type { KeyedLoad, TableLoading } from "./table-loading.ts";
import { VisibleFloor } from "./visible-floor.ts";

type LoadPorts = Pick<EnginePorts, "source" | "log" | "store" | "clock" | "observer">;

export interface LoadOptions {
  /** In the order in which they should start. */
  readonly tables: readonly Table[];
  /** Ranges over these leaves of the table. */
  readonly ranges: (table: Table, leaves: readonly TableLeaf[]) => Promise<readonly ChunkRange[]>;
  readonly budget: (table: Table) => ChunkBudget;
  readonly readers: number;
  /** Without one, nothing holds the reads back. */
  readonly gate?: ReadGate;
  /** Called when a table holds everything up to its cursor (secondary indexes go here); then it joins the stream. */
  readonly loaded: (table: Table, progress: TableProgress) => Promise<void>;
  /** Aborted: no further chunk is started, running ones are merged, then the load returns. */
  readonly stop: AbortSignal;
  readonly signal: AbortSignal;
}

/** Waits for all, then throws the first failure that is not a consequence of another. */
async function settleAll(running: readonly Promise<void>[]): Promise<void> {
  let failure: { readonly error: unknown } | null = null;
  await Promise.all(
    running.map((one) =>
      one.catch((error: unknown) => {
        failure ??= { error };
      }),
    ),
  );
  if (failure !== null) throw (failure as { readonly error: unknown }).error;
}

/** A table under way: its chunks to come, and how many readers are inside. */
interface OpenTable {
  readonly table: Table;
  readonly load: KeyedLoad;
  readonly chunks: ChunkRecord[];
  busy: number;
  /** The target refused a row: nothing more is started, and the last reader to leave has the table held. */
  refused: PghaulError | null;
}

export class TablesLoad {
  readonly #ports: LoadPorts;
  readonly #loading: TableLoading;
  readonly #options: LoadOptions;
  readonly #floor: VisibleFloor;
  readonly #queue: Table[];
  readonly #open: OpenTable[] = [];
  readonly #failed = new AbortController();
  /** No read is waited for any more. */
  readonly #ended: AbortSignal;
  /** Where the log is needed from by tables that are not open: not opened again since the restart, read whole, or on their way to join. */
  readonly #held = new Map<string, Lsn>();
  #unfinished: number;
  #opening: Promise<void> = Promise.resolve();
  #openings = 0;

  constructor(ports: LoadPorts, loading: TableLoading, options: LoadOptions) {
    this.#ports = ports;
    this.#loading = loading;
    this.#options = {
      ...options,
      signal: AbortSignal.any([options.signal, this.#failed.signal]),
    };
    this.#ended = AbortSignal.any([options.stop, this.#options.signal]);
    this.#floor = new VisibleFloor(ports);
    this.#queue = options.tables.filter(({ id }) => !loading.isSettled(id));
    for (const { id } of this.#queue) if (loading.hasBegun(id)) this.#keepLogFor(id);
    this.#unfinished = this.#queue.length;
  }

  /** Loads every table that is not loaded yet. Returns true when all are, or held; false when it was stopped before. */
  async run(): Promise<boolean> {
    const readers = Array.from({ length: this.#options.readers }, () =>
      this.#reader().catch((error: unknown) => {
        this.#failed.abort(error);
        throw error;
      }),
    );
    await settleAll(readers);
    return this.#unfinished === 0;
  }

  /**
   * The log is needed from here on by the tables under way; null once all have joined. What is released then may not be visible yet: a load
   * that starts later over this log needs a barrier of its own.
   */
  oldestPosition(): Lsn | null {
    if (this.#unfinished === 0) return null;
    const positions = this.#open.flatMap(({ load }) => load.oldestPosition ?? []);
    return [...positions, ...this.#held.values()].reduce(minLsn, this.#floor.known);
  }

  /** Every commit below is visible to all snapshots to come; where a barrier is needed, only once it has passed. */
  get visibleFloor(): Lsn {
    return this.#floor.proved;
  }

  async #reader(): Promise<void> {
    while (!this.#options.stop.aborted) {
      this.#options.signal.throwIfAborted();
      const open = await this.#nextOpen();
      if (open === null) return;
      const chunk = open.chunks.shift();
      if (chunk !== undefined) await this.#readAndMerge(open, chunk).catch((error: unknown) => this.#refuse(open, error));
      open.busy -= 1;
      if (open.busy === 0 && open.chunks.length === 0) await this.#finish(open);
    }
  }

  /** A table with a chunk to read, opening the next one when the open ones have none; null when nothing is left to start, or at a stop. */
  async #nextOpen(): Promise<OpenTable | null> {
    for (;;) {
      // Before anything is taken and before any floor: a reader that waits here holds back neither log nor work.
      if (this.#readIsNext() && !(await this.#mayRead())) return null;
      const ready = this.#ready();
      if (ready !== undefined) {
        ready.busy += 1;
        return ready;
      }
      const table = this.#queue.shift();
      if (table === undefined) {
        if (this.#openings === 0) return null;
        // A table that is being opened may have work for more readers than the one that opens it.
        await this.#opening;
        continue;
      }
      if (table.key === null) await this.#whole(table);
      else {
        // One at a time: planning reads the source's statistics, and two readers must not open two tables where one has work for both.
        this.#openings += 1;
        this.#opening = this.#opening
          .then(() => this.#openTable(table))
          .finally(() => {
            this.#openings -= 1;
          });
        await this.#opening;
      }
    }
  }

  #ready(): OpenTable | undefined {
    return this.#open.find(({ chunks }) => chunks.length > 0);
  }

  /** False if the next table only has to be opened (which may find it merged already), or was read whole in an earlier life. */
  #readIsNext(): boolean {
    const next = this.#queue[0];
    return this.#ready() !== undefined || (next?.key === null && !this.#loading.hasBegun(next.id));
  }

  /** Waits at the gate. False: told to stop meanwhile. */
  async #mayRead(): Promise<boolean> {
    const { gate, stop, signal } = this.#options;
    try {
      await gate?.mayRead(this.#ended);
    } catch (error) {
      if (signal.aborted || !stop.aborted) throw error;
    }
    return !stop.aborted;
  }

  async #openTable(table: Table): Promise<void> {
    const { store } = this.#ports;
    if (this.#loading.loadedBefore(table.id) === null) await this.#planMissing(table);
    const chunks = store.chunks(table.id);
    const load = this.#loading.open(table, this.#options.signal, this.#floor);
    const open: OpenTable = { table, load, chunks: [], busy: 0, refused: null };
    for (const chunk of chunks) {
      // The target's record counts, not ours. It may have committed something that we did not live to record. Or it is a promoted standby that
      // was behind, and has lost what we recorded.
      if (this.#loading.hasChunk(chunk.id)) {
        if (!chunk.merged) store.chunkMerged(chunk.id, 0, 0);
        continue;
      }
      if (chunk.merged) store.chunkLost(chunk.id);
      open.chunks.push(chunk);
    }
    this.#open.push(open);
    this.#held.delete(table.id);
    if (open.chunks.length === 0) await this.#finish(open);
  }

  /** Plans the ranges that no chunk covers yet, over the leaves that the table has now. */
  async #planMissing(table: Table): Promise<readonly ChunkRecord[]> {
    const { source, store } = this.#ports;
    const covered = new Set(store.chunks(table.id).map(({ range }) => range.leaf));
    const missing = (await source.leaves(table, this.#options.signal)).filter(({ id }) => !covered.has(id));
    if (missing.length === 0) return [];
    return store.planChunks(table.id, await this.#options.ranges(table, missing)).filter(({ range }) => !covered.has(range.leaf));
  }

  async #readAndMerge(open: OpenTable, chunk: ChunkRecord): Promise<void> {
    const { source, store, observer } = this.#ports;
    const openRead = await open.load.openRead(await this.#floor.current(this.#options.signal));
    observer.chunkStarted(open.table.id, chunk.id);
    const read = await source.readChunk(open.table, chunk.range, this.#options.budget(open.table), this.#options.signal);
    if (read.cutAfter !== null && open.refused === null) open.chunks.unshift(store.cutChunk(chunk.id, read.cutAfter));
    await store.kept();
    await open.load.merge(chunk, read, openRead);
  }

  /** A refusal concerns this table alone; anything else is thrown on. */
  #refuse(open: OpenTable, error: unknown): void {
    if (!isRefusal(error)) throw error;
    open.refused ??= error;
    open.chunks.length = 0;
    open.load.fail(error);
  }

  async #hold(table: Table, error: PghaulError, cursor: Lsn): Promise<void> {
    await this.#loading.hold(table, error, cursor);
    this.#held.delete(table.id);
    this.#unfinished -= 1;
  }

  async #whole(table: Table): Promise<void> {
    const from = this.#keepLogFor(table.id);
    try {
      const loading = this.#loading;
      const progress = loading.loadedBefore(table.id) ?? (await loading.loadWhole(table, this.#floor, this.#options.signal));
      await this.#loaded(table, progress);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      await this.#hold(table, error, from ?? 0n);
    }
  }

  /** The position from which a table that is not open needs the log. */
  #keepLogFor(table: string): Lsn | null {
    const from = this.#loading.neededFrom(table, this.#floor.known);
    if (from !== null) this.#held.set(table, from);
    return from;
  }

  /** Ends a table's load, or finds chunks that are still to be read. */
  async #finish(open: OpenTable): Promise<void> {
    const { table, load } = open;
    const before = this.#loading.loadedBefore(table.id);
    try {
      if (open.refused !== null) throw open.refused;
      if (before === null) {
        // The cursor began at a visible floor before this look, so the rows of a leaf that it does not find were committed above: they stream.
        await load.begin(this.#floor);
        const missing = await this.#planMissing(table);
        if (this.#cameBack(table)) return await this.#startOver(open);
        open.chunks.push(...missing);
        if (open.chunks.length > 0) return;
      }
      const progress = before ?? (await load.finish(this.#floor));
      this.#held.set(table.id, progress.cursor);
      this.#open.splice(this.#open.indexOf(open), 1);
      await this.#loaded(table, progress);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      if (this.#open.includes(open)) {
        // Until the hold is on record, a restart continues from the existing cursor.
        this.#held.set(table.id, load.oldestPosition ?? this.#floor.known);
        this.#open.splice(this.#open.indexOf(open), 1);
      }
      await this.#hold(table, error, load.cursor ?? 0n);
    }
  }

  /** Whether a leaf left the table since it was planned and is part of it again, which gives it another id. */
  #cameBack({ id }: Table): boolean {
    const leaves = new Set(this.#ports.store.chunks(id).map(({ range }) => range.leaf));
    return new Set([...leaves].map(leafRelation)).size < leaves.size;
  }

  /**
   * While a leaf was not part of the table, its changes were not streamed. A row that was read before and has been deleted or changed since would
   * stay at the target. Nobody knows which rows those are, so no row of the table is kept. Call this when nothing of the table is under way.
   */
  async #startOver(open: OpenTable): Promise<void> {
    const { table } = open;
    this.#ports.observer.waiting(
      `${table.id} is read again from the start: one of its partitions was detached and attached again meanwhile`,
    );
    // First: no other reader may take work from it while it is emptied.
    this.#open.splice(this.#open.indexOf(open), 1);
    await this.#loading.startOver(table);
    this.#queue.unshift(table);
  }

  async #loaded(table: Table, progress: TableProgress): Promise<void> {
    this.#held.set(table.id, progress.cursor);
    this.#ports.observer.tableLoaded(table.id);
    await this.#options.loaded(table, progress);
    this.#held.delete(table.id);
    this.#unfinished -= 1;
  }
}
