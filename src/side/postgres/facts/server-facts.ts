import type { ConnectionLimit, Locale, Origins, OwnSetting, ServerFacts } from "../../../conditions/server-facts.ts";
import { quoteIdent } from "../../../postgres/quote.ts";
import type { Ask } from "../catalog/ask.ts";
import { readInsertLsn } from "../wal.ts";
import { readServer } from "./server.ts";
import { readSlotFact, readStreamability } from "./slot.ts";
import { readConnectionsLeft, readReadOnlyDefaults } from "./writability.ts";

export function serverFacts(ask: Ask): ServerFacts {
  return {
    server: () => readServer(ask),
    encryption: () => readEncryption(ask),
    settings: (names) => readSettings(ask, names),
    databaseSettings: () => readDatabaseSettings(ask),
    locale: () => readLocale(ask),
    slot: (slot) => readSlotFact(ask, slot),
    streamability: (slot) => readStreamability(ask, slot),
    otherOrigins: (prefix) => readOtherOrigins(ask, prefix),
    readOnlyDefaults: () => readReadOnlyDefaults(ask),
    connectionsLeft: () => readConnectionsLeft(ask),
    connectionLimits: () => readConnectionLimits(ask),
    clock: () => readClock(ask),
    writtenUpTo: () => readInsertLsn(ask),
  };
}

async function readEncryption(ask: Ask): Promise<string | null> {
  const [row] = await ask<{ tls: string | null }>(
    "select case when ssl then version || ', ' || cipher end as tls from pg_catalog.pg_stat_ssl where pid = pg_catalog.pg_backend_pid()",
  );
  return row?.tls ?? null;
}

/** The session's own settings are ours; what counts is what an application's session starts with. */
async function readSettings(ask: Ask, names: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const rows = await ask<{ name: string; value: string }>(
    "select name::text, coalesce(reset_val, setting)::text as value from pg_catalog.pg_settings where name = any($1::text[])",
    [names],
  );
  return new Map(rows.map(({ name, value }) => [name, value]));
}

/** pg_dump of one database does not carry them. */
function readDatabaseSettings(ask: Ask): Promise<readonly OwnSetting[]> {
  return ask<OwnSetting>(`
    select t.role || c.value as setting, t.role || case when n.name like '%.%' then n.name else c.value end as shown
      from pg_catalog.pg_db_role_setting s join pg_catalog.pg_database d on d.oid = s.setdatabase and d.datname = current_database()
     cross join lateral unnest(s.setconfig) as c(value) cross join lateral split_part(c.value, '=', 1) as n(name)
     cross join lateral (select case when s.setrole = 0 then '' else format('role %s: ', s.setrole::regrole) end) as t(role) order by 1`);
}

/** Columns of pg_database that came with 15 are read through jsonb; the actual version needs a function of 15. */
async function readLocale(ask: Ask): Promise<Locale> {
  const { version } = await readServer(ask);
  const actual = version >= 150_000 ? "pg_catalog.pg_database_collation_actual_version(d.oid)" : "null::text";
  const [row] = await ask<Locale>(
    `select pg_catalog.pg_encoding_to_char(d.encoding)::text as encoding, d.datcollate::text as collate, d.datctype::text as ctype,
            coalesce(to_jsonb(d) ->> 'datlocprovider', 'c') as provider, coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale') as locale,
            to_jsonb(d) ->> 'datcollversion' as "recordedVersion", ${actual} as "actualVersion"
       from pg_catalog.pg_database d where d.datname = current_database()`,
  );
  if (row === undefined) throw new Error("the server did not answer");
  return row;
}

/** What `replication-origin.ts` puts behind the migration's prefix. */
const OF_THIS_DATABASE = "(select oid::text || '/' from pg_catalog.pg_database where datname = current_database())";

/** Who may see which occupy a state of the server counts those; others count what exists. */
async function readOtherOrigins(ask: Ask, prefix: string): Promise<Origins> {
  const [all] = await ask<{ exists: string; visible: string }>(
    `select (select count(*) from pg_catalog.pg_replication_origin where not starts_with(roname, $1::text || ${OF_THIS_DATABASE}))::text as exists,
            has_function_privilege('pg_catalog.pg_show_replication_origin_status()', 'execute')::text as visible`,
    [prefix],
  );
  if (all?.visible !== "true") return { count: Number(all?.exists ?? 0), inUse: false };
  const [active] = await ask<{ n: string }>(
    `select count(*)::text as n from pg_catalog.pg_show_replication_origin_status()
      where not coalesce(starts_with(external_id, $1::text || ${OF_THIS_DATABASE}), false)`,
    [prefix],
  );
  return { count: Number(active?.n ?? 0), inUse: true };
}

type LimitRow = Readonly<Record<"role" | "database" | "role_limit" | "database_limit" | "role_used" | "database_used", string>>;

/** Manual: "CREATE ROLE", CONNECTION LIMIT: -1 is none, and a superuser has none. Counted is what others than pghaul use of them. */
async function readConnectionLimits(ask: Ask): Promise<readonly ConnectionLimit[]> {
  const rows = await ask<LimitRow>(
    `select r.rolname::text as role, d.datname::text as database, (case when r.rolsuper then -1 else r.rolconnlimit end)::text as role_limit,
            (case when r.rolsuper then -1 else d.datconnlimit end)::text as database_limit,
            (select count(*) from pg_catalog.pg_stat_activity a where a.usesysid = r.oid and a.application_name not like 'pghaul%')::text as role_used,
            (select count(*) from pg_catalog.pg_stat_activity a where a.datid = d.oid and a.application_name not like 'pghaul%')::text as database_used
       from pg_catalog.pg_roles r, pg_catalog.pg_database d where r.rolname = current_user and d.datname = current_database()`,
  );
  return rows
    .flatMap((row) =>
      (["role", "database"] as const).map((kind) => ({
        what: `${kind} ${row[kind]}`,
        quoted: `${kind} ${quoteIdent(row[kind])}`,
        limit: Number(row[`${kind}_limit`]),
        used: Number(row[`${kind}_used`]),
      })),
    )
    .filter(({ limit }) => limit >= 0);
}

async function readClock(ask: Ask): Promise<number> {
  const [row] = await ask<{ millis: string }>("select (extract(epoch from clock_timestamp()) * 1000)::bigint::text as millis");
  return Number(row?.millis ?? 0);
}
