/**
 * The SQL of the fence. It must refuse everybody, the superuser and sessions in replica role included (hence ENABLE ALWAYS), and let our
 * appliers through, who name themselves by the setting `pghaul.applier`. It is a guard against mistakes, not against an attacker: who may
 * drop the trigger may write; that is what the proof by the log is for.
 */
import { qualifiedName, quoteLiteral } from "../postgres/quote.ts";

export const FENCE_TRIGGER = "pghaul_fence";

export interface FencedRelation {
  readonly schema: string;
  readonly name: string;
}

/** Installed before the switch, so that nothing but locks and catalog rows is left for the pause. */
export function fenceFunctionSql(applierToken: string): string {
  return `
    create or replace function pghaul.refuse_write() returns trigger language plpgsql as $pghaul$
    begin
      if current_setting('pghaul.applier', true) is distinct from ${quoteLiteral(applierToken)} then
        raise exception 'pghaul: writes have moved away from this database (table %.%)', tg_table_schema, tg_table_name
          using errcode = 'read_only_sql_transaction', hint = 'Connect to the new primary.';
      end if;
      return null;
    end $pghaul$`;
}

/**
 * One simple-protocol call, one transaction: six round trips would be six times the network in the pause. SHARE ROW EXCLUSIVE waits for
 * each earlier writer (manual: "Table-Level Locks") and is all that CREATE TRIGGER needs, so readers go on.
 */
export function fenceSql(relations: readonly FencedRelation[], marker: string, lockMillis: number, impatient: boolean): string {
  const names = relations.map(({ schema, name }) => qualifiedName(schema, name));
  return [
    "begin",
    `set local lock_timeout = ${Math.max(1, Math.round(lockMillis))}`,
    // An autovacuum worker gives way only when the deadlock check runs; by default that is after a second (research: 1,001 ms against 11).
    ...(impatient ? ["set local deadlock_timeout = '10ms'"] : []),
    ...(names.length > 0 ? [`lock table only ${names.join(", only ")} in share row exclusive mode`] : []),
    ...names.flatMap(createTriggerSql),
    `insert into pghaul.marker (id) values (${quoteLiteral(marker)}) on conflict (id) do nothing`,
    sequencesSql(),
    "commit",
    "select pg_current_wal_flush_lsn() as lsn",
  ].join(";\n");
}

function createTriggerSql(table: string): string[] {
  return [
    `create trigger ${FENCE_TRIGGER} before insert or update or delete or truncate on ${table} for each statement execute function pghaul.refuse_write()`,
    `alter table only ${table} enable always trigger ${FENCE_TRIGGER}`,
  ];
}

/** DROP TRIGGER asks for ACCESS EXCLUSIVE, for a moment; readers and refused writers are all it can meet. */
export function unfenceSql(relations: readonly FencedRelation[]): string {
  const drops = relations.map(({ schema, name }) => `drop trigger if exists ${FENCE_TRIGGER} on ${qualifiedName(schema, name)}`);
  return ["begin", "set local lock_timeout = '5s'", ...drops, "commit"].join(";\n");
}

/** Which relations bear the trigger, and fire it always. */
export function fencedRelationsSql(): string {
  return `
    select n.nspname as schema, c.relname as name
    from pg_trigger t join pg_class c on c.oid = t.tgrelid join pg_namespace n on n.oid = c.relnamespace
    where t.tgname = '${FENCE_TRIGGER}' and t.tgenabled = 'A'`;
}

export function sequencesSql(): string {
  return `
    select schemaname as schema, sequencename as name, last_value::text as last_value, increment_by::text as increment
    from pg_sequences where last_value is not null and schemaname <> 'pghaul' order by 1, 2`;
}

/** Sets a sequence ahead of `value`, never behind where it stands; a cycling or bounded sequence is clamped to its limits. */
export function takeSequenceSql(): string {
  return `
    select setval(format('%I.%I', s.schemaname, s.sequencename)::regclass,
      case when s.increment_by > 0
        then least(s.max_value, greatest($3::numeric + $4::numeric * s.increment_by, coalesce(s.last_value, s.min_value)))
        else greatest(s.min_value, least($3::numeric + $4::numeric * s.increment_by, coalesce(s.last_value, s.max_value))) end::bigint, true)
    from pg_sequences s where s.schemaname = $1 and s.sequencename = $2`;
}

/** Who holds what the fence waits for. */
export function blockersSql(): string {
  return `
    select a.pid, a.usename, a.application_name, a.state, coalesce(extract(epoch from now() - a.xact_start), 0)::numeric(12,1)::text as seconds
    from pg_stat_activity a
    where a.pid <> pg_backend_pid() and a.datname = current_database() and a.backend_xid is not null
    order by a.xact_start limit 5`;
}
