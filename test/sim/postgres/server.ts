/**
 * The simulated PostgreSQL: xids, the ProcArray with its snapshots, and WAL with commit records. What makes change capture hard is modelled
 * on its own: a commit record is written (and may be flushed and streamed) before the transaction leaves the ProcArray, and with an
 * asynchronous commit the other way round.
 */
import { type Lsn, maxLsn } from "../../../src/model/lsn.ts";
import type { Random } from "../random.ts";
import { Heap } from "./heap.ts";
import type { SimTable } from "./tables.ts";
import { type Commit, Transaction } from "./transaction.ts";

/** A snapshot: what it prints, and what it really sees, which is kept apart so that the printed rule is put to the test. */
export interface ServerSnapshot {
  readonly text: string;
  readonly xmin: bigint;
  sees(transaction: Transaction): boolean;
}

export class Server {
  readonly heaps: ReadonlyMap<string, Heap>;
  /** In commit order. */
  readonly commits: Commit[] = [];
  /** How often it came back without what was not flushed. */
  crashes = 0;
  readonly #random: Random;
  /** Whose `commits` are. */
  readonly #committed: Transaction[] = [];
  readonly #inProcArray = new Set<Transaction>();
  readonly #firstXid: bigint;
  #nextXid: bigint;
  #latestCompletedXid: bigint;
  #insertLsn: Lsn;
  #flushedLsn: Lsn;
  #leaves = 0;

  constructor(tables: readonly SimTable[], random: Random) {
    this.#random = random;
    this.heaps = new Map(tables.map((sim) => [sim.table.id, new Heap(sim)]));
    // Near the end of a 32-bit epoch as often as not.
    this.#nextXid = random.chance(0.5) ? BigInt(random.between(1, 3)) * 2n ** 32n - BigInt(random.between(1, 40)) : 731n;
    this.#firstXid = this.#nextXid;
    this.#latestCompletedXid = this.#nextXid - 1n;
    this.#insertLsn = random.chance(0.5) ? 2n ** 32n * BigInt(random.between(1, 9)) - BigInt(random.below(3000)) : 0x15d_0028n;
    this.#flushedLsn = this.#insertLsn;
  }

  get insertLsn(): Lsn {
    return this.#insertLsn;
  }

  /** The walsender sends no further than this. */
  get flushedLsn(): Lsn {
    return this.#flushedLsn;
  }

  /** A crash would take commits back. */
  get forgetful(): boolean {
    return (this.commits.at(-1)?.header.endLsn ?? 0n) > this.#flushedLsn;
  }

  /** Takes an xid at the transaction's first write, and one more for the first write of each subtransaction. */
  beforeWrite(transaction: Transaction): void {
    if (transaction.xid === null) {
      transaction.xid = this.#takeXid();
      transaction.lastXid = transaction.xid;
      this.#inProcArray.add(transaction);
    }
    if (transaction.needsSubxid) {
      transaction.lastXid = this.#takeXid();
      transaction.needsSubxid = false;
    }
    this.writeRecord();
  }

  writeRecord(): void {
    this.#insertLsn += BigInt(this.#random.between(24, 400));
  }

  flush(): void {
    this.#flushedLsn = this.#insertLsn;
  }

  /** Writes the commit record. The transaction stays in the ProcArray, invisible, until `leave`. */
  commit(transaction: Transaction): void {
    transaction.status = "committed";
    if (transaction.xid === null) {
      transaction.left = this.#leaves;
      return;
    }
    const commitLsn = this.#insertLsn;
    transaction.commitLsn = commitLsn;
    this.writeRecord();
    const endLsn = this.#insertLsn;
    // The next record may start behind a page header.
    if (this.#random.chance(0.1)) this.#insertLsn += 24n;
    const commitMicros = 1_700_000_000_000_000n + BigInt(this.commits.length);
    const header = { xid: transaction.xid, commitLsn, endLsn, commitMicros, origin: null };
    this.commits.push({ header, changes: [...transaction.changes], effects: [...transaction.effects] });
    this.#committed.push(transaction);
    if (transaction.asynchronous) this.leave(transaction);
    else this.flush();
  }

  /**
   * Comes back with what was flushed: `running` transactions and the last asynchronous commits never were, and their xids and places in WAL
   * go to others. Who was waiting for a standby is visible now.
   */
  crash(running: readonly Transaction[]): void {
    this.crashes += 1;
    for (const transaction of running) this.abort(transaction);
    while ((this.commits.at(-1)?.header.endLsn ?? 0n) > this.#flushedLsn) {
      this.commits.pop();
      const transaction = this.#committed.pop() as Transaction;
      transaction.rollbackTo({ undo: 0, changes: 0, effects: 0 });
      transaction.status = "aborted";
    }
    for (const transaction of [...this.#inProcArray]) if (transaction.status === "committed") this.leave(transaction);
    this.#insertLsn = this.#flushedLsn;
    const known = [...this.#committed, ...this.#inProcArray].map(({ lastXid }) => lastXid ?? 0n);
    this.#nextXid = known.reduce(maxLsn, this.#firstXid - 1n) + 1n;
    this.#latestCompletedXid = this.#nextXid - 1n;
  }

  abort(transaction: Transaction): void {
    transaction.rollbackTo({ undo: 0, changes: 0, effects: 0 });
    transaction.status = "aborted";
    this.leave(transaction);
  }

  /** The transaction's end becomes visible, and its locks go. */
  leave(transaction: Transaction): void {
    this.#leaves += 1;
    transaction.left = this.#leaves;
    this.#inProcArray.delete(transaction);
    if (transaction.lastXid !== null && transaction.lastXid > this.#latestCompletedXid) this.#latestCompletedXid = transaction.lastXid;
  }

  snapshot(): ServerSnapshot {
    const xmax = this.#latestCompletedXid + 1n;
    const running = [...this.#inProcArray].map(({ xid }) => xid as bigint).filter((xid) => xid < xmax);
    running.sort((a, b) => (a < b ? -1 : 1));
    const xmin = running[0] ?? xmax;
    const leaves = this.#leaves;
    return {
      text: `${xmin}:${xmax}:${running.join(",")}`,
      xmin,
      sees: ({ left }) => left !== null && left <= leaves,
    };
  }

  /** `pg_current_xact_id()` in a transaction of its own. */
  passingXid(): bigint {
    const transaction = new Transaction(true);
    this.beforeWrite(transaction);
    this.abort(transaction);
    return transaction.xid as bigint;
  }

  #takeXid(): bigint {
    const xid = this.#nextXid;
    this.#nextXid += 1n;
    return xid;
  }
}
