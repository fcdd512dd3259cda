/**
 * The main stream of a version target: one appender for all tables, in commit order, from the start of the log on. No table has a cursor of its
 * own: a change that a read contains already is a lower or an equal version of what was read, or is written again with the same outcome.
 *
 * A table whose columns changed is held, alone: everything of it below the change is appended, nothing from there on, and the others go on. It
 * comes back by being loaded anew.
 */
import { PghaulError } from "../../errors/pghaul-error.ts";
import type { TransactionPiece } from "../../model/change.ts";
import type { Hold } from "../../model/hold.ts";
import { type Lsn, maxLsn, minLsn } from "../../model/lsn.ts";
import type { Table } from "../../model/table.ts";
import { BoundaryWork } from "../boundary-work.ts";
import { driftLsn } from "../drift-lsn.ts";
import type { VersionProgress, VersionTarget } from "../ports/version-target.ts";
import type { EnginePorts } from "../ports.ts";
import { VisibleFloor } from "../visible-floor.ts";
import { PendingMoves } from "./pending-moves.ts";
import { rereadMoves } from "./reread-moves.ts";
import { Stretch } from "./stretch.ts";

/** A stretch without any change of ours is put on record this often: resume then has less log to skim. */
const IDLE_RECORD_MILLIS = 5_000;

export interface VersionPorts extends Omit<EnginePorts, "target"> {
  readonly target: VersionTarget;
}

/** How often to look again at a move of a published table that snapshots may not contain yet. */
const FLOOR_POLL_MILLIS = 1_000;

/** Somebody who waits for a position to be accepted. */
interface Waiter {
  readonly lsn: Lsn;
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
}

export class VersionStream {
  /** Of all tables; the loads settle them, and this stream those of published tables that the target cannot carry. */
  readonly moves: PendingMoves;
  readonly #ports: VersionPorts;
  readonly #tables: ReadonlyMap<string, Table>;
  readonly #published = new Set<string>();
  readonly #held = new Map<string, Hold>();
  /** Of its own, for the tables that are published: the loads' is not kept any more when all are. */
  readonly #floor: VisibleFloor;
  readonly #boundary = new BoundaryWork(() => this.#wake.abort());
  /** Where the next append begins; the log's start until there is one on record. */
  #accepted: Lsn;
  #isRecorded: boolean;
  /** Up to here the log was looked through; between the two is nothing of ours. */
  #read: Lsn;
  #durable: Lsn;
  #appendedAt = Number.NEGATIVE_INFINITY;
  #waiters: Waiter[] = [];
  #wake = new AbortController();
  #ended: { readonly reason: unknown } | null = null;

  constructor(ports: VersionPorts, tables: ReadonlyMap<string, Table>, known: VersionProgress) {
    this.#ports = ports;
    this.#tables = tables;
    this.#accepted = known.accepted ?? ports.log.start();
    this.#isRecorded = known.accepted !== null;
    this.#read = this.#accepted;
    this.#durable = known.durable ?? ports.log.start();
    this.moves = new PendingMoves(known.pending);
    for (const [table, { published, held }] of known.tables) {
      if (held !== undefined) this.#held.set(table, held);
      else if (published !== null) this.#published.add(table);
    }
    this.#floor = new VisibleFloor(ports);
  }

  /** Everything committed below it is at the target. */
  get position(): Lsn {
    return this.#read;
  }

  /** The log is needed from here by this stream. */
  get recordedPosition(): Lsn {
    return this.#ports.target.carriesMoves ? this.#durable : minLsn(this.#durable, this.#floor.proved);
  }

  /** Makes durable what was accepted. Returns up to where that is. */
  async settle(signal: AbortSignal): Promise<Lsn> {
    const { target } = this.#ports;
    if (!target.carriesMoves) await this.#floor.current(signal);
    this.#durable = maxLsn(this.#durable, (await target.settle()) ?? this.#durable);
    return this.#durable;
  }

