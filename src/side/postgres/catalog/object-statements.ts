/** How objects that one database has are made at another, or made alike, as far as the catalog can say it. */
import { MAPPED_ROLE } from "../foreign/secret-options.ts";
import { type Ask, inOneSnapshot } from "./ask.ts";
import { firingSql } from "./object-definitions.ts";
import { type CatalogObject, objectKey } from "./object-queries.ts";
import { readPublications } from "./replication-objects.ts";
import { readSubscriptions } from "./subscriptions.ts";

/** SQL expressions over `o.oid`, by kind. They print names in full, for the path is empty. */
const STATEMENTS: Readonly<Record<string, string>> = {
  schema: "(select format('create schema %I', nspname) from pg_catalog.pg_namespace n where n.oid = o.oid)",
  view: `(select format('create or replace view %s%s as %s', o.oid::regclass, ' with (' || array_to_string(v.reloptions, ', ') || ')', rtrim(pg_get_viewdef(o.oid), ';'))
       from pg_catalog.pg_class v where v.oid = o.oid)`,
  "materialized view": "format('create materialized view %s as %s', o.oid::regclass, rtrim(pg_get_viewdef(o.oid), ';'))",
  index: "pg_get_indexdef(o.oid)",
  function: "pg_get_functiondef(o.oid)",
  procedure: "pg_get_functiondef(o.oid)",
  trigger: `(select concat_ws('; ', pg_get_triggerdef(o.oid), format('alter table %s ', g.tgrelid::regclass) || ${firingSql("g.tgenabled")} || format(' trigger %I', g.tgname))
       from pg_catalog.pg_trigger g where g.oid = o.oid)`,
  rule: `(select concat_ws('; ', rtrim(pg_get_ruledef(o.oid), ';'), format('alter table %s ', r.ev_class::regclass) || ${firingSql("r.ev_enabled")} || format(' rule %I', r.rulename))
       from pg_catalog.pg_rewrite r where r.oid = o.oid)`,
  "row security": `(select format('alter table %s %s row level security, %s row level security', o.oid::regclass, case when c.relrowsecurity then 'enable' else 'disable' end,
           case when c.relforcerowsecurity then 'force' else 'no force' end) from pg_catalog.pg_class c where c.oid = o.oid)`,
  policy: `(select format('create policy %I on %s as %s for %s to %s%s%s', p.polname, p.polrelid::regclass, case when p.polpermissive then 'permissive' else 'restrictive' end,
           case p.polcmd when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update' when 'd' then 'delete' else 'all' end,
           (select string_agg(case when m.role = 0 then 'public' else quote_ident(pg_get_userbyid(m.role)) end, ', ') from unnest(p.polroles) as m(role)),
           ' using (' || pg_get_expr(p.polqual, p.polrelid) || ')', ' with check (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')') from pg_catalog.pg_policy p where p.oid = o.oid)`,
  "statistics object": "pg_get_statisticsobjdef(o.oid)",
  extension: "(select format('create extension %I', extname) from pg_catalog.pg_extension e where e.oid = o.oid)",
  "table constraint":
    "(select format('alter table %s add constraint %I %s', conrelid::regclass, conname, pg_get_constraintdef(c.oid)) from pg_catalog.pg_constraint c where c.oid = o.oid)",
  "domain constraint":
    "(select format('alter domain %s add constraint %I %s', contypid::regtype, conname, pg_get_constraintdef(c.oid)) from pg_catalog.pg_constraint c where c.oid = o.oid)",
  "default value": `(select format('alter table %s alter column %I set default %s', d.adrelid::regclass, a.attname, pg_get_expr(d.adbin, d.adrelid))
       from pg_catalog.pg_attrdef d join pg_catalog.pg_attribute a on a.attrelid = d.adrelid and a.attnum = d.adnum where d.oid = o.oid)`,
  "enum label": `(select format('alter type %s add value %L %s', e.enumtypid::regtype, e.enumlabel,
           coalesce((select format('before %L', n.enumlabel) from pg_catalog.pg_enum n where n.enumtypid = e.enumtypid and n.enumsortorder > e.enumsortorder order by n.enumsortorder limit 1), ''))
       from pg_catalog.pg_enum e where e.oid = o.oid)`,
  sequence: `(select format('create sequence %s as %s increment %s minvalue %s maxvalue %s start %s cache %s%s', s.seqrelid::regclass, s.seqtypid::regtype, s.seqincrement,
           s.seqmin, s.seqmax, s.seqstart, s.seqcache, case when s.seqcycle then ' cycle' else '' end) from pg_catalog.pg_sequence s where s.seqrelid = o.oid)`,
  type: `(select case t.typtype when 'e' then format('create type %s as enum (%s)', t.oid::regtype, (select string_agg(quote_literal(e.enumlabel), ', ' order by e.enumsortorder) from pg_catalog.pg_enum e where e.enumtypid = t.oid))
           when 'd' then format('create domain %s as %s%s%s', t.oid::regtype, format_type(t.typbasetype, t.typtypmod), ' default ' || t.typdefault, case when t.typnotnull then ' not null' else '' end) end
       from pg_catalog.pg_type t where t.oid = o.oid)`,
  "user mapping": `(select format('create user mapping for %s server %I', ${MAPPED_ROLE}, m.srvname)
         || coalesce(' options (' || (select string_agg(format('%I ''...''', split_part(o, '=', 1)), ', ' order by o) from unnest(m.umoptions) as o) || ')', '') from pg_catalog.pg_user_mappings m where m.umid = o.oid)`,
  "event trigger": `(select format('create event trigger %I on %s%s execute function %s()', t.evtname, t.evtevent,
           (select ' when tag in (' || string_agg(quote_literal(tag), ', ') || ')' from unnest(t.evttags) as tag), t.evtfoid::regproc) || coalesce(format('; alter event trigger %I ', t.evtname) || ${firingSql("t.evtenabled")}, '') from pg_catalog.pg_event_trigger t where t.oid = o.oid)`,
};

