/**
 * Applies a stretch of the log inside one target transaction: folds and flushes, and runs the few changes that only the target can settle
 * one by one. The stream uses it for all joined tables, and a loading table for its own cursor.
 */

import { PghaulError } from "../../errors/pghaul-error.ts";
import type { Change, TransactionHeader, TransactionPiece } from "../../model/change.ts";
import type { Hold } from "../../model/hold.ts";
import { formatLsn, type Lsn } from "../../model/lsn.ts";
import { shellWord } from "../../model/shell-word.ts";
import { type SideName, sideCode } from "../../model/side.ts";
import type { Table } from "../../model/table.ts";
import type { Row } from "../../model/value.ts";
import { Fold, type FoldedTable, keyValues } from "../fold.ts";
import { type BatchLimits, ConstraintConflict, type TargetTransaction, type Tolerance } from "../ports.ts";
import { holdOf, isRefusal, placeOf } from "../refusal.ts";

export const DEFAULT_LIMITS: BatchLimits = { changes: 10_000, bytes: 16 * 1024 * 1024 };

export interface ApplyRules {
  readonly tables: ReadonlyMap<string, Table>;
  readonly tolerance: Tolerance;
  /** False: the table holds this transaction's changes already (its cursor, or its snapshot, lies behind it). */
  readonly accepts: (header: TransactionHeader, table: string) => boolean;
  readonly limits: BatchLimits;
  /**
   * If given, changes are applied one by one, in order. A change that the target refuses is undone alone and reported here, and the table's further
   * changes are left out. Without it, a refusal fails the batch.
   */
  readonly refused?: (table: Table, hold: Hold) => Promise<void>;
}

export interface AppliedBatch {
  /** Everything with commitLsn < position is applied; null when the log was at its end before anything. */
  readonly position: Lsn;
  readonly changes: number;
  readonly transactions: number;
  readonly commitMicros: bigint;
  /** Keys whose values the log could not supply, already recorded in the transaction. */
  readonly pending: ReadonlyMap<string, readonly Row[]>;
}

/** Pulls pieces, `first` ahead of them, until a limit is reached at a transaction end, or the log ends. */
export async function applyBatch(
  transaction: TargetTransaction,
  first: TransactionPiece,
  rest: AsyncIterator<TransactionPiece>,
  rules: ApplyRules,
): Promise<AppliedBatch> {
  const batch = new Batch(transaction, rules);
  let piece: TransactionPiece | null = first;
  let last = first;
  while (piece !== null) {
    await batch.take(piece);
    last = piece;
    if (batch.isFull()) {
      if (piece.last) break;
      await batch.flushIfLarge();
    }
    const next: IteratorResult<TransactionPiece> = await rest.next();
    piece = next.done === true ? null : next.value;
  }
  if (!last.last) throw new Error(`apply: the log ended inside the transaction committed at ${formatLsn(last.header.commitLsn)}`);
  await batch.flush();
  return batch.result(last.header);
}

class Batch {
  readonly #transaction: TargetTransaction;
  readonly #rules: ApplyRules;
  readonly #fold: Fold;
  readonly #pending = new Map<string, Row[]>();
  readonly #refused = new Set<string>();
  #changes = 0;
  #transactions = 0;
  #bytes = 0;

  constructor(transaction: TargetTransaction, rules: ApplyRules) {
    this.#transaction = transaction;
    this.#rules = rules;
    this.#fold = new Fold(rules.tables, rules.tolerance);
  }

  isFull(): boolean {
    return this.#changes >= this.#rules.limits.changes || this.#fold.bytes + this.#bytes >= this.#rules.limits.bytes;
  }

