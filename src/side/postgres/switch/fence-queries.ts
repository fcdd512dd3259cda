/**
 * The SQL of the fence. It must refuse everybody, the superuser and sessions in replica role included (hence ENABLE ALWAYS), and let our
 * appliers through, who name themselves by the setting `pghaul.applier`. It is a guard against mistakes, not against an attacker: who may
 * drop the trigger may write; that is what the proof by the log is for.
 *
 * A fence is closed by triggers under locks, because only the locks are a barrier, and opened by one row: a trigger passes everybody once
 * `pghaul.opening` holds a row of its name. So opening waits for no lock, neither at the new primary nor, when a switch is cancelled, at the
 * old one. Each fence has a name of its own: a transaction whose snapshot is older than the row is refused a moment longer, never let
 * through.
 */

import { qualifiedName, quoteIdent, quoteLiteral } from "../../../postgres/quote.ts";
import type { Marker } from "../bookkeeping/marker-table.ts";
import { WITH_PARTITIONS } from "../facts/with-partitions.ts";

/** Names of our triggers begin with it; what follows is unique to one fence. */
const FENCE_PREFIX = "pghaul_fence_";

export interface FencedRelation {
  readonly schema: string;
  readonly name: string;
}

export interface FenceName {
  readonly side: string;
  /** Never used before at this database: a few random characters. */
  readonly unique: string;
}

export function fenceTrigger({ side, unique }: FenceName): string {
  return `${FENCE_PREFIX}${side}_${unique}`;
}

/**
 * Installed before the switch, so that nothing but locks and catalog rows is left for the pause. SECURITY DEFINER, because the roles that
 * write to the application's tables have no rights in our schema. One serves the fences of all migrations: each trigger names its own appliers.
 */
export function fenceFunctionSql(): string {
  return `
    create or replace function pghaul.refuse_write() returns trigger language plpgsql security definer set search_path = pg_catalog as $pghaul$
    begin
      if pg_catalog.current_setting('pghaul.applier', true) is distinct from tg_argv[0]
         and not exists (select from pghaul.opening where fence = tg_name) then
        raise exception 'pghaul: writes have moved away from this database (table %.%)', tg_table_schema, tg_table_name
          using errcode = 'read_only_sql_transaction', hint = 'Connect to the new primary.';
      end if;
      return null;
    end $pghaul$`;
}

/** A trigger to be made: its name, and the token of the appliers that it lets through. */
export interface FenceTrigger {
  readonly name: string;
  readonly token: string;
}

export interface FenceRequest {
  readonly relations: readonly FencedRelation[];
  readonly trigger: FenceTrigger;
  readonly marker: Marker;
  readonly lockMillis: number;
  /** The session may set deadlock_timeout. */
  readonly impatient: boolean;
  /** Statements that read the sequences. */
  readonly sequences: string;
}

/** For the statements of a fence that wait for nobody, ms. */
const REST_MILLIS = 2_000;

/**
 * One simple-protocol call, one transaction: six round trips would be six times the network in the pause. SHARE ROW EXCLUSIVE waits for
 * each earlier writer (manual: "Table-Level Locks") and is all that CREATE TRIGGER needs, so readers go on. The answer's last two rows
 * before COMMIT's are the WAL position and the sequences.
 */
export function fenceSql({ relations, trigger, marker, lockMillis, impatient, sequences }: FenceRequest): string {
  const names = relations.map(({ schema, name }) => qualifiedName(schema, name));
  const limit = Math.max(1, Math.round(lockMillis));
  return [
    "begin",
    // lock_timeout counts for each table anew; the statement's counts for all of them.
    `set local lock_timeout = ${limit}`,
    `set local statement_timeout = ${limit}`,
    ...impatience(impatient),
    ...(names.length > 0 ? [`lock table only ${names.join(", only ")} in share row exclusive mode`] : []),
    // Whoever waits for us has gone by then, or will.
    `set local statement_timeout = ${Math.max(limit, REST_MILLIS)}`,
    ...names.flatMap((table) => createTriggerSql(table, trigger)),
    markerSql(marker),
    // Async commits of a role's own settings must not make the barrier a wish.
    "set local synchronous_commit = on",
    "select pg_current_wal_insert_lsn()::text as lsn",
    sequences,
    "commit",
  ].join(";\n");
}

/** An autovacuum worker gives way only when the deadlock check runs; by default that is after a second (research: 1,001 ms against 11). */
function impatience(impatient: boolean): readonly string[] {
  return impatient ? ["set local deadlock_timeout = '10ms'"] : [];
}

/** The fence on one table, for a side where nobody writes but our appliers. */
export function guardSql(relation: FencedRelation, trigger: FenceTrigger, lockMillis: number, impatient: boolean): string {
  const table = qualifiedName(relation.schema, relation.name);
  return [
    "begin",
    `set local lock_timeout = ${lockMillis}`,
    ...impatience(impatient),
    `lock table only ${table} in share row exclusive mode`,
    ...createTriggerSql(table, trigger),
    "commit",
  ].join(";\n");
}

