import type { TransactionPiece } from "../../model/change.ts";
import type { Hold } from "../../model/hold.ts";
import { type Lsn, maxLsn } from "../../model/lsn.ts";
import { type KeyText, keyText, type Table } from "../../model/table.ts";
import type { Row } from "../../model/value.ts";
import type { EnginePorts, ReadView, TableProgress } from "../ports.ts";
import { isRefusal, RefusedChange } from "../refusal.ts";
import { type ApplyRules, applyBatch, DEFAULT_LIMITS } from "./apply-batch.ts";

/** A loading table's own place in the log. Mutable, owned by one load. */
export interface TableCursor {
  readonly table: Table;
  /** Null until the first chunk is about to be read. */
  position: Lsn | null;
  /** False until the target has recorded a cursor. It must do so before anything is merged, or a restart would begin too late. */
  recorded: boolean;
  /** Keys that await a point re-read. */
  readonly pending: Map<KeyText, Row>;
  /** Table without a key: below `until`, only transactions that its one snapshot does not contain. */
  filter: { readonly view: ReadView; readonly until: Lsn } | null;
}

/** Replays the table's changes up to `to`, tolerantly, and makes the new cursor durable. The log must have passed `to`. */
export async function advanceTable(
  { log, target, crashPoint, limits }: Pick<EnginePorts, "log" | "target" | "crashPoint" | "limits">,
  cursor: TableCursor,
  to: Lsn,
  signal: AbortSignal,
): Promise<void> {
  const { table } = cursor;
  if (cursor.recorded && cursor.position !== null && cursor.position >= to) return;
  const rules: ApplyRules = {
    tables: new Map([[table.id, table]]),
    tolerance: "tolerant",
    accepts: ({ xid, commitLsn }) =>
      cursor.filter === null || commitLsn >= cursor.filter.until || !cursor.filter.view.contains({ xid, commitLsn }),
    limits: limits ?? DEFAULT_LIMITS,
  };
  const pieces = log.read({ from: cursor.position ?? to, to }, new Set([table.id]), signal)[Symbol.asyncIterator]();
  try {
    let first: IteratorResult<TransactionPiece> = await pieces.next();
    while (first.done !== true) {
      const { value } = first;
      const batch = await target
        .transaction("load", async (transaction) => {
          const applied = await applyBatch(transaction, value, pieces, rules);
          await transaction.setTableProgress(table.id, progressAt(cursor, applied.position));
          return applied;
        })
        .catch(async (error: unknown) => {
          if (isRefusal(error)) await nameRefused({ log, target }, { cursor, to, rules }, signal);
          throw error;
        });
      cursor.position = batch.position;
      cursor.recorded = true;
      for (const key of batch.pending.get(table.id) ?? []) cursor.pending.set(keyText(key), key);
      first = await pieces.next();
    }
  } finally {
    await pieces.return?.();
  }
  crashPoint("before-cursor-recorded");
  if (!cursor.recorded || cursor.position === null || cursor.position < to) {
    const position = maxLsn(cursor.position ?? to, to);
    await target.transaction("load", (transaction) => transaction.setTableProgress(table.id, progressAt(cursor, position)));
    cursor.position = position;
    cursor.recorded = true;
  }
}

/** After a refusal: runs the same stretch again, change by change, to find the refused one. Throws RefusedChange; applies nothing. */
async function nameRefused(
  { log, target }: Pick<EnginePorts, "log" | "target">,
  { cursor: { table, position }, to, rules }: { readonly cursor: TableCursor; readonly to: Lsn; readonly rules: ApplyRules },
  signal: AbortSignal,
): Promise<void> {
  const pieces = log.read({ from: position ?? to, to }, new Set([table.id]), signal)[Symbol.asyncIterator]();
  try {
    const first: IteratorResult<TransactionPiece> = await pieces.next();
    if (first.done === true) return;
    const refused = (_: Table, hold: Hold): Promise<never> => Promise.reject(new RefusedChange(table.id, hold));
    await target.transaction("load", async (transaction) => {
      await applyBatch(transaction, first.value, pieces, { ...rules, refused });
      throw new Error("apply: nothing was refused the second time");
    });
  } catch (error) {
    if (error instanceof RefusedChange) throw error;
  } finally {
    await pieces.return?.();
  }
}

function progressAt(cursor: TableCursor, position: Lsn): TableProgress {
  const { filter } = cursor;
  const open = filter !== null && position < filter.until;
  return {
    cursor: position,
    state: "loading",
    filter: open ? { view: filter.view.text, until: filter.until } : null,
  };
}
