/**
 * Options of foreign-data wrappers, servers, tables, columns and user mappings that may hold a secret. Each wrapper has names of its own for them,
 * so it is the words in a name that count; of a user mapping, which exists to hold credentials, only who logs in is known to be none.
 */
import type { LeftSecret } from "../../../conditions/activity-facts.ts";
import { redact } from "../../../observe/redact.ts";
import { quoteIdent } from "../../../postgres/quote.ts";
import { type Ask, inOneSnapshot } from "../catalog/ask.ts";

export type ForeignKind = "foreign data wrapper" | "server" | "foreign table" | "user mapping";

const SECRET_WORDS = "passw|passphrase|pwd|secret|token|credential|(private|api|access|account|encryption|ssl)_?key";
const SECRET_NAME = new RegExp(SECRET_WORDS, "i");
const HARMLESS_OF_MAPPINGS: ReadonlySet<string> = new Set(["user", "username", "user_name", "password_required"]);

/** `value` as the catalog has it: a connection string with a password in it counts too. */
export function isSecretOption(kind: ForeignKind, name: string, value: string): boolean {
  if (kind === "user mapping") return !HARMLESS_OF_MAPPINGS.has(name.toLowerCase());
  return SECRET_NAME.test(name) || redact(value) !== value;
}

/** SQL: the options in `column` as they may be compared, in the order of their names; of those that hold a secret the name alone. Null: none. */
export function comparableOptions(column: string): string {
  return `(select string_agg(case when pg_catalog.split_part(o, '=', 1) ~* '${SECRET_WORDS}' then pg_catalog.split_part(o, '=', 1) else o end, ', ' order by o) from unnest(${column}) as o)`;
}

interface OptionsRow {
  readonly kind: ForeignKind;
  readonly title: string;
  /** What the options are added to: `alter server s`; of a mapping, what makes it. */
  readonly statement: string;
  /** JSON of `name=value`; null where this role may not read them, which only happens to mappings. */
  readonly options: string | null;
}

/** Every foreign object of this database with an option that never leaves it. The session must not be in a transaction. */
export async function readLeftSecrets(ask: Ask): Promise<readonly LeftSecret[]> {
  const rows = await inOneSnapshot(ask, () => ask<OptionsRow>(WITH_OPTIONS));
  return rows.flatMap(({ kind, title, statement, options }) => {
    if (options === null) return [{ title: `${title}: its options are hidden from our role`, statement }];
    const all = (JSON.parse(options) as string[]).map(parted);
    const secret = all.filter(({ name, value }) => isSecretOption(kind, name, value));
    if (secret.length === 0) return [];
    const lost = kind === "user mapping" ? all : secret;
    const verb = kind === "user mapping" ? "" : "add ";
    const list = lost.map(({ name }) => `${verb}${quoteIdent(name)} '...'`).join(", ");
    return [{ title: `${title}: ${lost.map(({ name }) => name).join(", ")}`, statement: `${statement} options (${list})` }];
  });
}

function parted(option: string): { readonly name: string; readonly value: string } {
  const at = option.indexOf("=");
  return { name: option.slice(0, at), value: option.slice(at + 1) };
}

/** Whether this role may read a mapping's options; the condition of the view pg_user_mappings itself (src/backend/catalog/system_views.sql). */
export const MAPPING_IS_READABLE = `(
  m.umoptions is not null or (select rolsuper from pg_catalog.pg_roles where rolname = current_user)
    or (m.umuser <> 0 and m.usename = current_user and pg_catalog.has_server_privilege(m.srvid, 'usage'))
    or (m.umuser = 0 and (select pg_catalog.pg_has_role(s.srvowner, 'usage') from pg_catalog.pg_foreign_server s where s.oid = m.srvid)))`;

export const MAPPED_ROLE = "case when m.umuser = 0 then 'public' else pg_catalog.quote_ident(m.usename) end";

const notOfExtension = (catalog: string, oid: string): string =>
  `not exists (select from pg_catalog.pg_depend d where d.classid = 'pg_catalog.${catalog}'::regclass and d.objid = ${oid} and d.deptype = 'e')`;

/** A mapping without options that this role would see is whole without any. */
const WITH_OPTIONS = `
  select 'foreign data wrapper' as kind, pg_catalog.format('foreign-data wrapper %I', w.fdwname) as title, pg_catalog.format('alter foreign data wrapper %I', w.fdwname) as statement,
         pg_catalog.to_json(w.fdwoptions)::text as options from pg_catalog.pg_foreign_data_wrapper w where w.fdwoptions is not null and ${notOfExtension("pg_foreign_data_wrapper", "w.oid")}
  union all
  select 'server', pg_catalog.format('server %I', s.srvname), pg_catalog.format('alter server %I', s.srvname), pg_catalog.to_json(s.srvoptions)::text
    from pg_catalog.pg_foreign_server s where s.srvoptions is not null and ${notOfExtension("pg_foreign_server", "s.oid")}
  union all
  select 'foreign table', 'foreign table ' || t.ftrelid::regclass, 'alter foreign table ' || t.ftrelid::regclass, pg_catalog.to_json(t.ftoptions)::text
    from pg_catalog.pg_foreign_table t where t.ftoptions is not null and ${notOfExtension("pg_class", "t.ftrelid")}
  union all
  select 'foreign table', pg_catalog.format('column %s.%I', a.attrelid::regclass, a.attname), pg_catalog.format('alter foreign table %s alter column %I', a.attrelid::regclass, a.attname), pg_catalog.to_json(a.attfdwoptions)::text
    from pg_catalog.pg_attribute a where a.attfdwoptions is not null and a.attnum > 0 and not a.attisdropped and ${notOfExtension("pg_class", "a.attrelid")}
  union all
  select 'user mapping', pg_catalog.format('user mapping for %s on server %I', ${MAPPED_ROLE}, m.srvname),
         pg_catalog.format('create user mapping for %s server %I', ${MAPPED_ROLE}, m.srvname), pg_catalog.to_json(m.umoptions)::text
    from pg_catalog.pg_user_mappings m where m.umoptions is not null or not ${MAPPING_IS_READABLE}
   order by 2`;
