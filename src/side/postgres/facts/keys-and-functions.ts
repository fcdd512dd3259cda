import type { ForeignKeyFact, LeaningFunction } from "../../../conditions/schema-facts.ts";
import type { Table } from "../../../model/table.ts";
import type { Ask } from "../catalog/ask.ts";
import { findsRow } from "./finds-row.ts";
import { GIVEN, namesOfAll } from "./names-of.ts";

interface ForeignKeyRow {
  readonly name: string;
  readonly parent: string;
  readonly selected: string;
  /** Statement that finds a row that refers to any. */
  readonly references: string;
  /** Statement that finds a row without a parent. */
  readonly orphans: string;
  readonly unvalidated: string | null;
  readonly drop: string;
}

/** An anti-join reads two tables whole, so whoever asks says for how long. */
export async function readForeignKeys(ask: Ask, tables: readonly Table[]): Promise<readonly ForeignKeyFact[]> {
  const rows = await inQualifiedNames(ask, () => ask<ForeignKeyRow>(FOREIGN_KEYS, namesOfAll(tables)));
  return rows.map(({ name, parent, selected, references, orphans, unvalidated, drop }) => ({
    ...{ name, parent, inside: selected === "true", unvalidated, drop },
    isUsed: (millis) => findsRow(ask, references, millis),
    hasOrphans: (millis) => findsRow(ask, orphans, millis),
  }));
}

/** In a transaction in which names come qualified and nothing can be written. */
async function inQualifiedNames<T>(ask: Ask, work: () => Promise<T>): Promise<T> {
  await ask("begin read only; set local search_path = pg_catalog");
  try {
    return await work();
  } finally {
    await ask("rollback");
  }
}

const FOREIGN_KEYS = `
    with keys as (
      select k.*, r.relkind, format('%I.%I', n.nspname, r.relname) as child, format('%I.%I', pn.nspname, p.relname) as parent,
             case when r.relkind = 'p' then '' else 'only ' end as child_reach, case when p.relkind = 'p' then '' else 'only ' end as parent_reach
        from pg_catalog.pg_constraint k
        join pg_catalog.pg_class r on r.oid = k.conrelid join pg_catalog.pg_namespace n on n.oid = r.relnamespace
        join pg_catalog.pg_class p on p.oid = k.confrelid join pg_catalog.pg_namespace pn on pn.oid = p.relnamespace
       where k.contype = 'f' and k.convalidated and k.conparentid = 0 and k.conrelid = any(${GIVEN})
         and to_jsonb(k) ->> 'conperiod' is distinct from 'true')
    select format('%I on %s', k.conname, k.child) as name, k.parent, (k.confrelid = any(${GIVEN}))::text as selected,
           format('select from %s%s as c where %s and not exists (select from %s%s as p where %s) limit 1',
                  k.child_reach, k.child, parts.given, k.parent_reach, k.parent, parts.equal) as orphans,
           format('select from %s%s as c where %s limit 1', k.child_reach, k.child, parts.given) as "references",
           case when k.relkind = 'r' then format('alter table %s drop constraint %I, add constraint %I %s not valid', k.child, k.conname, k.conname,
                  pg_catalog.pg_get_constraintdef(k.oid)) end as unvalidated,
           format('alter table %s drop constraint %I', k.child, k.conname) as drop
      from keys k
     cross join lateral (
       select string_agg(format('c.%I is not null', ca.attname), ' and ') as given,
              string_agg(format('p.%I operator(%I.%s) c.%I', pa.attname, o_n.nspname, o.oprname, ca.attname), ' and ') as equal
         from unnest(k.conkey, k.confkey, k.conpfeqop) as u(own, other, op)
         join pg_catalog.pg_attribute ca on ca.attrelid = k.conrelid and ca.attnum = u.own
         join pg_catalog.pg_attribute pa on pa.attrelid = k.confrelid and pa.attnum = u.other
         join pg_catalog.pg_operator o on o.oid = u.op join pg_catalog.pg_namespace o_n on o_n.oid = o.oprnamespace) as parts
     order by 1`;

/** A word that no dot precedes or follows, and whether an argument list does. */
const WORD = String.raw`(?:^|[^.\w$"])"?([a-z_][\w$]*)"?(?![\w$"]|\s*\.)(\s*\()?`;
/** What is read, with its schema or without. */
const READ = String.raw`\m(?:from|join)\s+(?:only\s+)?(?:"?[\w$]+"?\s*\.\s*)?"?([\w$]+)"?`;

/**
 * Functions that are called while the schema is made or rows come: by indexes, CHECKs and generated columns of these relations, by
 * CHECKs of domains and by materialized views; of those that extensions brought none. Bodies are text to PostgreSQL, and so are they here: a name may
 * turn out to be a variable.
 */
export async function readLeaningFunctions(ask: Ask, tables: readonly Table[]): Promise<readonly LeaningFunction[]> {
  const rows = await inQualifiedNames(ask, () =>
    ask<Record<keyof LeaningFunction, string>>(LEANING_FUNCTIONS, [...namesOfAll(tables), WORD, READ]),
  );
  const list = (json: string) => JSON.parse(json) as readonly string[];
  return rows.map((row) => ({
    ...row,
    checks: row.checks === "true",
    names: list(row.names),
    schemas: list(row.schemas),
    reads: list(row.reads),
  }));
}