  /** Settles when everything below `lsn`, which the log must have passed, was accepted; rejects when the stream has ended. */
  waitAccepted(lsn: Lsn): Promise<void> {
    if (this.#isRecorded && this.#accepted >= lsn) return Promise.resolve();
    if (this.#ended !== null) return Promise.reject(this.#ended.reason);
    const accepted = new Promise<void>((resolve, reject) => {
      this.#waiters.push({ lsn, resolve, reject });
    });
    this.#wake.abort();
    return accepted;
  }

  /** The table was published: what it needs of its own rows the target finds from now on, if it can. */
  published(table: string): void {
    this.#published.add(table);
    if (this.#ports.target.carriesMoves) this.moves.forget(table);
  }

  /** Why the table is held; null where it is not. */
  holdOf(table: string): Hold | null {
    return this.#held.get(table) ?? null;
  }

  /** Between two appends: nothing of the table is appended from here on. Changes nothing where it is held already. */
  hold(table: Table, reason: string): Promise<void> {
    return this.atBoundary(() => this.#hold(table, { reason, sqlstate: null, lsn: this.#accepted, key: null }));
  }

  /** Runs `work` between two appends. A failure of it does not stop the stream. Rejects when the stream has ended. */
  atBoundary(work: (signal: AbortSignal) => Promise<void>): Promise<void> {
    return this.#boundary.add(work, () => false);
  }

  /** Appends until `stop` (at an append's end) or `signal` (at once; nothing is left of what was under way). */
  async run(stop: AbortSignal, signal: AbortSignal): Promise<void> {
    try {
      await this.#appendUntil(stop, signal);
      this.#end(new PghaulError("INTERRUPTED", "the stream was stopped before this could run"));
    } catch (error) {
      this.#end(error);
      throw error;
    }
  }

  #end(reason: unknown): void {
    this.#ended = { reason };
    this.#boundary.end(reason);
    for (const { reject } of this.#waiters.splice(0)) reject(reason);
  }

  async #appendUntil(stop: AbortSignal, signal: AbortSignal): Promise<void> {
    while (!stop.aborted) {
      signal.throwIfAborted();
      this.#wake = new AbortController();
      await this.#boundary.run(signal);
      const polls = (await this.#rereadPublished(signal)) ? FLOOR_POLL_MILLIS : Number.POSITIVE_INFINITY;
      const millis = Math.min(polls, this.#millisUntilDue());
      if (millis === 0) await this.#appendTo(this.#ports.log.passed(), signal);
      else await this.#rest(millis, AbortSignal.any([this.#wake.signal, stop, signal]), signal);
    }
  }

  /** 0: the log holds enough for an append, or somebody waits for it; infinity: it holds nothing. */
  #millisUntilDue(): number {
    const { log, clock, target } = this.#ports;
    const passed = log.passed();
    if (this.#waiters.some(({ lsn }) => lsn <= passed)) return 0;
    if (passed <= this.#read) return Number.POSITIVE_INFINITY;
    // WAL is about as long as the changes in it.
    if (passed - this.#read >= BigInt(target.cadence.bytes)) return 0;
    return Math.max(0, this.#appendedAt + target.cadence.millis - clock.now());
  }

  async #appendTo(to: Lsn, signal: AbortSignal): Promise<void> {
    const { log, target } = this.#ports;
    const streamed = new Set([...this.#tables.keys()].filter((id) => !this.#held.has(id)));
    const pieces = log.read({ from: this.#read, to }, streamed, signal)[Symbol.asyncIterator]();
    const stretch = new Stretch({
      tables: this.#tables,
      bytes: target.cadence.bytes,
      to,
      isPending: (table) => this.#isPending(table),
    });
    try {
      const first = await pieces.next();
      if (first.done === true && !this.#mustRecordIdle()) this.#read = to;
      else await this.#append(stretch, first.done === true ? nothing() : stretch.pieces(first.value, pieces));
    } catch (error) {
      // A table that changed is left there, and not where the stretch began: what comes after is all in the new shape.
      const end = driftLsn(error);
      const table = this.#driftedTable(error);
      if (end === null || table === null || this.#held.has(table.id)) throw error;
      if (end > this.#read && end < to) await this.#appendTo(end, signal);
      // A stretch may end before: then this comes again.
      if (this.#read >= end) await this.#hold(table, { reason: (error as Error).message, sqlstate: null, lsn: end, key: null });
    } finally {
      await pieces.return?.();
    }
  }

  #driftedTable(error: unknown): Table | null {
    const id = error instanceof PghaulError ? error.context.table : undefined;
    return (typeof id === "string" ? this.#tables.get(id) : undefined) ?? null;
  }

  async #hold(table: Table, hold: Hold & { readonly lsn: Lsn }): Promise<void> {
    const { target, observer, crashPoint } = this.#ports;
    if (this.#held.has(table.id)) return;
    crashPoint("before-hold");
    await target.holdTable(table, hold);
    crashPoint("after-hold");
    this.#held.set(table.id, hold);
    this.#published.delete(table.id);
    this.moves.forget(table.id);
    observer.tableHeld(table.id, hold);
  }

  async #append(stretch: Stretch, pieces: AsyncIterable<TransactionPiece>): Promise<void> {
    const { target, observer, crashPoint, clock } = this.#ports;
    crashPoint("before-append");
    await target.append(this.#tables, this.#accepted, pieces, () => stretch.close());
    crashPoint("after-append");
    const { to, changes, transactions, pending } = stretch.close();
    this.#accepted = to;
    this.#isRecorded = true;
    this.#read = to;
    this.#appendedAt = clock.now();
    for (const move of pending) if (this.#isPending(move.table)) this.moves.add(move);
    const reached = this.#waiters.filter(({ lsn }) => lsn <= to);
    this.#waiters = this.#waiters.filter(({ lsn }) => lsn > to);
    for (const { resolve } of reached) resolve();
    if (!stretch.isEmpty) observer.applied(changes, transactions, to, stretch.commitMicros);
  }

  #isPending(table: string): boolean {
    return !(this.#ports.target.carriesMoves && this.#published.has(table));
  }

  /** A stretch in which nothing happened is accepted when somebody waits for its end, and now and then. */
  #mustRecordIdle(): boolean {
    return this.#waiters.length > 0 || this.#ports.clock.now() - this.#appendedAt >= IDLE_RECORD_MILLIS;
  }

  /** Settles moves in tables that are published, for a target that cannot take the columns from the old key's row. True: some are left. */
  async #rereadPublished(signal: AbortSignal): Promise<boolean> {
    const open = () => this.moves.tables().flatMap((id) => (this.#published.has(id) ? (this.#tables.get(id) ?? []) : []));
    for (const table of open()) await rereadMoves(this.#ports, table, { moves: this.moves, floor: this.#floor, signal });
    return open().length > 0;
  }

  /** Sleeps until the log moves or an append is due; `waked` aborts when there is something else to do. */
  async #rest(millis: number, waked: AbortSignal, signal: AbortSignal): Promise<void> {
    const { log, clock } = this.#ports;
    try {
      if (Number.isFinite(millis)) await clock.sleep(millis, waked);
      else await log.waitPassed(this.#read + 1n, waked);
    } catch (error) {
      if (!waked.aborted) throw error;
      signal.throwIfAborted();
    }
  }
}

async function* nothing(): AsyncGenerator<never> {}