function createTriggerSql(table: string, { name, token }: FenceTrigger): string[] {
  return [
    `create trigger ${quoteIdent(name)} before insert or update or delete or truncate on ${table} for each statement execute function pghaul.refuse_write(${quoteLiteral(token)})`,
    `alter table only ${table} enable always trigger ${quoteIdent(name)}`,
  ];
}

/** Opens fences, and writes a marker in the same transaction: who sees the marker knows that they are open. */
export function openSql(triggers: readonly string[], marker: Marker, limitMillis: number): string {
  const rows = triggers.map((name) => `(${quoteLiteral(name)})`);
  return [
    "begin",
    `set local statement_timeout = ${Math.max(1, Math.round(limitMillis))}`,
    "set local synchronous_commit = on",
    ...(rows.length > 0 ? [`insert into pghaul.opening (fence) values ${rows.join(", ")} on conflict (fence) do nothing`] : []),
    markerSql(marker),
    "commit",
  ].join(";\n");
}

export function markerSql({ table, id }: Marker): string {
  return `insert into ${table} (id) values (${quoteLiteral(id)}) on conflict (id) do nothing`;
}

/** Takes a trigger that passes everybody off a table. `drop` also bars readers for a moment, so it is for a side that is not the primary. */
export function tidySql(relation: FencedRelation, trigger: string, how: "disable" | "drop"): string {
  const table = qualifiedName(relation.schema, relation.name);
  const name = quoteIdent(trigger);
  const act = how === "drop" ? `drop trigger if exists ${name} on ${table}` : `alter table only ${table} disable trigger ${name}`;
  return ["begin", "set local lock_timeout = '20ms'", act, "commit"].join(";\n");
}

export interface RelationRow {
  readonly root: string;
  readonly schema: string;
  readonly name: string;
  readonly oid: string;
  /** A fence trigger of ours on it, null where there is none; one row for each. */
  readonly trigger: string | null;
  /** 'closed' by us, 'open' (lets everybody pass), 'disabled', or an 'other' migration's that is closed. */
  readonly state: "closed" | "open" | "disabled" | "other" | null;
  /** 'true': it is as we made it, for every event and every row. */
  readonly intact: string;
}

/** pg_trigger.tgtype of ours: BEFORE (2), INSERT (4), DELETE (8), UPDATE (16), TRUNCATE (32), without ROW (1); source: catalog/pg_trigger.h. */
const FENCE_TYPE = 2 + 4 + 8 + 16 + 32;

/**
 * The moved tables with all their partitions, as they are now, and the fences on them. Partitions of every level: a write straight into one
 * passes a trigger on its parent. $1 schemas, $2 names; `root` counts from 1 into them; $3 the token of our fences, the argument of each.
 */
export function relationsSql(): string {
  return `
    select r.place::text as root, n.nspname::text as schema, c.relname::text as name, c.oid::text as oid, t.tgname::text as trigger,
           case when t.tgname is null then null when t.tgenabled <> 'A' then 'disabled'
                when exists (select from pghaul.opening o where o.fence = t.tgname) then 'open'
                when encode(t.tgargs, 'escape') = $3 || '\\000' then 'closed' else 'other' end as state,
           coalesce(t.tgtype = ${FENCE_TYPE} and t.tgqual is null and t.tgfoid = to_regproc('pghaul.refuse_write'), false)::text as intact
      from unnest($1::text[], $2::text[]) with ordinality as r(schema, name, place) ${WITH_PARTITIONS}
      left join pg_catalog.pg_trigger t on t.tgrelid = c.oid and starts_with(t.tgname::text, '${FENCE_PREFIX}') and not t.tgisinternal
     order by r.place, c.oid`;
}

/**
 * Who holds what the fence waits for, on the tables with these oids. pg_locks tells everybody everything; pg_stat_activity hides the
 * transactions of others from a role without pg_read_all_stats. A prepared transaction has a lock and no process.
 */
export function blockersSql(): string {
  return `
    select distinct case when l.pid is null then 'a prepared transaction (see below)'
                         else format('pid %s (%s, %s, %s%s)', l.pid, a.usename, a.application_name, coalesce(a.state, 'state hidden'),
                                     ' for ' || extract(epoch from now() - a.xact_start)::numeric(12,1) || ' s') end as who
      from pg_catalog.pg_locks l left join pg_catalog.pg_stat_activity a on a.pid = l.pid
     where l.locktype = 'relation' and l.granted and l.pid is distinct from pg_backend_pid() and l.relation = any($1::oid[])
       and l.database = (select oid from pg_catalog.pg_database where datname = current_database())
       and l.mode in ('RowExclusiveLock', 'ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
     union all
    select format('prepared transaction %L of %s since %s', p.gid, p.owner, p.prepared) from pg_catalog.pg_prepared_xacts p where p.database = current_database()
     limit 8`;
}