const LEANING_FUNCTIONS = `
    with users as (
      select d.refobjid as function, format('index %s', c.oid::regclass) as "user", false as checks, '' as drop
        from pg_catalog.pg_depend d join pg_catalog.pg_class c on d.classid = 'pg_class'::regclass and c.oid = d.objid
        join pg_catalog.pg_index i on i.indexrelid = c.oid where d.refclassid = 'pg_proc'::regclass and i.indrelid = any(${GIVEN})
      union select d.refobjid, format('check %I on %s', k.conname, case when k.conrelid = 0 then k.contypid::regtype::text else k.conrelid::regclass::text end), true,
             case when k.conrelid = 0 then format('alter domain %s drop constraint %I', k.contypid::regtype, k.conname) else format('alter table %s drop constraint %I', k.conrelid::regclass, k.conname) end
        from pg_catalog.pg_depend d join pg_catalog.pg_constraint k on d.classid = 'pg_constraint'::regclass and k.oid = d.objid
       where d.refclassid = 'pg_proc'::regclass and k.contype = 'c' and k.coninhcount = 0 and (k.conrelid = any(${GIVEN}) or k.conrelid = 0)
      union select d.refobjid, format('generated column %I of %s', a.attname, a.attrelid::regclass), false, ''
        from pg_catalog.pg_depend d join pg_catalog.pg_attrdef f on d.classid = 'pg_attrdef'::regclass and f.oid = d.objid
        join pg_catalog.pg_attribute a on a.attrelid = f.adrelid and a.attnum = f.adnum and a.attgenerated <> ''
       where d.refclassid = 'pg_proc'::regclass and a.attrelid = any(${GIVEN})
      union select d.refobjid, format('materialized view %s', v.oid::regclass), false, ''
        from pg_catalog.pg_depend d join pg_catalog.pg_rewrite w on d.classid = 'pg_rewrite'::regclass and w.oid = d.objid
        join pg_catalog.pg_class v on v.oid = w.ev_class and v.relkind = 'm' where d.refclassid = 'pg_proc'::regclass),
    functions as (
      select p.oid, p.prosrc, p.pronamespace, to_jsonb(p) ->> 'prosqlbody' is not null as parsed,
             exists (select from unnest(p.proconfig) as s where s like 'search\\_path=%') as has_path
        from pg_catalog.pg_proc p join pg_catalog.pg_language l on l.oid = p.prolang and l.lanname in ('sql', 'plpgsql')
       where p.oid in (select function from users)
         and not exists (select from pg_catalog.pg_depend e where e.classid = 'pg_proc'::regclass and e.objid = p.oid and e.deptype = 'e')),
    named as (
      select c.relname::text as name, c.relnamespace as schema, 'relation' as kind from pg_catalog.pg_class c where c.relkind in ('r', 'v', 'm', 'p', 'f', 'S')
      union select proname, pronamespace, 'function' from pg_catalog.pg_proc
      union select typname, typnamespace, 'type' from pg_catalog.pg_type where typtype in ('e', 'd', 'b', 'r') and typelem = 0),
    ours as (
      select m.name, m.kind, s.nspname::text as schema from named m join pg_catalog.pg_namespace s on s.oid = m.schema
       where s.nspname <> 'information_schema' and s.nspname !~ '^pg_'
         and not exists (select from named b where b.name = m.name and b.kind = m.kind and b.schema = 'pg_catalog'::regnamespace))
    select u."user", u.checks::text as checks, u.drop, f.oid::regprocedure::text as function,
           coalesce((select json_agg(distinct o.name) from pg_catalog.regexp_matches(f.prosrc, $3, 'gi') as w(m) join ours o
              on lower(o.name) = lower(w.m[1]) and (o.kind = 'function') = (w.m[2] is not null) where not f.parsed and not f.has_path), '[]')::text as names,
           coalesce((select json_agg(distinct quote_ident(o.schema)) from pg_catalog.regexp_matches(f.prosrc, $3, 'gi') as w(m) join ours o
              on lower(o.name) = lower(w.m[1]) and (o.kind = 'function') = (w.m[2] is not null) where not f.parsed and not f.has_path), '[]')::text as schemas,
           coalesce((select json_agg(distinct r.name) from (
              select o.name from pg_catalog.regexp_matches(f.prosrc, $4, 'gi') as w(m) join ours o on o.kind = 'relation' and lower(o.name) = lower(w.m[1])
              union select c.relname::text from pg_catalog.pg_depend d join pg_catalog.pg_class c on c.oid = d.refobjid and c.relkind in ('r', 'v', 'm', 'p', 'f')
               where d.classid = 'pg_proc'::regclass and d.objid = f.oid and d.refclassid = 'pg_class'::regclass) as r), '[]')::text as reads
      from functions f join users u on u.function = f.oid order by 1, 3`;
