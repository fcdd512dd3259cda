import type { TransactionPiece } from "../model/change.ts";
import { type Lsn, maxLsn } from "../model/lsn.ts";
import { type KeyText, keyText, type Table } from "../model/table.ts";
import type { Row } from "../model/value.ts";
import { applyBatch, DEFAULT_LIMITS } from "./apply-batch.ts";
import type { EnginePorts, ReadView, TableProgress } from "./ports.ts";

/** A loading table's own place in the log. Mutable, owned by one load. */
export interface TableCursor {
  readonly table: Table;
  /** Null until the first chunk is about to be read. */
  position: Lsn | null;
  /** False until the target has a cursor on record: it must, before anything is merged, or a restart would begin too late. */
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
  const rules = {
    tables: new Map([[table.id, table]]),
    tolerance: "tolerant" as const,
    accepts: ({ xid, commitLsn }: { xid: bigint; commitLsn: Lsn }) =>
      cursor.filter === null || commitLsn >= cursor.filter.until || !cursor.filter.view.contains({ xid, commitLsn }),
    limits: limits ?? DEFAULT_LIMITS,
  };
  const pieces = log.read({ from: cursor.position ?? to, to }, new Set([table.id]), signal)[Symbol.asyncIterator]();
  try {
    let first: IteratorResult<TransactionPiece> = await pieces.next();
    while (first.done !== true) {
      const { value } = first;
      const batch = await target.transaction("load", async (transaction) => {
        const applied = await applyBatch(transaction, value, pieces, rules);
        await transaction.setTableProgress(table.id, progressAt(cursor, applied.position));
        return applied;
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

function progressAt(cursor: TableCursor, position: Lsn): TableProgress {
  const { filter } = cursor;
  const open = filter !== null && position < filter.until;
  return {
    cursor: position,
    state: "loading",
    filter: open ? { view: filter.view.text, until: filter.until } : null,
  };
}
