import type { PghaulError } from "../../errors/pghaul-error.ts";
import { type Lsn, maxLsn, minLsn } from "../../model/lsn.ts";
import type { Table } from "../../model/table.ts";
import { passLog, passRead } from "../pass-log.ts";
import type { VersionedRead, VersionProgress } from "../ports/version-target.ts";
import type { ChunkRead, ChunkRecord, TableProgress } from "../ports.ts";
import { type KeyedLoad, type OpenRead, type TableLoading, WHOLE } from "../table-loading.ts";
import type { VisibleFloor } from "../visible-floor.ts";
import { reloadVersions } from "./reload-versions.ts";
import { rereadMoves } from "./reread-moves.ts";
import type { VersionPorts, VersionStream } from "./version-stream.ts";

/** How often to look again at a move that snapshots may not contain yet; the floor is asked for no more often. */
const FLOOR_POLL_MILLIS = 1_000;

/** The load into a version target: chunks go there as they were read, and the stream beside them makes them exact. */
export class VersionLoading implements TableLoading {
  readonly #ports: VersionPorts;
  readonly #stream: VersionStream;
  readonly #known: VersionProgress;

  constructor(ports: VersionPorts, stream: VersionStream, known: VersionProgress) {
    this.#ports = ports;
    this.#stream = stream;
    this.#known = known;
  }

