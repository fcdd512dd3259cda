import type { Queryable } from "../../postgres/queryable.ts";

/** Statements about replication slots. Every value is cast to text, whatever types the client parses. */

export interface SlotRow {
  readonly name: string;
  readonly plugin: string | null;
  readonly database: string | null;
  readonly active_pid: string | null;
  readonly restart_lsn: string | null;
  readonly confirmed_flush_lsn: string | null;
  readonly wal_status: string | null;
  readonly safe_wal_size: string | null;
  readonly retained_bytes: string | null;
  readonly invalidation_reason: string | null;
}

/** The server's version as a number, 180004 for 18.4. */
export async function selectServerVersion(db: Queryable): Promise<number> {
  const { rows } = await db.query<{ version: string }>("select current_setting('server_version_num')::text as version");
  return Number(rows[0]?.version ?? 0);
}

/** One slot; a standby keeps WAL from what it has replayed. */
export async function selectSlot(db: Queryable, name: string, version: number): Promise<SlotRow | null> {
  // invalidation_reason is of 17; 16 tells only of a conflict with recovery, and before that wal_status is all there is.
  const reason =
    version >= 170000 ? "s.invalidation_reason::text" : version >= 160000 ? "case when s.conflicting then 'conflict' end" : "null::text";
  const { rows } = await db.query<SlotRow>(
    `select s.slot_name::text as name, s.plugin::text, s.database::text, s.active_pid::text, s.restart_lsn::text, s.confirmed_flush_lsn::text,
            s.wal_status::text, s.safe_wal_size::text, ${reason} as invalidation_reason,
            pg_catalog.pg_wal_lsn_diff(case when pg_catalog.pg_is_in_recovery() then pg_catalog.pg_last_wal_replay_lsn()
                                            else pg_catalog.pg_current_wal_lsn() end, s.restart_lsn)::bigint::text as retained_bytes
       from pg_catalog.pg_replication_slots s
      where s.slot_name = $1`,
    [name],
  );
  return rows[0] ?? null;
}

/** Makes the slot; the consistent point as text. In a transaction of its own, for the timeout's sake. */
export async function callCreateSlot(
  db: Queryable,
  slot: { readonly name: string; readonly failover: boolean; readonly timeoutMillis: number; readonly version: number },
): Promise<string> {
  const failover = slot.failover && slot.version >= 170000 ? ", failover => true" : "";
  await db.query("begin");
  try {
    await db.query("select pg_catalog.set_config('statement_timeout', $1, true)", [String(slot.timeoutMillis)]);
    const { rows } = await db.query<{ lsn: string }>(
      `select lsn::text from pg_catalog.pg_create_logical_replication_slot($1, 'pgoutput', false${failover})`,
      [slot.name],
    );
    await db.query("commit");
    return rows[0]?.lsn ?? "0/0";
  } catch (error) {
    // What failed is the error; a rollback that fails as well adds nothing.
    await db.query("rollback").catch(() => undefined);
    throw error;
  }
}

/** Begins to make a temporary slot, which is gone with the session, and gives up after `millis`. */
export async function callProbeSlot(db: Queryable, name: string, millis: number): Promise<void> {
  await db.query("select pg_catalog.set_config('statement_timeout', $1, false)", [String(millis)]);
  await db.query("select from pg_catalog.pg_create_logical_replication_slot($1, 'pgoutput', true)", [name]);
}

export async function callAdvanceSlot(db: Queryable, name: string, lsn: string): Promise<void> {
  await db.query("select from pg_catalog.pg_replication_slot_advance($1, $2::pg_lsn)", [name, lsn]);
}

export async function callDropSlot(db: Queryable, name: string): Promise<void> {
  await db.query("select pg_catalog.pg_drop_replication_slot(slot_name) from pg_catalog.pg_replication_slots where slot_name = $1", [name]);
}

/** Transactions that have written and not ended, oldest first, as a person names them. Never their statements: those hold values. */
export async function selectWritingTransactions(db: Queryable): Promise<string[]> {
  const { rows } = await db.query<{ who: string }>(`
    select who from (
      select a.xact_start as since,
             format('PID %s, user %s, application %s, %s, since %s', a.pid, a.usename, quote_literal(a.application_name), a.state, a.xact_start) as who
        from pg_catalog.pg_stat_activity a
       where a.backend_xid is not null and a.pid <> pg_catalog.pg_backend_pid()
       union all
      select p.prepared, format('prepared transaction %s in database %s, since %s', quote_literal(p.gid), p.database, p.prepared)
        from pg_catalog.pg_prepared_xacts p) writing
     order by since
     limit 10`);
  return rows.map(({ who }) => who);
}
