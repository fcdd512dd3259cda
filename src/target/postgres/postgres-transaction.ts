import type { ChunkRows, PendingKey, RowOps, TableProgress, TargetTransaction, Tolerance } from "../../engine/ports.ts";
import { PghaulError } from "../../errors/pghaul-error.ts";
import type { Change } from "../../model/change.ts";
import { formatLsn, type Lsn } from "../../model/lsn.ts";
import { shellWord } from "../../model/shell-word.ts";
import { otherSide, type SideName, sideCode } from "../../model/side.ts";
import type { Table } from "../../model/table.ts";
import type { PartialRow, Row } from "../../model/value.ts";
import {
  deletePending,
  deleteTable,
  insertMergedChunk,
  insertPending,
  type StreamId,
  upsertPosition,
  upsertTableProgress,
} from "../../side/postgres/bookkeeping/progress-queries.ts";
import { encodeHold, encodeKey } from "./progress/read-progress.ts";
import { applyInOrder, moveRow } from "./rows/apply-in-order.ts";
import { applyOps } from "./rows/apply-ops.ts";
import { insertAbsent, loadWhole, replaceRows } from "./rows/merge-rows.ts";
import { isConflict, undoneOnError } from "./rows/savepoint.ts";
import { emptyTable, truncateTables } from "./rows/truncate-tables.ts";
import type { TargetSession } from "./target-session.ts";

function foreignRow(error: unknown, side: SideName): PghaulError {
  const { message, context } = error as PghaulError;
  return new PghaulError(
    sideCode(side, "DRIFT"),
    `a row or a constraint at the ${side} conflicts with what the stream writes: ${message}`,
    {
      context,
      suggestion: `pghaul verify diff --table ${shellWord(String(context.table))}; also make sure that the ${side} has no constraint that the ${otherSide(side)} lacks`,
    },
  );
}

/** One open transaction of a session. */
export class PostgresTransaction implements TargetTransaction {
  readonly side: SideName;
  readonly #session: TargetSession;
  readonly #id: StreamId;

  constructor(session: TargetSession, id: StreamId) {
    this.side = session.side;
    this.#session = session;
    this.#id = id;
  }

  async apply(table: Table, ops: RowOps, tolerance: Tolerance): Promise<readonly Row[]> {
    return applyOps(this.#session, await this.#session.target(table), ops, tolerance);
  }

  async applyInOrder(tables: ReadonlyMap<string, Table>, changes: readonly Change[], tolerance: Tolerance): Promise<readonly PendingKey[]> {
    try {
      return await applyInOrder(this.#session, tables, changes, tolerance);
    } catch (error) {
      // In the order of the source nothing can be in the way but what the source does not have: a row, or a constraint.
      throw tolerance === "strict" && isConflict(error) ? foreignRow(error, this.side) : error;
    }
  }

  async move(table: Table, oldKey: Row, row: PartialRow): Promise<boolean> {
    return moveRow(this.#session, await this.#session.target(table), oldKey, row);
  }

  truncate(tables: readonly Table[]): Promise<void> {
    return truncateTables(this.#session, tables);
  }

  empty(table: Table): Promise<void> {
    return emptyTable(this.#session, table);
  }

  attempt<T>(work: () => Promise<T>): Promise<T> {
    return undoneOnError(this.#session, work);
  }

  async insertAbsent(table: Table, raw: ChunkRows | null, rows: readonly Row[]): Promise<number> {
    return insertAbsent(this.#session, await this.#session.target(table), raw, rows);
  }

  async replace(table: Table, keys: readonly Row[], rows: readonly Row[]): Promise<void> {
    return replaceRows(this.#session, await this.#session.target(table), keys, rows);
  }

  async loadWhole(table: Table, copyText: AsyncIterable<Uint8Array>): Promise<number> {
    return loadWhole(this.#session, await this.#session.target(table), copyText);
  }

  setStreamPosition(position: Lsn): Promise<void> {
    return upsertPosition(this.#session, this.#id, formatLsn(position));
  }

  setTableProgress(table: string, { cursor, state, filter, hold }: TableProgress): Promise<void> {
    return upsertTableProgress(this.#session, this.#id, {
      table_id: table,
      cursor: formatLsn(cursor),
      state,
      filter_view: filter?.view ?? null,
      filter_until: filter === null ? null : formatLsn(filter.until),
      hold: hold === undefined ? null : encodeHold(hold),
    });
  }

  setChunkMerged(table: string, chunk: number): Promise<void> {
    return insertMergedChunk(this.#session, this.#id, table, chunk);
  }

  addPending(table: string, keys: readonly Row[]): Promise<void> {
    return insertPending(this.#session, this.#id, table, keys.map(encodeKey));
  }

  forgetTable(table: string): Promise<void> {
    return deleteTable(this.#session, this.#id, table);
  }

  removePending(table: string, keys: readonly Row[]): Promise<void> {
    return deletePending(this.#session, this.#id, table, keys.map(encodeKey));
  }
}
