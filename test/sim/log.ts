/** The durable change log: a tail that lags behind the server, and what the engine reads of it. */
import type { ChangeLog, LogRange } from "../../src/engine/ports.ts";
import type { Change, TransactionHeader, TransactionPiece } from "../../src/model/change.ts";
import { type Lsn, maxLsn } from "../../src/model/lsn.ts";
import type { Life } from "./crash.ts";
import { SimulationFailure } from "./failure.ts";
import type { Server } from "./postgres/server.ts";
import type { Commit } from "./postgres/transaction.ts";
import type { Random } from "./random.ts";
import type { Actor } from "./scheduler.ts";

/** What survives a crash: segments from `start` to the last transaction written. */
export class DurableLog {
  readonly server: Server;
  start: Lsn;
  /** Below it every transaction is on disk. Moved by keepalives too, which a crash forgets. */
  passed: Lsn;
  /** The most that was ever passed: below it there is no transaction that is not on disk, also after a crash. */
  claimed: Lsn;
  #durable: Lsn;

  /** The slot's consistent point, which is on disk: what committed before it is never streamed. */
  constructor(server: Server) {
    this.server = server;
    server.flush();
    this.start = server.insertLsn;
    this.passed = this.start;
    this.claimed = this.start;
    this.#durable = this.start;
  }

  /** Commits of the range that were streamed, in order. */
  *commits({ from, to }: LogRange): Generator<Commit> {
    const all = this.server.commits;
    for (let index = lowerBound(all, from); index < all.length; index++) {
      const commit = all[index] as Commit;
      if (commit.header.commitLsn >= to) return;
      if (commit.changes.length > 0) yield commit;
    }
  }

  advance(to: Lsn): void {
    for (const { header } of this.commits({ from: this.#durable, to })) this.#durable = header.endLsn;
    this.passed = maxLsn(this.passed, to);
    this.claimed = maxLsn(this.claimed, to);
  }

  /** After a crash the tail begins again behind the last transaction that is on disk. */
  restart(): void {
    this.passed = maxLsn(this.#durable, this.start);
  }
}

function lowerBound(commits: readonly Commit[], from: Lsn): number {
  let low = 0;
  let high = commits.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((commits[middle] as Commit).header.commitLsn < from) low = middle + 1;
    else high = middle;
  }
  return low;
}

interface Waiter {
  readonly lsn: Lsn;
  readonly drop: () => void;
  readonly resolve: () => void;
}

/** The log in one life of the process; it is the tail as well. */
export class SimLog implements ChangeLog, Actor {
  readonly name = "tail";
  readonly #durable: DurableLog;
  readonly #life: Life;
  readonly #random: Random;
  readonly #weight: number;
  #waiters: Waiter[] = [];
  /** The server that the stream is of, and how many streams there were. */
  #connectedTo: number;
  #streams = 1;

  constructor(durable: DurableLog, life: Life, random: Random) {
    durable.restart();
    this.#durable = durable;
    this.#connectedTo = durable.server.crashes;
    this.#life = life;
    this.#random = random;
    this.#weight = 2 ** (random.next() * 5 - 2);
    life.hold(() => {
      for (const { drop } of this.#waiters) drop();
    });
  }

  weight(): number {
    return this.#life.alive && (this.#isLost() || this.#durable.passed < this.#durable.server.flushedLsn) ? this.#weight : 0;
  }

  /** Streams to the end of what is flushed, or only to the beginning or the end of some commit. */
  move(): void {
    const { passed, server } = this.#durable;
    if (this.#isLost()) {
      this.#connectedTo = server.crashes;
      this.#streams += 1;
      return;
    }
    const stops = [...this.#durable.commits({ from: passed, to: server.flushedLsn })]
      .flatMap(({ header }) => [header.commitLsn, header.endLsn])
      .filter((stop) => stop > passed);
    this.#durable.advance(this.#random.chance(0.4) || stops.length === 0 ? server.flushedLsn : this.#random.pick(stops));
    const reached = this.#waiters.filter(({ lsn }) => lsn <= this.#durable.passed);
    this.#waiters = this.#waiters.filter(({ lsn }) => lsn > this.#durable.passed);
    for (const { resolve } of reached) resolve();
  }

  start(): Lsn {
    return this.#durable.start;
  }

  passed(): Lsn {
    return this.#durable.passed;
  }

  streams(): number {
    return this.#streams;
  }

  async waitPassed(lsn: Lsn, signal: AbortSignal): Promise<void> {
    await this.#life.turn("log.wait");
    signal.throwIfAborted();
    if (this.#durable.passed >= lsn) return;
    await new Promise<void>((resolve, reject) => {
      const aborted = () => {
        drop();
        this.#waiters = this.#waiters.filter((other) => other !== waiter);
        reject(signal.reason);
      };
      const drop = () => signal.removeEventListener("abort", aborted);
      const waiter = {
        lsn,
        drop,
        resolve: () => {
          drop();
          resolve();
        },
      };
      signal.addEventListener("abort", aborted);
      this.#waiters.push(waiter);
    });
  }

  #isLost(): boolean {
    return this.#connectedTo !== this.#durable.server.crashes;
  }

  async *read(range: LogRange, tables: ReadonlySet<string>, signal: AbortSignal): AsyncIterable<TransactionPiece> {
    for await (const commit of this.#held(range, signal)) {
      const changes = commit.changes.filter((change) => namesAny(change, tables));
      if (changes.length > 0) yield* this.#pieces(commit.header, changes);
    }
  }

  async *headers(range: LogRange, signal: AbortSignal): AsyncIterable<TransactionHeader> {
    for await (const { header } of this.#held(range, signal)) yield header;
  }

  async release(before: Lsn): Promise<void> {
    this.#life.demand();
    this.#durable.start = maxLsn(this.#durable.start, before);
  }

  async *#held(range: LogRange, signal: AbortSignal): AsyncIterable<Commit> {
    await this.#life.turn("log.read");
    if (range.from >= range.to) return;
    if (range.from < this.#durable.start) throw new SimulationFailure("log", `read from ${range.from}, released to ${this.#durable.start}`);
    if (range.to > this.#durable.claimed) throw new SimulationFailure("log", `read to ${range.to}, passed ${this.#durable.claimed}`);
    for (const commit of this.#durable.commits(range)) {
      if (this.#random.chance(0.15)) await this.#life.turn("log.read");
      signal.throwIfAborted();
      if (commit.header.commitLsn < this.#durable.start) {
        throw new SimulationFailure("log", `${commit.header.commitLsn} was released to ${this.#durable.start} while it was read`);
      }
      yield commit;
    }
  }

  *#pieces(header: TransactionHeader, changes: readonly Change[]): Generator<TransactionPiece> {
    for (let first = 0; first < changes.length; ) {
      const end = this.#random.chance(0.7) ? changes.length : this.#random.between(first + 1, changes.length);
      yield { header, firstOrdinal: first, last: end === changes.length, changes: changes.slice(first, end) };
      first = end;
    }
  }
}

function namesAny(change: Change, tables: ReadonlySet<string>): boolean {
  return change.kind === "truncate" ? change.tables.some((table) => tables.has(table)) : tables.has(change.table);
}
