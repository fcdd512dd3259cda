/**
 * The load of one table with a key: chunks are merged in rounds, each at one position of the table's own cursor.
 *
 * A round takes the chunks that were read meanwhile, waits until the log has passed their snapshots, moves the table's cursor there
 * (tolerantly: rows whose chunk is still to come are absent), and merges the chunks, several at once. So at any moment the target holds,
 * for the keys covered so far, exactly what the source held at the cursor (research, section 3, invariant I(A)).
 */
import { type Lsn, maxLsn, minLsn } from "../../model/lsn.ts";
import type { Table } from "../../model/table.ts";
import { keyText } from "../../model/table.ts";
import type { Row } from "../../model/value.ts";
import { passRead } from "../pass-log.ts";
import type { ChunkRead, ChunkRecord, EnginePorts, TableProgress, TargetTransaction } from "../ports.ts";
import { isRefusal } from "../refusal.ts";
import type { KeyedLoad, OpenRead } from "../table-loading.ts";
import type { VisibleFloor } from "../visible-floor.ts";
import { advanceTable, type TableCursor } from "./advance-table.ts";
import { LogStretch } from "./log-stretch.ts";
import { namedRow, type RefusedRows } from "./refused-row.ts";
import { EVERY_KEY, type RolledChunk, rollForwardOver } from "./roll-forward.ts";

/** Keys of one point re-read. */
const REREAD_KEYS = 1_000;

/** A chunk that was read and waits for its round. */
interface WaitingChunk {
  readonly chunk: ChunkRecord;
  readonly read: ChunkRead;
  readonly open: OpenRead;
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
}

export class TableLoad implements KeyedLoad {
  readonly table: Table;
  readonly #ports: EnginePorts;
  readonly #signal: AbortSignal;
  readonly #cursor: TableCursor;
  /** The log must be kept from their floors on, also where the cursor has gone past them. */
  readonly #openReads = new Set<OpenRead>();
  #waiting: WaitingChunk[] = [];
  #rounds: Promise<void> | null = null;
  #failure: { readonly error: unknown } | null = null;