/** Of a column `a` of the table `c`: as it is at the source, whatever it is where this runs. An identity's sequence is made anew; a switch sets it. */
const COLUMN_ALIKE = `concat_ws('; ', format('alter table %s alter column %I %s not null', c.oid::regclass, a.attname, case when a.attnotnull then 'set' else 'drop' end),
         format('alter table %s alter column %I drop identity if exists', c.oid::regclass, a.attname),
         (select format('alter table %1$s alter column %2$I drop default; alter table %1$s alter column %2$I add generated %3$s as identity (increment %4$s minvalue %5$s maxvalue %6$s start %7$s cache %8$s%9$s)',
                   c.oid::regclass, a.attname, case a.attidentity when 'a' then 'always' else 'by default' end, q.seqincrement, q.seqmin, q.seqmax, q.seqstart, q.seqcache, case when q.seqcycle then ' cycle' else '' end)
            from pg_catalog.pg_sequence q join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_class'::regclass and d.objid = q.seqrelid and d.deptype = 'i' and d.refclassid = 'pg_catalog.pg_class'::regclass
           where d.refobjid = a.attrelid and d.refobjsubid = a.attnum),
         (select format('alter table %s alter column %I type %s collate %s', c.oid::regclass, a.attname, format_type(a.atttypid, a.atttypmod), a.attcollation::regcollation)
            from pg_catalog.pg_type y where y.oid = a.atttypid and y.typcollation <> a.attcollation))`;

/** How one that is there is made alike, where that is not the same statement with what is there dropped before it. */
const ALIKE: Readonly<Record<string, string>> = {
  ...STATEMENTS,
  rule: `(select concat_ws('; ', regexp_replace(rtrim(pg_get_ruledef(o.oid), ';'), '^CREATE', 'create or replace'),
           format('alter table %s %s rule %I', r.ev_class::regclass, coalesce(${firingSql("r.ev_enabled")}, 'enable'), r.rulename)) from pg_catalog.pg_rewrite r where r.oid = o.oid)`,
  "table constraint":
    "(select format('alter table %s drop constraint if exists %I, add constraint %I %s', conrelid::regclass, conname, conname, pg_get_constraintdef(c.oid)) from pg_catalog.pg_constraint c where c.oid = o.oid)",
  "domain constraint":
    "(select format('alter domain %1$s drop constraint %2$I; alter domain %1$s add constraint %2$I %3$s', contypid::regtype, conname, pg_get_constraintdef(c.oid)) from pg_catalog.pg_constraint c where c.oid = o.oid)",
  sequence: `(select format('alter sequence %s as %s increment %s minvalue %s maxvalue %s start %s cache %s %s', s.seqrelid::regclass, s.seqtypid::regtype, s.seqincrement,
           s.seqmin, s.seqmax, s.seqstart, s.seqcache, case when s.seqcycle then 'cycle' else 'no cycle' end) from pg_catalog.pg_sequence s where s.seqrelid = o.oid)`,
};

