/** What the load may weigh on, as the source tells it at one moment. */
import type pg from "pg";

export interface Pressure {
  /** The physical standbys that this server sends its WAL to, and how old what they replay is. */
  readonly standbys: readonly StandbyLag[];
  /** A standby is there whose lag our role may not see (pg_monitor). */
  readonly hidden: boolean;
  /** WAL that the source keeps for our slot; null when it does not say. */
  readonly slotBytes: number | null;
}

export interface StandbyLag {
  /** Its application_name (by default its cluster_name), else its address. */
  readonly name: string;
  readonly seconds: number;
}

/** Two short statements. Errors are the driver's own. */
export async function readPressure(client: pg.Client, slot: string): Promise<Pressure> {
  const standbys = await selectStandbys(client);
  const seen = standbys.filter(({ hidden }) => hidden === "false");
  return {
    standbys: seen.map(({ name, seconds }) => ({ name, seconds: Number(seconds) })),
    hidden: seen.length < standbys.length,
    slotBytes: await selectSlotBytes(client, slot),
  };
}

interface StandbyRow {
  readonly name: string;
  readonly seconds: string;
  readonly hidden: string;
}

/**
 * A logical walsender always has its slot, so what has none is a standby, or a copy or an archiver, which replay nothing. replay_lag is null
 * once a standby has replayed everything (manual: "pg_stat_replication"). To a role without pg_monitor every column of a walsender is null.
 */
async function selectStandbys(client: pg.Client): Promise<readonly StandbyRow[]> {
  const { rows } = await client.query<StandbyRow>(`
    select coalesce(nullif(nullif(r.application_name, ''), 'walreceiver'), host(r.client_addr), 'on a local socket') as name,
           coalesce(extract(epoch from r.replay_lag), 0)::text as seconds, (r.state is null)::text as hidden
      from pg_catalog.pg_stat_replication r
     where (r.replay_lsn is not null or (r.state is null and r.usename is distinct from current_user))
       and not exists (select from pg_catalog.pg_replication_slots s where s.active_pid = r.pid and s.slot_type = 'logical')`);
  return rows;
}

async function selectSlotBytes(client: pg.Client, slot: string): Promise<number | null> {
  const { rows } = await client.query<{ bytes: string | null }>(
    `select pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), s.restart_lsn)::text as bytes
       from pg_catalog.pg_replication_slots s where s.slot_name = $1`,
    [slot],
  );
  const bytes = rows[0]?.bytes ?? null;
  return bytes === null ? null : Number(bytes);
}
