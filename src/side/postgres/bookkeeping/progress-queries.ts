import type { StreamName } from "../../../model/side.ts";
import type { Queryable } from "../../../postgres/queryable.ts";
import { quoteLiteral } from "../../../postgres/quote.ts";

/** Whose progress: one migration and one direction of it. A database can be the target of both directions, one after the other. */
export interface StreamId {
  readonly migration: string;
  readonly stream: StreamName;
}

/**
 * Null: the schema has not been created. Asks the catalog's tables, for to_regclass answers from a cache that another session's
 * CREATE does not reach within a transaction.
 */
export async function selectVersion(db: Queryable): Promise<number | null> {
  const found = await db.query(`select from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where n.nspname = 'pghaul' and c.relname = 'meta'`);
  if (found.rowCount === 0) return null;
  const { rows } = await db.query<{ version: string }>("select version::text from pghaul.meta");
  return rows[0] === undefined ? null : Number(rows[0].version);
}

export interface LaneRow {
  readonly lane: string;
  readonly commits: string;
}

/** How many transactions each lane has committed. To be one statement among several. */
export function commitsSql({ migration, stream }: StreamId): string {
  return `select lane, commits::text from pghaul.lane where migration = ${quoteLiteral(migration)} and stream = ${quoteLiteral(stream)}`;
}

/** Counts one more and answers with the new number, `commits`. To be the last statement of the lane's transaction. */
export function countCommitSql({ migration, stream }: StreamId, lane: string): string {
  return `insert into pghaul.lane as l (migration, stream, lane, commits)
    values (${[migration, stream, lane].map(quoteLiteral).join(", ")}, 1)
    on conflict (migration, stream, lane) do update set commits = l.commits + 1 returning commits::text`;
}

export interface ProgressRows {
  readonly position: string | null;
  readonly tables: readonly TableProgressRow[];
  readonly chunks: readonly number[];
  readonly pending: readonly { readonly table_id: string; readonly key: string }[];
  readonly lanes: readonly LaneRow[];
}

export interface TableProgressRow {
  readonly table_id: string;
  readonly cursor: string;
  readonly state: "loading" | "loaded" | "joined" | "held";
  readonly filter_view: string | null;
  readonly filter_until: string | null;
  readonly hold: string | null;
}

/** Everything of one stream; the caller holds a snapshot over the statements. */
export async function selectProgress(db: Queryable, { migration, stream }: StreamId): Promise<ProgressRows> {
  const of = "where migration = $1 and stream = $2";
  const id = [migration, stream];
  const progress = await db.query<{ position: string }>(`select position::text from pghaul.progress ${of}`, id);
  const tables = await db.query<TableProgressRow>(
    `select table_id, cursor::text, state, filter_view, filter_until::text, hold from pghaul.table_progress ${of}`,
    id,
  );
  const chunks = await db.query<{ chunk: string }>(`select chunk::text from pghaul.merged_chunk ${of}`, id);
  const pending = await db.query<{ table_id: string; key: string }>(`select table_id, key from pghaul.pending ${of}`, id);
  const lanes = await db.query<LaneRow>(commitsSql({ migration, stream }));
  return {
    position: progress.rows[0]?.position ?? null,
    tables: tables.rows,
    chunks: chunks.rows.map((row) => Number(row.chunk)),
    pending: pending.rows,
    lanes: lanes.rows,
  };
}

export async function upsertPosition(db: Queryable, { migration, stream }: StreamId, position: string): Promise<void> {
  await db.query(
    `insert into pghaul.progress (migration, stream, position) values ($1, $2, $3)
    on conflict (migration, stream) do update set position = excluded.position, changed_at = clock_timestamp()`,
    [migration, stream, position],
  );
}

export async function upsertTableProgress(db: Queryable, { migration, stream }: StreamId, row: TableProgressRow): Promise<void> {
  await db.query(
    `insert into pghaul.table_progress (migration, stream, table_id, cursor, state, filter_view, filter_until, hold)
    values ($1, $2, $3, $4, $5, $6, $7, $8)
    on conflict (migration, stream, table_id) do update set
      cursor = excluded.cursor, state = excluded.state, filter_view = excluded.filter_view, filter_until = excluded.filter_until,
      hold = excluded.hold`,
    [migration, stream, row.table_id, row.cursor, row.state, row.filter_view, row.filter_until, row.hold],
  );
}

/** Everything of one table. */
export async function deleteTable(db: Queryable, { migration, stream }: StreamId, table: string): Promise<void> {
  for (const relation of ["pending", "merged_chunk", "table_progress"]) {
    await db.query(`delete from pghaul.${relation} where migration = $1 and stream = $2 and table_id = $3`, [migration, stream, table]);
  }
}

export async function insertMergedChunk(db: Queryable, { migration, stream }: StreamId, table: string, chunk: number): Promise<void> {
  await db.query(
    `insert into pghaul.merged_chunk (migration, stream, table_id, chunk) values ($1, $2, $3, $4)
    on conflict do nothing`,
    [migration, stream, table, chunk],
  );
}

export async function insertPending(db: Queryable, { migration, stream }: StreamId, table: string, keys: readonly string[]): Promise<void> {
  await db.query(
    `insert into pghaul.pending (migration, stream, table_id, key) select $1, $2, $3, unnest($4::text[])
    on conflict do nothing`,
    [migration, stream, table, keys],
  );
}

export async function deletePending(db: Queryable, { migration, stream }: StreamId, table: string, keys: readonly string[]): Promise<void> {
  await db.query(`delete from pghaul.pending where migration = $1 and stream = $2 and table_id = $3 and key = any ($4::text[])`, [
    migration,
    stream,
    table,
    keys,
  ]);
}

/** `select position ...`, one column, one row or none. To stand inside another statement, as a scalar. */
export function positionSql({ migration, stream }: StreamId): string {
  return `select position from pghaul.progress where migration = ${quoteLiteral(migration)} and stream = ${quoteLiteral(stream)}`;
}

/** Ids of the tables of which this server has refused a row. */
export async function selectHeld(db: Queryable, { migration, stream }: StreamId): Promise<readonly string[]> {
  const { rows } = await db.query<{ id: string }>(
    "select table_id as id from pghaul.table_progress where migration = $1 and stream = $2 and state = 'held' order by table_id",
    [migration, stream],
  );
  return rows.map(({ id }) => id);
}

/** Whether the schema `pghaul` is there. */
export async function isPrepared(db: Queryable): Promise<boolean> {
  const { rows } = await db.query("select 1 where to_regclass('pghaul.meta') is not null");
  return rows.length > 0;
}
