import type { AvailableExtension, CompressedColumn, ExtensionFact, SchemaFacts } from "../../../conditions/schema-facts.ts";
import type { NamedStatement } from "../../../conditions/table-facts.ts";
import { quoteLiteral } from "../../../postgres/quote.ts";
import { sqlState } from "../../../postgres/wrap-error.ts";
import type { Ask } from "../catalog/ask.ts";
import { readForeignKeys, readLeaningFunctions } from "./keys-and-functions.ts";

export function schemaFacts(ask: Ask): SchemaFacts {
  return {
    extensions: () => readExtensions(ask),
    availableExtensions: () => readAvailableExtensions(ask),
    superuserExtensions: (names) => readSuperuserExtensions(ask, names),
    libraries: () => readLibraries(ask),
    hasLibrary: (library) => loads(ask, library),
    columnCompressions: () => ask<CompressedColumn>(COLUMN_COMPRESSIONS),
    compressionMethods: () => readCompressionMethods(ask),
    ordinaryChildren: () => ask<NamedStatement>(ORDINARY_CHILDREN),
    foreignKeys: (tables) => readForeignKeys(ask, tables),
    leaningFunctions: (tables) => readLeaningFunctions(ask, tables),
  };
}

async function readExtensions(ask: Ask): Promise<readonly ExtensionFact[]> {
  const rows = await ask<Omit<ExtensionFact, "relocatable"> & { relocatable: string }>(
    `select e.extname::text as name, e.extversion::text as version, n.nspname::text as schema, e.extrelocatable::text as relocatable
       from pg_catalog.pg_extension e join pg_catalog.pg_namespace n on n.oid = e.extnamespace order by 1`,
  );
  return rows.map((row) => ({ ...row, relocatable: row.relocatable === "true" }));
}

async function readAvailableExtensions(ask: Ask): Promise<ReadonlyMap<string, AvailableExtension>> {
  const rows = await ask<AvailableExtension & { name: string }>(
    `select name::text, installed_version::text as installed, default_version::text as "defaultVersion" from pg_catalog.pg_available_extensions`,
  );
  return new Map(rows.map(({ name, installed, defaultVersion }) => [name, { installed, defaultVersion }]));
}

/** Of the default versions. */
async function readSuperuserExtensions(ask: Ask, names: readonly string[]): Promise<readonly string[]> {
  const rows = await ask<{ name: string }>(
    `select e.name::text as name from pg_catalog.pg_available_extensions e
       join pg_catalog.pg_available_extension_versions v on v.name = e.name and v.version = e.default_version
      where e.name = any($1::text[]) and v.superuser and not v.trusted
        and not exists (select from pg_catalog.pg_roles r where pg_catalog.pg_has_role(current_user, r.oid, 'usage')
                          and (r.rolname in ('rds_superuser', 'cloudsqlsuperuser', 'azure_pg_admin') or (r.rolname = current_user and r.rolsuper)))
      order by 1`,
    [names],
  );
  return rows.map(({ name }) => name);
}

async function readLibraries(ask: Ask): Promise<readonly string[]> {
  const rows = await ask<{ library: string }>(
    `select distinct p.probin as library from pg_catalog.pg_proc p join pg_catalog.pg_language l on l.oid = p.prolang
      where l.lanname = 'c' and p.oid >= 16384 and p.probin is not null
        and not exists (select from pg_catalog.pg_depend d where d.classid = 'pg_catalog.pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e') order by 1`,
  );
  return rows.map(({ library }) => library);
}

/** CREATE FUNCTION loads the library (manual: "C-Language Functions"), so loading it tells. */
async function loads(ask: Ask, library: string): Promise<boolean> {
  try {
    await ask(`load ${quoteLiteral(library)}`);
    return true;
  } catch (error) {
    // undefined_file; a library of another version is an internal error or a bad file.
    if (["58P01", "XX000", "58030"].includes(sqlState(error) ?? "")) return false;
    throw error;
  }
}

/** Read through jsonb, for the column of the catalog came with 14. */
const COLUMN_COMPRESSIONS = `select pg_catalog.format('%s.%I', i.identity, a.attname) as column, case to_jsonb(a) ->> 'attcompression' when 'l' then 'lz4' else 'pglz' end as method,
            pg_catalog.format('alter table %s alter column %I set compression default', i.identity, a.attname) as statement
       from pg_catalog.pg_attribute a join pg_catalog.pg_class c on c.oid = a.attrelid and c.relkind in ('r', 'p', 'm') join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      cross join lateral pg_catalog.pg_identify_object('pg_catalog.pg_class'::regclass, c.oid, 0) as i
      where coalesce(to_jsonb(a) ->> 'attcompression', '') <> '' and not a.attisdropped and c.oid >= 16384 and n.nspname <> 'pghaul' and n.nspname not like 'pg\\_%' order by 1`;

async function readCompressionMethods(ask: Ask): Promise<ReadonlySet<string>> {
  const rows = await ask<{ method: string }>(
    "select unnest(enumvals)::text as method from pg_catalog.pg_settings where name = 'default_toast_compression'",
  );
  return new Set(rows.map(({ method }) => method));
}

const ORDINARY_CHILDREN = `select pg_catalog.format('%s.%I', child.identity, a.attname) as name, pg_catalog.format('alter table %s no inherit %s', child.identity, parent.identity) as statement
       from pg_catalog.pg_inherits h join pg_catalog.pg_attribute p on p.attrelid = h.inhparent and p.attgenerated <> '' and not p.attisdropped
       join pg_catalog.pg_attribute a on a.attrelid = h.inhrelid and a.attname = p.attname and a.attgenerated = ''
      cross join lateral pg_catalog.pg_identify_object('pg_catalog.pg_class'::regclass, h.inhrelid, 0) as child
      cross join lateral pg_catalog.pg_identify_object('pg_catalog.pg_class'::regclass, h.inhparent, 0) as parent order by 1`;