  constructor(table: Table, ports: EnginePorts, known: { progress: TableProgress | null; pending: readonly Row[] }, signal: AbortSignal) {
    this.table = table;
    this.#ports = ports;
    this.#signal = signal;
    this.#cursor = {
      table,
      position: known.progress?.cursor ?? null,
      recorded: known.progress !== null,
      pending: new Map(),
      filter: null,
    };
    for (const key of known.pending) this.#cursor.pending.set(keyText(key), key);
  }

  /** How far the table's own stream is; null before its first chunk. */
  get cursor(): Lsn | null {
    return this.#cursor.position;
  }

  /** The oldest position that this load still reads the log from; null before its first chunk. */
  get oldestPosition(): Lsn | null {
    return [...this.#openReads].reduce<Lsn | null>((oldest, { floor }) => minLsn(oldest ?? floor, floor), this.#cursor.position);
  }

  /** Gives the cursor a place where no chunk has done so: the table has had no leaf so far. */
  async begin(floor: VisibleFloor): Promise<void> {
    this.#cursor.position ??= await floor.current(this.#signal);
  }

  /**
   * To be called before the snapshot of any chunk of this table is taken: the cursor starts below the first of them, so that a row
   * inserted meanwhile is brought by the stream where no chunk sees it.
   */
  openRead(floor: Lsn): OpenRead {
    const open = { floor, since: this.#ports.log.streams() };
    this.#cursor.position ??= floor;
    this.#openReads.add(open);
    return open;
  }

  /** No row of this table is written any more; callers that wait for a merge get the reason. Work under way ends by itself. */
  fail(error: unknown): void {
    this.#failure ??= { error };
    for (const waiting of this.#waiting.splice(0)) waiting.reject(error);
  }

  /** Hands over a chunk; settles when it is merged and recorded. */
  merge(chunk: ChunkRecord, read: ChunkRead, open: OpenRead): Promise<void> {
    if (this.#failure !== null) return Promise.reject(this.#failure.error);
    const merged = new Promise<void>((resolve, reject) => {
      this.#waiting.push({ chunk, read, open, resolve, reject });
    });
    this.#rounds ??= this.#runRounds();
    return merged;
  }

  /** After the last merge: settles what the log could not tell, then records the table as loaded. Returns its progress. */
  async finish(floor: VisibleFloor): Promise<TableProgress> {
    await this.#settlePending(floor);
    await this.begin(floor);
    const progress: TableProgress = { cursor: this.#cursor.position as Lsn, state: "loaded", filter: null };
    await this.#ports.target.transaction("load", (transaction) => transaction.setTableProgress(this.table.id, progress));
    return progress;
  }

  async #runRounds(): Promise<void> {
    while (this.#waiting.length > 0) {
      const round = this.#waiting;
      this.#waiting = [];
      try {
        const since = round.reduce((oldest, { open }) => Math.min(oldest, open.since), Number.POSITIVE_INFINITY);
        const position = await this.#advance(
          round.reduce((to, { read }) => maxLsn(to, read.hi), 0n),
          since,
        );
        const from = round.reduce((lowest, { open }) => minLsn(lowest, open.floor), position);
        const stretch = await this.#stretch(from, position);
        if (stretch.isHeld) await Promise.all(round.map((waiting) => this.#mergeOne(waiting, stretch)));
        // After so many changes each chunk may be held in memory row by row, so chunks are merged one at a time.
        else for (const waiting of round) await this.#mergeOne(waiting, stretch);
      } catch (error) {
        // If a commit was not answered, the cursor is unknown here: nobody may continue from it in this life.
        this.#failure = { error };
        for (const waiting of [...round, ...this.#waiting.splice(0)]) waiting.reject(error);
      }
    }
    // Here and not in a continuation: a chunk handed over between the two would wait for a round that nobody starts.
    this.#rounds = null;
  }

  /** Moves the cursor to at least `to`, a place that was read when the log's stream was `since`; returns where it is. */
  async #advance(to: Lsn, since: number): Promise<Lsn> {
    await passRead(this.#ports, { lsn: to, since }, this.#signal);
    await advanceTable(this.#ports, this.#cursor, to, this.#signal);
    return this.#cursor.position ?? to;
  }

  /** This table's changes of a stretch that is a few seconds long: from the round's lowest floor to its position. */
  #stretch(from: Lsn, to: Lsn): Promise<LogStretch> {
    return LogStretch.of(this.#ports, this.table.id, { from, to }, this.#signal);
  }

  async #mergeOne({ chunk, read, open, resolve, reject }: WaitingChunk, stretch: LogStretch): Promise<void> {
    const { target, store, observer, crashPoint } = this.#ports;
    try {
      const rolled = await rollForwardOver(this.table, read, () => stretch.pieces(open.floor));
      crashPoint("after-copy-before-merge");
      const merge = async (transaction: TargetTransaction): Promise<void> => {
        await transaction.insertAbsent(this.table, rolled.raw, rolled.rows);
        await transaction.setChunkMerged(this.table.id, chunk.id);
      };
      await target.transaction("load", merge).catch((error: unknown) => this.#named(error, rolled));
      crashPoint("after-merge-before-record");
      store.chunkMerged(chunk.id, read.rows.count, read.rows.bytes);
      observer.chunkMerged(this.table.id, chunk.id, read.rows.count, read.rows.bytes);
      this.#openReads.delete(open);
      resolve();
    } catch (error) {
      reject(error);
    }
  }

  /** Throws the error, of a refusal with the key of the row. */
  async #named(error: unknown, { raw, rows }: RolledChunk): Promise<never> {
    const { table } = this;
    if (table.key === null || !isRefusal(error)) throw error;
    const all = [...(raw?.take(table.key, EVERY_KEY).taken ?? []), ...rows];
    const put: RefusedRows["put"] = (transaction, part) => transaction.insertAbsent(table, null, part);
    throw await namedRow(this.#ports.target, error, { table, rows: all, put });
  }

  /** Point re-reads: a key list is a chunk too, merged by replacing. A re-read may itself meet a change that leaves a key open. */
  async #settlePending(floor: VisibleFloor): Promise<void> {
    const { source, target, crashPoint } = this.#ports;
    const pending = this.#cursor.pending;
    while (pending.size > 0) {
      const keys = [...pending.values()].slice(0, REREAD_KEYS);
      const open = this.openRead(await floor.current(this.#signal));
      const read = await source.readKeys(this.table, keys, this.#signal);
      const position = await this.#advance(read.hi, open.since);
      const stretch = await this.#stretch(open.floor, position);
      const rolled = await rollForwardOver(this.table, read, () => stretch.pieces(open.floor), keys);
      crashPoint("after-reread-before-replace");
      await target.transaction("load", async (transaction) => {
        await transaction.replace(this.table, rolled.keys, rolled.rows);
        await transaction.removePending(this.table.id, rolled.keys);
      });
      this.#openReads.delete(open);
      for (const key of rolled.keys) pending.delete(keyText(key));
    }
  }
}
