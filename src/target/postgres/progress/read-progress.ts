import type pg from "pg";
import type { TableProgress, TargetProgress } from "../../../engine/ports.ts";
import type { Hold } from "../../../model/hold.ts";
import { formatLsn, parseLsn } from "../../../model/lsn.ts";
import type { Row } from "../../../model/value.ts";
import { type LaneRow, type StreamId, selectProgress, type TableProgressRow } from "../../../side/postgres/bookkeeping/progress-queries.ts";

/** Reads what the database says of one stream, and how many commits of each lane that includes, in one snapshot. `client` must not be in a transaction. */
export async function readProgress(
  client: pg.Client,
  id: StreamId,
): Promise<{ readonly progress: TargetProgress; readonly lanes: readonly LaneRow[] }> {
  await client.query("begin isolation level repeatable read read only");
  const rows = await selectProgress(client, id);
  await client.query("commit");
  const pending = new Map<string, Row[]>();
  for (const { table_id, key } of rows.pending) {
    const keys = pending.get(table_id);
    if (keys === undefined) pending.set(table_id, [decodeKey(key)]);
    else keys.push(decodeKey(key));
  }
  const progress = {
    stream: rows.position === null ? null : parseLsn(rows.position),
    tables: new Map(rows.tables.map((row) => [row.table_id, toProgress(row)])),
    mergedChunks: new Set(rows.chunks),
    pending,
  };
  return { progress, lanes: rows.lanes };
}

/** A pending key as it is stored. */
export function encodeKey(key: Row): string {
  return JSON.stringify(key);
}

/** A hold as it is stored. */
export function encodeHold({ lsn, ...rest }: Hold): string {
  return JSON.stringify({ ...rest, lsn: lsn === null ? null : formatLsn(lsn) });
}

function decodeHold(text: string): Hold {
  const { lsn, ...rest } = JSON.parse(text) as Omit<Hold, "lsn"> & { readonly lsn: string | null };
  return { ...rest, lsn: lsn === null ? null : parseLsn(lsn) };
}

function decodeKey(text: string): Row {
  return JSON.parse(text) as Row;
}

function toProgress(row: TableProgressRow): TableProgress {
  const filter =
    row.filter_view === null || row.filter_until === null ? null : { view: row.filter_view, until: parseLsn(row.filter_until) };
  return { cursor: parseLsn(row.cursor), state: row.state, filter, ...(row.hold === null ? {} : { hold: decodeHold(row.hold) }) };
}
