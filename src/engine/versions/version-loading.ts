import type { PghaulError } from "../../errors/pghaul-error.ts";
import { formatLsn, type Lsn, maxLsn, minLsn } from "../../model/lsn.ts";
import type { Table } from "../../model/table.ts";
import { passLog, passRead } from "../pass-log.ts";
import type { VersionedRead, VersionProgress } from "../ports/version-target.ts";
import type { ChunkRead, ChunkRecord, TableProgress } from "../ports.ts";
import { RefusedChange } from "../refusal.ts";
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
  /** Of tables whose load begins over a stream that has left them out, or took them for loaded: where the stream was then. */
  readonly #readFrom = new Map<string, Lsn>();

  constructor(ports: VersionPorts, stream: VersionStream, known: VersionProgress) {
    this.#ports = ports;
    this.#stream = stream;
    this.#known = known;
  }

  isSettled(table: string): boolean {
    const known = this.#known.tables.get(table);
    return known?.held !== undefined || (known?.published ?? null) !== null;
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
    const parts = { ports: this.#ports, stream: this.#stream, completion: this.#completion(signal), floor };
    return new VersionLoad(table, { ...parts, hi: this.#hiOf(table), readFrom: this.#readFromOf(table) });
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
    this.#readFrom.set(table.id, this.#stream.position);
    return reloadVersions(this.#ports, table);
  }

  /** The stream has held it already. Such a target accepts every row: a refusal is a failure of the whole target, not of this table. */
  hold({ id }: Table, refusal: PghaulError): Promise<void> {
    return this.#stream.holdOf(id) === null ? Promise.reject(refusal) : Promise.resolve();
  }

  /**
   * Of a table of which nothing is at the target, changes below where this life's stream began may be missing there: a table that was held was
   * left out. So every read has to contain them.
   */
  #readFromOf({ id }: Table): Lsn {
    return this.#readFrom.get(id) ?? (this.hasBegun(id) ? 0n : (this.#known.accepted ?? 0n));
  }

  #hiOf({ id }: Table): Lsn {
    return this.#known.tables.get(id)?.hi ?? 0n;
  }

  #completion(signal: AbortSignal): Completion {
    return new Completion(this.#ports, this.#stream, signal);
  }

  async #readWhole(table: Table, chunk: number, visibleFloor: VisibleFloor, signal: AbortSignal): Promise<Lsn> {
    const { source, target, store, observer, crashPoint } = this.#ports;
    await store.kept();
    const floor = await provedFloor(this.#ports, { floor: visibleFloor, from: this.#readFromOf(table) }, signal);
    observer.chunkStarted(table.id, chunk);
    const { rows, bytes, hi } = await source.readWhole(
      table,
      async (read) => {
        const confirm = async (): Promise<VersionedRead> => {
          // A read of hours must not fail for a stream that was opened again; its own session tells whether the source crashed (`passRead`).
          await passLog(this.#ports, read.hi, signal);
          await read.stillThere();
          refuseHeld(this.#stream, table.id);
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

/** The visible floor as far as it is proved, once it has come to `from`. To be asked before a snapshot is taken. */
async function provedFloor(
  { clock, observer }: VersionPorts,
  { floor, from }: { readonly floor: VisibleFloor; readonly from: Lsn },
  signal: AbortSignal,
): Promise<Lsn> {
  for (;;) {
    await floor.current(signal);
    if (floor.proved >= from) return floor.proved;
    observer.waiting(`a table that is loaded anew waits until no transaction from before ${formatLsn(from)} runs`);
    await clock.sleep(FLOOR_POLL_MILLIS, signal);
  }
}

/** Nothing of a table that is held is loaded. */
function refuseHeld(stream: VersionStream, table: string): void {
  const hold = stream.holdOf(table);
  if (hold !== null) throw new RefusedChange(table, hold);
}

interface VersionLoadParts {
  readonly ports: VersionPorts;
  readonly stream: VersionStream;
  /** No read of it begins below. */
  readonly readFrom: Lsn;
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
  readonly #stream: VersionStream;
  readonly #readFrom: Lsn;
  #hi: Lsn;

  constructor(table: Table, { ports, stream, completion, floor, hi, readFrom }: VersionLoadParts) {
    this.#table = table;
    this.#stream = stream;
    this.#readFrom = readFrom;
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
  openRead(floor: Lsn): OpenRead | Promise<OpenRead> {
    const proved = minLsn(floor, this.#floor.proved);
    return proved >= this.#readFrom ? { floor: proved, since: this.#ports.log.streams() } : this.#openLater();
  }

  async #openLater(): Promise<OpenRead> {
    const floor = await provedFloor(this.#ports, { floor: this.#floor, from: this.#readFrom }, this.#completion.signal);
    return { floor, since: this.#ports.log.streams() };
  }

  async merge(chunk: ChunkRecord, read: ChunkRead, { floor, since }: OpenRead): Promise<void> {
    const { target, store, observer, crashPoint } = this.#ports;
    const { id } = this.#table;
    // What the snapshot contains must be durable at the source before it counts here.
    await passRead(this.#ports, { lsn: read.hi, since }, this.#completion.signal);
    crashPoint("after-copy-before-merge");
    refuseHeld(this.#stream, id);
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
      refuseHeld(this.#stream, table.id);
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
