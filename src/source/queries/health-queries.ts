import type { Queryable } from "../../postgres/queryable.ts";

/** What the source suffers from, or would suffer from under a migration. Every value is text; intervals are whole seconds. */

export interface HorizonRow {
  readonly age: string;
  readonly who: string;
}

/** Who holds back vacuum most: the session, slot or prepared transaction with the oldest xmin, and its age in transactions. */
export async function selectOldestHorizon(db: Queryable): Promise<HorizonRow | null> {
  const { rows } = await db.query<HorizonRow>(`
    select age::text, who from (
      select age(a.backend_xmin) as age, format('pid %s (%s in %s, %s)', a.pid, a.usename, nullif(a.application_name, ''), a.state) as who
        from pg_catalog.pg_stat_activity a where a.backend_xmin is not null and a.pid <> pg_catalog.pg_backend_pid()
       union all
      select greatest(age(s.xmin), age(s.catalog_xmin)), format('replication slot %s', s.slot_name)
        from pg_catalog.pg_replication_slots s where s.xmin is not null or s.catalog_xmin is not null
       union all
      select age(p.transaction), format('prepared transaction %L', p.gid) from pg_catalog.pg_prepared_xacts p) as holders
     order by holders.age desc limit 1`);
  return rows[0] ?? null;
}

/** Where WAL ends now, as an absolute number of bytes. */
export async function selectWalPosition(db: Queryable): Promise<bigint> {
  const { rows } = await db.query<{ position: string }>(
    "select (pg_catalog.pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint::text as position",
  );
  return BigInt(rows[0]?.position ?? 0);
}
