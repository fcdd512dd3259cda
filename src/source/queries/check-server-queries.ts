import type { Queryable } from "../../postgres/queryable.ts";

/** What checks ask of a server and of our own role there. Every value is text. */

/** Settings as the server has them, whatever our session set for itself; a name that this version does not know is missing. */
export async function selectSettings(db: Queryable, names: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const { rows } = await db.query<{ name: string; value: string }>(
    "select name::text, coalesce(reset_val, setting)::text as value from pg_catalog.pg_settings where name = any($1::text[])",
    [names],
  );
  return new Map(rows.map(({ name, value }) => [name, value]));
}

export interface ServerRow {
  readonly version: string;
  readonly in_recovery: string;
  readonly encoding: string;
}

export async function selectServer(db: Queryable): Promise<ServerRow> {
  const { rows } = await db.query<ServerRow>(
    `select current_setting('server_version') as version, pg_catalog.pg_is_in_recovery()::text as in_recovery, current_setting('server_encoding') as encoding`,
  );
  return rows[0] as ServerRow;
}

/** How this very session is encrypted; null when it is not. */
export async function selectOwnTls(db: Queryable): Promise<string | null> {
  const { rows } = await db.query<{ tls: string | null }>(
    "select case when ssl then version || ', ' || cipher end as tls from pg_catalog.pg_stat_ssl where pid = pg_catalog.pg_backend_pid()",
  );
  return rows[0]?.tls ?? null;
}

/** What `replication-origin.ts` puts behind the migration's prefix. */
const OF_THIS_DATABASE = "(select oid::text || '/' from pg_catalog.pg_database where datname = current_database())";

/** Replication origins that are not ours. Who may see which occupy a state of the server counts those; others count what exists. */
export async function selectOrigins(db: Queryable, prefix: string): Promise<{ readonly others: number; readonly exact: boolean }> {
  const { rows } = await db.query<{ exists: string; visible: string }>(
    `select (select count(*) from pg_catalog.pg_replication_origin where not starts_with(roname, $1::text || ${OF_THIS_DATABASE}))::text as exists,
            has_function_privilege('pg_catalog.pg_show_replication_origin_status()', 'execute')::text as visible`,
    [prefix],
  );
  if (rows[0]?.visible !== "true") return { others: Number(rows[0]?.exists ?? 0), exact: false };
  const active = await db.query<{ n: string }>(
    `select count(*)::text as n from pg_catalog.pg_show_replication_origin_status()
      where not coalesce(starts_with(external_id, $1::text || ${OF_THIS_DATABASE}), false)`,
    [prefix],
  );
  return { others: Number(active.rows[0]?.n ?? 0), exact: true };
}

/** The GRANTs that reading these relations still needs: their schemas, themselves and their sequences. */
export async function selectMissingGrants(db: Queryable, schemas: readonly string[], names: readonly string[]): Promise<readonly string[]> {
  const { rows } = await db.query<{ grant: string }>(
    `
    with relation as (
      select c.oid, n.oid as schema, n.nspname, c.relname from unnest($1::text[], $2::text[]) as w(schema, name)
        join pg_catalog.pg_namespace n on n.nspname = w.schema join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = w.name)
    select distinct 1 as place, format('grant usage on schema %I to %I', nspname, current_user) as grant
      from relation where not has_schema_privilege(schema, 'usage')
    union all
    select 2, format('grant select on %I.%I to %I', nspname, relname, current_user) from relation where not has_table_privilege(oid, 'select')
    union all
    select distinct 3, format('grant select on sequence %s to %I', s.oid::regclass, current_user)
      from relation r join pg_catalog.pg_depend d on d.refobjid = r.oid and d.refclassid = 'pg_class'::regclass and d.classid = 'pg_class'::regclass
      join pg_catalog.pg_class s on s.oid = d.objid
     -- CASE, for has_sequence_privilege fails on what is no sequence, and conditions are tried in any order.
     where case when s.relkind = 'S' then not has_sequence_privilege(s.oid, 'select') end
     order by 1, 2`,
    [schemas, names],
  );
  return rows.map(({ grant }) => grant);
}