  isSettled(table: string): boolean {
    return (this.#known.tables.get(table)?.published ?? null) !== null;
  }

  hasBegun(table: string): boolean {
    return this.#known.tables.has(table);
  }

  loadedBefore(): null {
    return null;
  }

  /** The stream alone reads the log. */
  neededFrom(): null {
    return null;
  }

  hasChunk(chunk: number): boolean {
    return this.#known.loadedChunks.has(chunk);
  }

  open(table: Table, signal: AbortSignal, floor: VisibleFloor): KeyedLoad {
    return new VersionLoad(table, { ports: this.#ports, completion: this.#completion(signal), floor, hi: this.#hiOf(table) });
  }

  async loadWhole(table: Table, floor: VisibleFloor, signal: AbortSignal): Promise<TableProgress> {
    const { store } = this.#ports;
    const [chunk] = store.planChunks(table.id, [WHOLE]);
    if (chunk === undefined) throw new Error(`load: no chunk planned for ${table.id}`);
    const hi = this.hasChunk(chunk.id) ? this.#hiOf(table) : await this.#readWhole(table, chunk.id, floor, signal);
    return await this.#completion(signal).publish(table, hi, floor);
  }

  /** Moves that were noted stay so: the reads to come may not contain them. */
  startOver(table: Table): Promise<void> {
    return reloadVersions(this.#ports, table);
  }

  /** Such a target accepts every row: a refusal is a failure of the whole target, not of this table. */
  hold(_table: Table, refusal: PghaulError): Promise<void> {
    return Promise.reject(refusal);
  }

  #hiOf({ id }: Table): Lsn {
    return this.#known.tables.get(id)?.hi ?? 0n;
  }

  #completion(signal: AbortSignal): Completion {
    return new Completion(this.#ports, this.#stream, signal);
  }

  async #readWhole(table: Table, chunk: number, visibleFloor: VisibleFloor, signal: AbortSignal): Promise<Lsn> {
    const { source, target, store, observer, crashPoint } = this.#ports;
    await visibleFloor.current(signal);
    const floor = visibleFloor.proved;
    observer.chunkStarted(table.id, chunk);
    const { rows, bytes, hi } = await source.readWhole(
      table,
      async (read) => {
        const confirm = async (): Promise<VersionedRead> => {
          // A read of hours must not fail for a stream that was opened again; its own session tells whether the source crashed (`passRead`).
          await passLog(this.#ports, read.hi, signal);
          await read.stillThere();
          crashPoint("before-whole-commit");
          return { floor, hi: read.hi, view: read.view.text };
        };
        return { ...(await target.loadWhole(table, chunk, read.copyText, confirm)), hi: read.hi };
      },
      signal,
    );
    crashPoint("after-merge-before-record");
    store.chunkMerged(chunk, rows, bytes);
    observer.chunkMerged(table.id, chunk, rows, bytes);
    return hi;
  }
}

interface VersionLoadParts {
  readonly ports: VersionPorts;
  readonly completion: Completion;
  readonly floor: VisibleFloor;
  /** The highest of its reads so far. */
  readonly hi: Lsn;
}

/** The load of one table with a key. */
class VersionLoad implements KeyedLoad {
  readonly cursor = null;
  readonly oldestPosition = null;
  readonly #table: Table;
  readonly #completion: Completion;
  readonly #ports: VersionPorts;
  readonly #floor: VisibleFloor;
  #hi: Lsn;

  constructor(table: Table, { ports, completion, floor, hi }: VersionLoadParts) {
    this.#table = table;
    this.#completion = completion;
    this.#ports = ports;
    this.#floor = floor;
    this.#hi = hi;
  }

  /** The stream begins at the log's start, so whatever the last look at the leaves does not find was committed above: it streams. */
  begin(): Promise<void> {
    return Promise.resolve();
  }

  /** A floor is recorded here as the read's version. It has to be a proved one; a lower floor is just as true. */
  openRead(floor: Lsn): OpenRead {
    return { floor: minLsn(floor, this.#floor.proved), since: this.#ports.log.streams() };
  }

  async merge(chunk: ChunkRecord, read: ChunkRead, { floor, since }: OpenRead): Promise<void> {
    const { target, store, observer, crashPoint } = this.#ports;
    const { id } = this.#table;
    // What the snapshot contains must be durable at the source before it counts here.
    await passRead(this.#ports, { lsn: read.hi, since }, this.#completion.signal);
    crashPoint("after-copy-before-merge");
    await target.loadChunk(this.#table, chunk.id, { floor, hi: read.hi, view: null }, read.rows);
    crashPoint("after-merge-before-record");
    store.chunkMerged(chunk.id, read.rows.count, read.rows.bytes);
    observer.chunkMerged(id, chunk.id, read.rows.count, read.rows.bytes);
    this.#hi = maxLsn(this.#hi, read.hi);
  }

  async finish(floor: VisibleFloor): Promise<TableProgress> {
    return await this.#completion.publish(this.#table, this.#hi, floor);
  }

  /** A refusal ends the whole load (`hold`); there is nothing here that would write on. */
  fail(): void {}
}

/** What makes a table whose reads are all at the target complete. */
class Completion {
  readonly signal: AbortSignal;
  readonly #ports: VersionPorts;
  readonly #stream: VersionStream;

  constructor(ports: VersionPorts, stream: VersionStream, signal: AbortSignal) {
    this.#ports = ports;
    this.#stream = stream;
    this.signal = signal;
  }

  /**
   * Publishes the table at a durable position that is not below the `hi` of any read of it, and below which no move is pending. `readTo` is that
   * of the reads so far.
   */
  async publish(table: Table, readTo: Lsn, floor: VisibleFloor): Promise<TableProgress> {
    const { target, clock, crashPoint } = this.#ports;
    const { moves } = this.#stream;
    let hi = readTo;
    for (;;) {
      const reread = await rereadMoves(this.#ports, table, { moves, floor, signal: this.signal });
      hi = maxLsn(hi, reread);
      await this.#stream.waitAccepted(hi);
      const position = await this.#stream.settle(this.signal);
      if (moves.below(table.id, position).length === 0) {
        crashPoint("before-publish");
        await target.publish(table, position);
        crashPoint("after-publish");
        this.#stream.published(table.id);
        return { cursor: position, state: "loaded", filter: null };
      }
      if (reread === 0n) await clock.sleep(FLOOR_POLL_MILLIS, this.signal);
    }
  }
}