const DROPPED_FIRST: ReadonlySet<string> = new Set(
  "materialized view, index, trigger, policy, statistics object, event trigger, publication".split(", "),
);

/** A domain or a type cannot be made anew under what uses it; a mapping's options are secrets. */
const NOT_MADE_ALIKE: ReadonlySet<string> = new Set(["type", "user mapping"]);

/** A statement for each of these objects of the database, null where only its own CREATE script knows one. The session must not be in a transaction. */
export function statementsOf(ask: Ask, objects: readonly CatalogObject[]): Promise<readonly (string | null)[]> {
  return inOneSnapshot(ask, () => print(ask, objects, STATEMENTS));
}

/** The same for objects that are there under these names, and otherwise. */
export async function statementsAlike(ask: Ask, objects: readonly CatalogObject[]): Promise<readonly (string | null)[]> {
  const [statements, columns] = await inOneSnapshot(ask, async () => [
    await print(ask, objects, ALIKE),
    await columnStatements(ask, objects),
  ]);
  return objects.map(({ kind, name }, index) => {
    const statement = columns.get(name) ?? statements[index] ?? null;
    if (statement === null || NOT_MADE_ALIKE.has(kind)) return null;
    return DROPPED_FIRST.has(kind) ? `drop ${kind === "statistics object" ? "statistics" : kind} ${name}; ${statement}` : statement;
  });
}

async function print(
  ask: Ask,
  objects: readonly CatalogObject[],
  expressions: Readonly<Record<string, string>>,
): Promise<readonly (string | null)[]> {
  const found = new Map<string, string>();
  for (const [kind, own] of Map.groupBy(objects, (object) => object.kind)) {
    const expression = expressions[kind];
    if (expression === undefined) continue;
    const rows = await ask<{ oid: string; statement: string | null }>(
      `select o.oid::text as oid, ${expression} as statement from unnest($1::oid[]) as o(oid)`,
      [own.map(({ objid }) => objid)],
    );
    for (const { oid, statement } of rows) if (statement !== null) found.set(JSON.stringify([kind, oid]), statement);
  }
  const streams = await streamStatements(ask, objects);
  return objects.map((object) => found.get(JSON.stringify([object.kind, object.objid])) ?? streams.get(objectKey(object)) ?? null);
}

/** By name, of those that are columns. What computes a column cannot be given to one that is there before 17. */
async function columnStatements(ask: Ask, objects: readonly CatalogObject[]): Promise<ReadonlyMap<string, string>> {
  const columns = objects.filter(({ kind }) => kind === "table column");
  if (columns.length === 0) return new Map();
  const rows = await ask<{ name: string; statement: string }>(
    `select i.identity as name, ${COLUMN_ALIKE} as statement from pg_catalog.pg_class c join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
      cross join lateral pg_catalog.pg_identify_object('pg_catalog.pg_class'::regclass, c.oid, a.attnum) as i
      where c.oid = any($1::oid[]) and i.identity = any($2::text[]) and a.attgenerated = ''`,
    [columns.map(({ objid }) => objid), columns.map(({ name }) => name)],
  );
  return new Map(rows.map(({ name, statement }) => [name, statement]));
}

async function streamStatements(ask: Ask, objects: readonly CatalogObject[]): Promise<ReadonlyMap<string, string>> {
  const wanted = new Set(objects.map(({ kind }) => kind));
  const publications = wanted.has("publication") ? await readPublications(ask) : [];
  const subscriptions = wanted.has("subscription") ? await readSubscriptions(ask, []) : [];
  return new Map([
    ...publications.map(({ name, statement }) => [objectKey({ kind: "publication", name }), statement] as const),
    ...subscriptions.map(({ name, create }) => [objectKey({ kind: "subscription", name }), create] as const),
  ]);
}
