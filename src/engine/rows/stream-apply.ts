/**
 * The main stream: from here on transactions are applied whole, in commit order, over all joined tables. A table joins at a commit
 * boundary when its own cursor meets the stream; if its cursor is ahead, the stream does not read the table's changes below it.
 */
import { PghaulError } from "../../errors/pghaul-error.ts";
import type { TransactionPiece } from "../../model/change.ts";
import type { Hold } from "../../model/hold.ts";
import { type Lsn, maxLsn, minLsn } from "../../model/lsn.ts";
import type { Table } from "../../model/table.ts";
import { BoundaryWork } from "../boundary-work.ts";
import { driftLsn } from "../drift-lsn.ts";
import type { EnginePorts, LogRange, TableProgress, TargetProgress } from "../ports.ts";
import { isRefusal } from "../refusal.ts";
import { advanceTable } from "./advance-table.ts";
import { type AppliedBatch, applyBatch, DEFAULT_LIMITS } from "./apply-batch.ts";

/** A position that moved without any change of ours is made durable this often: resume then has less log to skim. */
const IDLE_RECORD_MILLIS = 5_000;

type StreamPorts = Pick<EnginePorts, "log" | "target" | "clock" | "observer" | "crashPoint" | "limits">;

export class StreamApply {
  readonly #ports: StreamPorts;
  readonly #joined = new Map<string, Table>();
  /** Joined tables whose cursor is ahead of the stream. */
  readonly #ahead = new Map<string, Lsn>();
  #position: Lsn | null;
  #recorded: Lsn;
  #recordedAt: number;
  readonly #boundary = new BoundaryWork(() => this.#wake.abort());
  #wake: AbortController = new AbortController();

  constructor(ports: StreamPorts, tables: ReadonlyMap<string, Table>, known: TargetProgress) {
    this.#ports = ports;
    this.#position = known.stream;
    this.#recorded = known.stream ?? 0n;
    this.#recordedAt = ports.clock.now();
    for (const [id, progress] of known.tables) {
      const table = tables.get(id);
      if (progress.state !== "joined" || table === undefined) continue;
      this.#joined.set(id, table);
      if (known.stream !== null && progress.cursor > known.stream) this.#ahead.set(id, progress.cursor);
    }
  }

  /** Everything committed below it is at the target, for joined tables; null before the first table joined. */
  get position(): Lsn | null {
    return this.#position;
  }

  /** What the target has on record: the log is needed from here. */
  get recordedPosition(): Lsn | null {
    return this.#position === null ? null : this.#recorded;
  }

