/**
 * The statements around a read: its snapshot, its end, and what makes the stream move. LSNs and snapshots come as text.
 */

import type { QueryResult } from "pg";
import { leafRelation } from "../../model/table.ts";
import type { Queryable } from "../../postgres/queryable.ts";
import { quoteLiteral } from "../../postgres/quote.ts";
import { leafIdsSql, type QualifiedName, treeTextSql } from "../../side/postgres/catalog/partition-tree.ts";

export interface SnapshotRow {
  readonly snapshot: string;
  readonly lsn: string;
  readonly pid: string;
  /** What `check` yields in this snapshot. */
  readonly checked: string | null;
}

export interface SnapshotRequest {
  /** Table names as LOCK takes them, ONLY included. */
  readonly lock: string;
  /**
   * An expression that tells whether what was locked by name is what was meant: between looking a name up and locking it, it may have gone
   * over to another relation. Once locked, no relation can lose its name.
   */
  readonly check: string;
  /** Told in pg_stat_activity while the read lasts. */
  readonly label: string;
  /** Server settings of this transaction. */
  readonly settings: Readonly<Record<string, string>>;
}

/**
 * One round trip. The lock is asked for briefly, for everybody else queues behind one that waits; after it only an index may be waited for,
 * as long as a REINDEX takes, which bars nobody. The lock comes before the snapshot because TRUNCATE and table rewrites are not MVCC-safe (manual: "Caveats" of
 * "Concurrency Control"): a snapshot older than the lock could see an empty table. Nothing before the SELECT takes a snapshot, SET LOCAL
 * and LOCK included, and the LSN is read after it, in the same statement, so whatever is visible has its commit record below that LSN.
 */
export async function beginSnapshot(db: Queryable, { lock, check, label, settings }: SnapshotRequest): Promise<SnapshotRow> {
  const all = { application_name: label, lock_timeout: "2s", max_parallel_workers_per_gather: "0", jit: "off", ...settings };
  const results = (await db.query(`begin isolation level repeatable read read only;
${Object.entries(all)
  .map(([name, value]) => `set local ${name} = ${quoteLiteral(value)};`)
  .join("\n")}
lock table ${lock} in access share mode;
set local lock_timeout = 0;
select pg_catalog.pg_current_snapshot()::text as snapshot, pg_catalog.pg_current_wal_insert_lsn()::text as lsn, pg_catalog.pg_backend_pid()::text as pid,
       ${check} as checked`)) as unknown as QueryResult<SnapshotRow>[];
  return results.at(-1)?.rows[0] as SnapshotRow;
}

export async function endSnapshot(db: Queryable): Promise<void> {
  await db.query("rollback");
}

/** Ends what the session is doing now, as its own role may; the session stays. */
export async function cancelBackend(db: Queryable, pid: string): Promise<void> {
  await db.query("select pg_catalog.pg_cancel_backend($1::int)", [pid]);
}

/** A heartbeat need not wait for a synchronous standby: only its place in WAL counts. */
export async function relaxCommits(db: Queryable): Promise<void> {
  await db.query("set synchronous_commit = local");
}

/** Transactional, so that a commit record follows whatever was written before; pgoutput passes over the message itself on 13. */
export async function emitHeartbeat(db: Queryable): Promise<void> {
  await db.query("select pg_catalog.pg_logical_emit_message(true, 'pghaul', '')");
}

export async function selectSnapshot(db: Queryable): Promise<string> {
  const { rows } = await db.query<{ snapshot: string }>("select pg_catalog.pg_current_snapshot()::text as snapshot");
  return rows[0]?.snapshot ?? "";
}

/** A new xid, 64 bits, in a transaction of its own. */
export async function assignXid(db: Queryable): Promise<bigint> {
  const { rows } = await db.query<{ xid: string }>("select pg_catalog.pg_current_xact_id()::text as xid");
  return BigInt(rows[0]?.xid ?? "0");
}

export interface WriterRow {
  /** Null for a prepared transaction. */
  readonly pid: string | null;
  readonly who: string;
  readonly seconds: string;
}

/**
 * Transactions that have written and are older than `xid`, oldest first. pg_locks shows every one of them to every role; pg_stat_activity
 * would hide the xids of other roles. Prepared transactions hold their lock without a process.
 */
export async function selectOlderWriters(db: Queryable, xid: bigint): Promise<readonly WriterRow[]> {
  const { rows } = await db.query<WriterRow>(
    `
    select l.pid::text, extract(epoch from coalesce(clock_timestamp() - coalesce(a.xact_start, p.prepared), interval '0'))::bigint::text as seconds,
           case when p.gid is not null then format('prepared transaction %L of %s', p.gid, p.owner)
                when l.pid is null then 'a prepared transaction'
                else format('pid %s (%s%s, %s)', l.pid, coalesce(a.usename::text, 'unknown role'),
                            coalesce(' in ' || nullif(a.application_name, ''), ''), coalesce(a.state, 'state not shown to this role')) end as who
      from pg_catalog.pg_locks l
      left join pg_catalog.pg_stat_activity a on a.pid = l.pid
      left join pg_catalog.pg_prepared_xacts p on l.pid is null and p.transaction = l.transactionid
     where l.locktype = 'transactionid' and l.mode = 'ExclusiveLock' and l.granted and age(l.transactionid) > age($1::xid)
     order by age(l.transactionid) desc limit 5`,
    [(xid & 0xffffffffn).toString()],
  );
  return rows;
}

/** The name that a part of a table (`TableLeaf.id`) bears now; null when it is no part of it any more. */
export async function selectPartName(db: Queryable, root: number, part: string): Promise<QualifiedName | null> {
  const { rows } = await db.query<{ schema: string; name: string }>(
    `select n.nspname::text as schema, c.relname::text as name
       from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where c.oid = $1 and ${leafIdsSql(root, "c.oid = $1")} = $2`,
    [leafRelation(part), part],
  );
  return rows[0] ?? null;
}

/** See `treeTextSql`. */
export async function selectTreeText(db: Queryable, root: number): Promise<string> {
  const { rows } = await db.query<{ tree: string | null }>(`select ${treeTextSql(root)} as tree`);
  return rows[0]?.tree ?? "";
}
