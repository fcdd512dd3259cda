/**
 * The settings under which an application's own sessions compute values. A generated column, an index's expression or a materialized view may
 * read them (a function that is called IMMUTABLE and formats a timestamp by TimeZone), and whoever writes the row computes. So what writes
 * and builds at one side does it as the sessions at the other did, or values would differ and indexes would not find their rows.
 *
 * They change what values are computed, and not how COPY's text is read: dates, intervals and time zones in it are the same under all of them.
 */
import type pg from "pg";
import { sqlState } from "../../postgres/wrap-error.ts";
import type { PostgresServer } from "./server.ts";

export interface ApplicationSettings {
  readonly settings: Readonly<Record<string, string>>;
  /** For what runs functions of the application's by their bare names. */
  readonly searchPath: string;
  /** Those that the other side does not take, as `name = value`; of an application's own the name alone, for the value may be a secret. */
  readonly refused: readonly string[];
}

/** What output functions, and functions that make text, depend on. Settings of the application's own (`app.tenant`) are found by their dot. */
const NAMES = [
  "TimeZone",
  "timezone_abbreviations",
  "DateStyle",
  "IntervalStyle",
  "extra_float_digits",
  "bytea_output",
  "xmlbinary",
  "lc_numeric",
  "lc_time",
  "default_text_search_config",
];

/** As sessions have them at `from` by its server and its database; what a role has of its own nobody can know. Tried at `to`. */
export async function applicationSettings(from: PostgresServer, to: PostgresServer): Promise<ApplicationSettings> {
  const found = await from.session("settings", selectApplicationSettings);
  const searchPath = found.get("search_path") ?? "";
  const refused: string[] = [];
  const settings: Record<string, string> = {};
  await to.session("settings", async (client) => {
    for (const [name, value] of found) {
      if (name === "search_path") continue;
      if (await takes(client, name, value)) settings[name] = value;
      else refused.push(name.includes(".") ? name : `${name} = ${value}`);
    }
  });
  return { settings, searchPath, refused };
}

/** A locale that the machine does not have, a parameter of a library that is not loaded or only a superuser may set. */
async function takes(client: pg.Client, name: string, value: string): Promise<boolean> {
  try {
    await client.query("select pg_catalog.set_config($1, $2, false)", [name, value]);
    return true;
  } catch (error) {
    if (sqlState(error) === undefined) throw error;
    return false;
  }
}

async function selectApplicationSettings(client: pg.Client): Promise<ReadonlyMap<string, string>> {
  const { rows } = await client.query<{ name: string; value: string }>(
    `with own as (
       select substr(c.text, 1, strpos(c.text, '=') - 1) as name, substr(c.text, strpos(c.text, '=') + 1) as value
         from pg_catalog.pg_db_role_setting s join pg_catalog.pg_database d on d.oid = s.setdatabase and d.datname = current_database()
        cross join lateral unnest(s.setconfig) as c(text) where s.setrole = 0)
     select s.name::text, coalesce(own.value, s.reset_val)::text as value
       from pg_catalog.pg_settings s left join own on own.name = s.name where s.name = any ($1::text[]) or s.name = 'search_path'
     union all select name, value from own where name like '%.%' and name not like 'pghaul.%'`,
    [NAMES],
  );
  return new Map(rows.map(({ name, value }) => [name, value]));
}
