import type { Queryable } from "../../postgres/queryable.ts";

export interface OriginRow {
  /** Where WAL ends now. */
  readonly end: string;
  /** WAL bytes kept for the slot; null, as the others, where there is no such slot. */
  readonly retained: string | null;
  readonly status: string | null;
  readonly safe: string | null;
}

/** Where the server's WAL ends, and what the slot keeps of it. */
export async function selectOrigin(db: Queryable, slot: string): Promise<OriginRow> {
  const { rows } = await db.query<OriginRow>(
    `select pg_current_wal_insert_lsn()::text as end, pg_wal_lsn_diff(pg_current_wal_insert_lsn(), s.restart_lsn)::text as retained,
            s.wal_status as status, s.safe_wal_size::text as safe
     from (select 1) one left join pg_replication_slots s on s.slot_name = $1`,
    [slot],
  );
  if (rows[0] === undefined) throw new Error("lag: no answer");
  return rows[0];
}