  /** Asks for a loaded table to join at the next boundary; settles when it has joined. */
  join(table: Table, progress: TableProgress): Promise<void> {
    // A join whose commit was not answered may have happened: going on from the old position would pass by the table's changes. One whose
    // changes the target refused was undone.
    return this.#boundary.add(
      (signal) => this.#join(table, progress, signal),
      (error) => !isRefusal(error),
    );
  }

  /**
   * Runs `work` between two batches, with the stream at rest: for DDL at the target that would deadlock with the applier. The log goes on
   * filling meanwhile. Settles as the work does; a failure of the work does not stop the stream. Rejects when the stream has ended, with
   * its failure or INTERRUPTED: nobody must wait for a boundary that never comes.
   */
  atBoundary(work: (signal: AbortSignal) => Promise<void>): Promise<void> {
    return this.#boundary.add(work, () => false);
  }

  /** Applies until `stop` (at a batch's end) or `signal` (at once, undone by the target's rollback). */
  async run(stop: AbortSignal, signal: AbortSignal): Promise<void> {
    try {
      await this.#applyUntil(stop, signal);
      this.#boundary.end(new PghaulError("INTERRUPTED", "the stream was stopped before this could run"));
    } catch (error) {
      this.#boundary.end(error);
      throw error;
    }
  }

  async #applyUntil(stop: AbortSignal, signal: AbortSignal): Promise<void> {
    while (!stop.aborted) {
      signal.throwIfAborted();
      await this.#boundary.run(signal);
      if (this.#position === null || this.#ports.log.passed() <= this.#position) {
        await this.#recordIdle();
        await this.#waitForWork(stop, signal);
      } else {
        await this.#applyTo(this.#ports.log.passed(), stop, signal).catch(async (error: unknown) => {
          if (!isRefusal(error)) throw error;
          await this.#applyCarefully(this.#ports.log.passed(), signal);
        });
      }
    }
  }

  async #applyTo(to: Lsn, stop: AbortSignal, signal: AbortSignal): Promise<void> {
    const { range, tables } = this.#stretch(to);
    const pieces = this.#ports.log.read(range, tables, signal)[Symbol.asyncIterator]();
    try {
      let first = await pieces.next();
      while (first.done !== true) {
        await this.#applyOne(first.value, pieces);
        if (stop.aborted || this.#boundary.isWaiting) return;
        first = await pieces.next();
      }
    } catch (error) {
      const end = this.#endBefore(error, range.to);
      if (end !== null) await this.#applyTo(end, stop, signal);
      throw error;
    } finally {
      await pieces.return?.();
    }
    this.#moveTo(range.to);
    if (range.to < to) await this.#applyTo(to, stop, signal);
  }

  /**
   * The batch that the target refused, again from where the stream stands, change by change: the table whose change is refused is held, and
   * the rest of its transaction is applied.
   */
  async #applyCarefully(to: Lsn, signal: AbortSignal): Promise<void> {
    const { range, tables } = this.#stretch(to);
    const pieces = this.#ports.log.read(range, tables, signal)[Symbol.asyncIterator]();
    try {
      const first = await pieces.next();
      if (first.done !== true) await this.#applyOne(first.value, pieces, new Map());
    } catch (error) {
      const end = this.#endBefore(error, range.to);
      if (end === null) throw error;
      // The change is not reported here: the next read meets it again, unless its table is the one that is held.
      await this.#applyCarefully(end, signal);
    } finally {
      await pieces.return?.();
    }
  }

  /**
   * What is read next, up to `to` at most. A table that is ahead is not read below its cursor: it was loaded meanwhile, and there the log may
   * have it in an older shape.
   */
  #stretch(to: Lsn): { readonly range: LogRange; readonly tables: ReadonlySet<string> } {
    return {
      range: { from: this.#position ?? to, to: [...this.#ahead.values()].reduce(minLsn, to) },
      tables: new Set([...this.#joined.keys()].filter((id) => !this.#ahead.has(id))),
    };
  }

  /** A table that changed ends the stream there, and not where the batch began: what comes after is all in the new shape. Null: nothing to do before it. */
  #endBefore(error: unknown, to: Lsn): Lsn | null {
    const end = driftLsn(error);
    return end !== null && end > (this.#position ?? end) && end < to ? end : null;
  }

  /** `held`: carefully, and these are the tables that were refused. */
  async #applyOne(first: TransactionPiece, pieces: AsyncIterator<TransactionPiece>, held?: Map<string, Hold>): Promise<void> {
    const { target, observer, crashPoint, limits } = this.#ports;
    const batch: AppliedBatch = await target.transaction("stream", async (transaction) => {
      const applied = await applyBatch(transaction, first, pieces, {
        tables: this.#joined,
        tolerance: "strict",
        // Nothing of its own is read of a table that is ahead; a TRUNCATE names it beside others.
        accepts: (_, table) => !this.#ahead.has(table),
        limits: limits ?? DEFAULT_LIMITS,
        ...(held === undefined
          ? {}
          : {
              refused: async ({ id }, hold) => {
                held.set(id, hold);
                await transaction.setTableProgress(id, { cursor: hold.lsn ?? 0n, state: "held", filter: null, hold });
              },
            }),
      });
      await transaction.setStreamPosition(applied.position);
      crashPoint("before-stream-commit");
      return applied;
    });
    crashPoint("after-stream-commit");
    this.#moveTo(batch.position);
    this.#noteRecorded(batch.position);
    for (const [id, hold] of held ?? []) {
      this.#joined.delete(id);
      this.#ahead.delete(id);
      observer.tableHeld(id, hold);
    }
    observer.applied(batch.changes, batch.transactions, batch.position, batch.commitMicros);
  }

  #moveTo(position: Lsn): void {
    this.#position = maxLsn(this.#position ?? 0n, position);
    for (const [table, cursor] of this.#ahead) if (cursor <= this.#position) this.#ahead.delete(table);
  }

  #noteRecorded(position: Lsn): void {
    this.#recorded = position;
    this.#recordedAt = this.#ports.clock.now();
  }

  async #recordIdle(): Promise<void> {
    const position = this.#position;
    if (position === null || position <= this.#recorded) return;
    if (this.#ports.clock.now() - this.#recordedAt < IDLE_RECORD_MILLIS) return;
    await this.#ports.target.transaction("stream", (transaction) => transaction.setStreamPosition(position));
    this.#noteRecorded(position);
  }

  async #join(table: Table, progress: TableProgress, signal: AbortSignal): Promise<void> {
    // The first table sets the stream's position: no table needs anything below its cursor.
    const position = this.#position ?? progress.cursor;
    const cursor = { table, position: progress.cursor, recorded: true, pending: new Map(), filter: null };
    if (cursor.position < position) await advanceTable(this.#ports, cursor, position, signal);
    this.#ports.crashPoint("before-join");
    await this.#ports.target.transaction("stream", async (transaction) => {
      await transaction.setStreamPosition(position);
      await transaction.setTableProgress(table.id, { cursor: cursor.position, state: "joined", filter: null });
    });
    this.#position = position;
    this.#noteRecorded(position);
    this.#joined.set(table.id, table);
    if (cursor.position > position) this.#ahead.set(table.id, cursor.position);
    this.#ports.observer.tableJoined(table.id);
  }

  /** Sleeps until the log moves, a table wants to join, or somebody stops us. */
  async #waitForWork(stop: AbortSignal, signal: AbortSignal): Promise<void> {
    if (this.#boundary.isWaiting) return;
    this.#wake = new AbortController();
    const { log, clock } = this.#ports;
    const waked = AbortSignal.any([this.#wake.signal, stop, signal]);
    try {
      if (this.#position === null) await clock.sleep(IDLE_RECORD_MILLIS, waked);
      else await log.waitPassed(this.#position + 1n, waked);
    } catch (error) {
      if (!waked.aborted) throw error;
      signal.throwIfAborted();
    }
  }
}
