/**
 * Reads of rows, each in a short transaction of its own (research: a snapshot that outlives its chunk holds back the source's vacuum).
 */

import type pg from "pg";
import type { ChunkBudget, ChunkRange, ChunkRead } from "../../engine/ports.ts";
import type { SideName } from "../../model/side.ts";
import { type KeyText, keyText, type Table } from "../../model/table.ts";
import type { Row } from "../../model/value.ts";
import { endSnapshot } from "../queries/read-queries.ts";
import { CopyChunkRows } from "./chunk-rows.ts";
import { copyKeysSql, copyRangeSql } from "./chunk-sql.ts";
import type { KeyOrder } from "./key-order.ts";
import { openLeaf, openTable } from "./open-table.ts";
import type { RowLimit } from "./row-limit.ts";
import { runCopy } from "./run-copy.ts";

/** What a read needs beside the question itself. */
export interface ReadContext {
  readonly client: pg.Client;
  readonly side: SideName;
  readonly order: KeyOrder;
  readonly label: string;
  readonly cancel: (pid: string) => Promise<void>;
  readonly signal: AbortSignal;
}

/** A client that fell silent between two statements must not keep the snapshot. */
const SILENCE_LIMIT = { idle_in_transaction_session_timeout: "60s" };

/**
 * A LIMIT in key order must walk the index: sorting, or reading the whole leaf, would be repeated for every chunk. Where no index fits,
 * the planner sorts all the same.
 */
const INDEX_WALK = {
  ...SILENCE_LIMIT,
  enable_seqscan: "off",
  enable_bitmapscan: "off",
  enable_sort: "off",
  enable_incremental_sort: "off",
};

/** A thousand look-ups in the index. */
const KEY_LOOKUP = { ...SILENCE_LIMIT, enable_seqscan: "off", enable_hashjoin: "off", enable_mergejoin: "off" };

export interface RangeRequest {
  readonly range: ChunkRange;
  readonly budget: ChunkBudget;
  /** Says how many rows to ask for, and learns from the answer. */
  readonly limit: RowLimit;
}

/**
 * Reads the beginning of a range: all of it, or as many rows as the budget allows, at least one. A partition that was renamed since it was
 * planned is read under its new name; one that was dropped or detached has no rows of the table.
 */
export async function copyRange(context: ReadContext, table: Table, { range, budget, limit }: RangeRequest): Promise<ChunkRead> {
  const { client, side, order, label, signal } = context;
  const asked = limit.next(budget);
  const started = performance.now();
  const opened = await openLeaf({ client, side, signal, label, settings: INDEX_WALK }, table, range.leaf);
  if (opened === null) return copyKeys(context, table, []);
  const begun = performance.now();
  const outcome = await runCopy(client, copyRangeSql(table, opened.leaf, { range, order, limit: asked }), {
    budget: { bytes: budget.bytes, millis: budget.millis - (begun - started) },
    cancel: () => context.cancel(opened.pid),
    signal,
  });
  await endSnapshot(client);
  const { rows } = outcome;
  limit.learn(rows.count, rows.bytes, performance.now() - begun);
  const cut = outcome.cut || rows.count === asked;
  return { view: opened.view, hi: opened.hi, rows, cutAfter: cut ? rows.lastKey(table.key ?? []) : null };
}

/** Reads the rows of these keys, exactly: an equal key of another text (`1.0` and `1.00`, citext) is another key. */
export async function copyKeys(context: ReadContext, table: Table, keys: readonly Row[]): Promise<ChunkRead> {
  const { client, side, order, label, signal } = context;
  const distinct = new Map<KeyText, Row>(keys.map((key) => [keyText(key), key]));
  const { view, hi, pid, reach } = await openTable({ client, side, signal, label, settings: KEY_LOOKUP }, table);
  if (distinct.size === 0) {
    await endSnapshot(client);
    return { view, hi, rows: new CopyChunkRows([], 0), cutAfter: null };
  }
  const sql = copyKeysSql(table, reach, [...distinct.values()], order);
  const { rows } = await runCopy(client, sql, { budget: null, cancel: () => context.cancel(pid), signal });
  await endSnapshot(client);
  return { view, hi, rows: rows.only(table.key ?? [], new Set(distinct.keys())), cutAfter: null };
}