/** The GRANTs that writing to these relations still needs. */
export async function selectMissingWriteGrants(db: Queryable, oids: readonly number[]): Promise<readonly string[]> {
  const { rows } = await db.query<{ grant: string }>(
    `
    select distinct 1 as place, format('grant usage on schema %I to %I', n.nspname, current_user) as grant
      from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
     where c.oid = any($1::oid[]) and not has_schema_privilege(n.oid, 'usage')
    union all
    select 2, format('grant %s on %I.%I to %I', string_agg(p.privilege, ', ' order by p.place), n.nspname, c.relname, current_user)
      from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      cross join unnest(array['select', 'insert', 'update', 'delete', 'truncate']) with ordinality as p(privilege, place)
     where c.oid = any($1::oid[]) and not has_table_privilege(c.oid, p.privilege) group by n.nspname, c.relname
     order by 1, 2`,
    [oids],
  );
  return rows.map(({ grant }) => grant);
}

const ORIGIN_FUNCTIONS = [
  "pg_replication_origin_create(text)",
  "pg_replication_origin_oid(text)",
  "pg_replication_origin_session_setup(text)",
  "pg_replication_origin_session_reset()",
  "pg_replication_origin_xact_setup(pg_lsn, timestamp with time zone)",
];

/** Functions about replication origins that our role may not call, so that nobody can tell our writes from others'. */
export async function selectForbiddenOriginFunctions(db: Queryable): Promise<readonly string[]> {
  const { rows } = await db.query<{ name: string }>(
    // 16 and later take a second argument in session_setup; its name stays, so the function is looked up by name.
    `select distinct format('%s(%s)', p.proname, pg_get_function_identity_arguments(p.oid)) as name
       from unnest($1::text[]) as w(signature) join pg_catalog.pg_proc p on p.proname = split_part(w.signature, '(', 1) and p.pronamespace = 'pg_catalog'::regnamespace
      where not has_function_privilege(p.oid, 'execute') order by 1`,
    [ORIGIN_FUNCTIONS],
  );
  return rows.map(({ name }) => name);
}

/** Tries it in a transaction that is rolled back: until 15 only superusers may, later whoever was granted SET on the parameter. */
export async function trySetReplicaRole(db: Queryable): Promise<void> {
  await db.query("begin");
  try {
    await db.query("set local session_replication_role = replica");
  } finally {
    await db.query("rollback");
  }
}

/** Milliseconds since the epoch by the server's clock. */
export async function selectClock(db: Queryable): Promise<number> {
  const { rows } = await db.query<{ millis: string }>("select (extract(epoch from clock_timestamp()) * 1000)::bigint::text as millis");
  return Number(rows[0]?.millis ?? 0);
}

/** Of these roles, those that exist and that our role may not give objects to. */
export async function selectNotOurs(db: Queryable, names: readonly string[], version: number): Promise<readonly string[]> {
  const { rows } = await db.query<{ name: string }>(
    `select rolname::text as name from pg_catalog.pg_roles where rolname = any($1::text[]) and not pg_catalog.pg_has_role(oid, $2) order by 1`,
    [names, version >= 160_000 ? "set" : "member"],
  );
  return rows.map(({ name }) => name);
}

export interface ConnectionLimitRow {
  readonly role: string;
  readonly database: string;
  /** -1: none. A superuser has none. */
  readonly role_limit: string;
  readonly database_limit: string;
  readonly role_used: string;
  readonly database_used: string;
}

/** Limits of our own role and database (manual: "CREATE ROLE", CONNECTION LIMIT), and what others than pghaul use of them. */
export async function selectConnectionLimits(db: Queryable): Promise<ConnectionLimitRow> {
  const { rows } = await db.query<ConnectionLimitRow>(
    `select r.rolname::text as role, d.datname::text as database, (case when r.rolsuper then -1 else r.rolconnlimit end)::text as role_limit,
            (case when r.rolsuper then -1 else d.datconnlimit end)::text as database_limit,
            (select count(*) from pg_catalog.pg_stat_activity a where a.usesysid = r.oid and a.application_name not like 'pghaul%')::text as role_used,
            (select count(*) from pg_catalog.pg_stat_activity a where a.datid = d.oid and a.application_name not like 'pghaul%')::text as database_used
       from pg_catalog.pg_roles r, pg_catalog.pg_database d where r.rolname = current_user and d.datname = current_database()`,
  );
  return rows[0] as ConnectionLimitRow;
}