  async take(piece: TransactionPiece): Promise<void> {
    for (const change of piece.changes) {
      if (this.#rules.refused !== undefined) await this.#carefully(change, piece.header, this.#rules.refused);
      else await this.#takeOne(change, piece.header);
    }
    if (piece.last) this.#transactions += 1;
  }

  /** Inside a transaction larger than a limit, whose pieces are many and small. */
  async flushIfLarge(): Promise<void> {
    const { changes, bytes } = this.#rules.limits;
    if (this.#fold.count >= changes || this.#fold.bytes >= bytes) await this.flush();
  }

  async flush(): Promise<void> {
    this.#bytes += this.#fold.bytes;
    for (const folded of this.#fold.drain()) await this.#flushTable(folded);
  }

  result(last: TransactionHeader): AppliedBatch {
    return {
      position: last.endLsn,
      changes: this.#changes,
      transactions: this.#transactions,
      commitMicros: last.commitMicros,
      pending: this.#pending,
    };
  }

  async #takeOne(change: Change, header: TransactionHeader): Promise<void> {
    if (change.kind === "truncate") await this.#truncate(header, change.tables);
    else if (this.#accepts(header, change.table)) await this.#change(change, header);
  }

  #accepts(header: TransactionHeader, table: string): boolean {
    return !this.#refused.has(table) && this.#rules.accepts(header, table);
  }

  async #carefully(change: Change, header: TransactionHeader, refused: NonNullable<ApplyRules["refused"]>): Promise<void> {
    const ids = (change.kind === "truncate" ? change.tables : [change.table]).filter(
      (id) => this.#rules.tables.has(id) && this.#accepts(header, id),
    );
    if (ids.length === 0) return;
    try {
      await this.#transaction.attempt(async () => {
        await this.#takeOne(change, header);
        await this.flush();
      });
    } catch (error) {
      if (!isRefusal(error)) throw error;
      for (const id of ids) {
        const table = this.#tableOf(id);
        this.#refused.add(id);
        await refused(table, holdOf(error, placeOf(table, change, header.commitLsn)));
      }
    }
  }

  async #truncate(header: TransactionHeader, ids: readonly string[]): Promise<void> {
    const tables = ids.flatMap((id) => {
      const table = this.#rules.tables.get(id);
      return table !== undefined && this.#accepts(header, id) ? [table] : [];
    });
    if (tables.length === 0) return;
    await this.flush();
    await this.#transaction.truncate(tables);
    this.#changes += 1;
  }

  async #change(change: Exclude<Change, { kind: "truncate" }>, header: TransactionHeader): Promise<void> {
    this.#changes += 1;
    if (this.#fold.add(change)) return;
    await this.flush();
    const table = this.#tableOf(change.table);
    if (change.kind === "update" && change.oldKey !== null && table.key !== null) {
      const moved = await this.#transaction.move(table, change.oldKey, change.row);
      if (moved) return;
      if (this.#rules.tolerance === "strict") throw drift(table.id, this.#transaction.side, header);
      await this.#addPending(table.id, [keyValues(table.key, change.row)]);
    } else {
      await this.#inOrder([change]);
    }
  }

  async #flushTable({ table, ops, changes }: FoldedTable): Promise<void> {
    if (ops === null) return this.#inOrder(changes);
    try {
      // An absent patch of a loading table is not pending: its key's chunk is not merged yet, and will bring the row.
      await this.#transaction.apply(table, ops, this.#rules.tolerance);
    } catch (error) {
      // Unique values that move from row to row inside a batch fit only in the source's own order.
      if (!(error instanceof ConstraintConflict)) throw error;
      await this.#inOrder(changes);
    }
  }

  async #inOrder(changes: readonly Change[]): Promise<void> {
    const missing = await this.#transaction.applyInOrder(this.#rules.tables, changes, this.#rules.tolerance);
    for (const { table, key } of missing) await this.#addPending(table, [key]);
  }

  async #addPending(table: string, keys: readonly Row[]): Promise<void> {
    await this.#transaction.addPending(table, keys);
    const known = this.#pending.get(table);
    if (known === undefined) this.#pending.set(table, [...keys]);
    else known.push(...keys);
  }

  #tableOf(id: string): Table {
    const table = this.#rules.tables.get(id);
    if (table === undefined) throw new Error(`apply: unknown table ${id}`);
    return table;
  }
}

function drift(table: string, side: SideName, header: TransactionHeader): PghaulError {
  return new PghaulError(sideCode(side, "DRIFT"), `${table}: a row that the stream changes does not exist at the ${side}`, {
    context: { table, lsn: formatLsn(header.commitLsn) },
    suggestion: `pghaul verify diff --table ${shellWord(table)}`,
  });
}
