/**
 * Everything that makes up one database beside rows, by kind and name, so that two databases can be compared. Left out is what PostgreSQL makes
 * by itself or names by itself, for that differs between versions: members of extensions, what depends internally on something else (an
 * identity's sequence, a view's rule), clones on partitions, constraints of NOT NULL (18 records them), TOAST; and what pghaul made.
 */
import { type Ask, inOneSnapshot } from "./ask.ts";

export interface CatalogObject {
  /** As pg_identify_object calls it, or `enum label`. */
  readonly kind: string;
  /** Quoted and qualified. */
  readonly name: string;
  /** The table it hangs on, or the root of that; null for what stands alone or hangs on a view. */
  readonly schema: string | null;
  readonly table: string | null;
  /** Of an index or a constraint, without its name: an operator's own schema may call it otherwise. Null for other kinds. */
  readonly definition: string | null;
  /** The type of an enum's label; null for other kinds. */
  readonly parent: string | null;
  /** Oids, for a question about this one; null where only a view tells of it. */
  readonly classid: string | null;
  readonly objid: string | null;
}

/** By which an object is the same on both sides. */
export function objectKey({ kind, name }: Pick<CatalogObject, "kind" | "name">): string {
  return JSON.stringify([kind, name]);
}

/** The session must not be in a transaction. */
export function readObjects(ask: Ask): Promise<readonly CatalogObject[]> {
  return inOneSnapshot(ask, async () => [...(await ask<CatalogObject>(OBJECTS)), ...(await ask<CatalogObject>(WITHOUT_IDENTITY))]);
}

/** Catalog, object, namespace, the relation it hangs on. */
const CANDIDATES = `
    select 'pg_catalog.pg_namespace'::regclass::oid as class, oid as object, oid as namespace, null::oid as relation, null::text as definition from pg_catalog.pg_namespace
    union all select 'pg_catalog.pg_class'::regclass, oid, relnamespace, oid, null from pg_catalog.pg_class where relkind in ('r', 'p') and relpersistence <> 't'
    union all select 'pg_catalog.pg_class'::regclass, oid, relnamespace, null, null from pg_catalog.pg_class where relkind in ('v', 'm', 'f') and not relispartition
    union all
    select 'pg_catalog.pg_class'::regclass, s.oid, s.relnamespace,
           (select min(d.refobjid) from pg_catalog.pg_depend d where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = s.oid
               and d.refclassid = 'pg_catalog.pg_class'::regclass and d.deptype = 'a'), null
      from pg_catalog.pg_class s where s.relkind = 'S' and s.relpersistence <> 't'
    union all
    select 'pg_catalog.pg_class'::regclass, x.oid, x.relnamespace, i.indrelid,
           regexp_replace(pg_catalog.pg_get_indexdef(x.oid), '^(CREATE (UNIQUE )?INDEX) .*? (ON )(ONLY )?', '\\1 \\3')
      from pg_catalog.pg_index i join pg_catalog.pg_class x on x.oid = i.indexrelid join pg_catalog.pg_class t on t.oid = i.indrelid
     where not x.relispartition and not t.relispartition and not exists (select from pg_catalog.pg_constraint c where c.conindid = x.oid and c.contype in ('p', 'u', 'x'))
    union all
    select 'pg_catalog.pg_constraint'::regclass, c.oid, c.connamespace, nullif(c.conrelid, 0), pg_catalog.pg_get_constraintdef(c.oid)
      from pg_catalog.pg_constraint c left join pg_catalog.pg_class t on t.oid = c.conrelid
     where c.contype in ('c', 'f', 'p', 'u', 'x') and c.conparentid = 0 and (c.conislocal or c.coninhcount = 0) and not coalesce(t.relispartition, false)
    union all
    select 'pg_catalog.pg_attrdef'::regclass, d.oid, t.relnamespace, d.adrelid, null
      from pg_catalog.pg_attrdef d join pg_catalog.pg_class t on t.oid = d.adrelid and not t.relispartition and t.relkind in ('r', 'p', 'v')
      join pg_catalog.pg_attribute a on a.attrelid = d.adrelid and a.attnum = d.adnum and a.attgenerated = ''
    union all
    select 'pg_catalog.pg_trigger'::regclass, g.oid, t.relnamespace, g.tgrelid, null from pg_catalog.pg_trigger g join pg_catalog.pg_class t on t.oid = g.tgrelid
     where not g.tgisinternal and g.tgparentid = 0 and not starts_with(g.tgname::text, 'pghaul_fence_')
    union all
    select 'pg_catalog.pg_rewrite'::regclass, r.oid, t.relnamespace, r.ev_class, null from pg_catalog.pg_rewrite r join pg_catalog.pg_class t on t.oid = r.ev_class where r.rulename <> '_RETURN'
    union all
    select 'pg_catalog.pg_policy'::regclass, p.oid, t.relnamespace, p.polrelid, null from pg_catalog.pg_policy p join pg_catalog.pg_class t on t.oid = p.polrelid
    union all select 'pg_catalog.pg_statistic_ext'::regclass, oid, stxnamespace, stxrelid, null from pg_catalog.pg_statistic_ext
    union all select 'pg_catalog.pg_proc'::regclass, oid, pronamespace, null, null from pg_catalog.pg_proc
    union all
    select 'pg_catalog.pg_type'::regclass, t.oid, t.typnamespace, null, null from pg_catalog.pg_type t
     where t.typtype in ('b', 'c', 'd', 'e', 'r') and not exists (select from pg_catalog.pg_type e where e.typarray = t.oid)
       and (t.typrelid = 0 or exists (select from pg_catalog.pg_class c where c.oid = t.typrelid and c.relkind = 'c'))
    union all select 'pg_catalog.pg_operator'::regclass, oid, oprnamespace, null, null from pg_catalog.pg_operator
    union all select 'pg_catalog.pg_opclass'::regclass, oid, opcnamespace, null, null from pg_catalog.pg_opclass
    union all select 'pg_catalog.pg_opfamily'::regclass, oid, opfnamespace, null, null from pg_catalog.pg_opfamily
    union all select 'pg_catalog.pg_collation'::regclass, oid, collnamespace, null, null from pg_catalog.pg_collation
    union all select 'pg_catalog.pg_conversion'::regclass, oid, connamespace, null, null from pg_catalog.pg_conversion
    union all select 'pg_catalog.pg_ts_config'::regclass, oid, cfgnamespace, null, null from pg_catalog.pg_ts_config
    union all select 'pg_catalog.pg_ts_dict'::regclass, oid, dictnamespace, null, null from pg_catalog.pg_ts_dict
    union all select 'pg_catalog.pg_ts_parser'::regclass, oid, prsnamespace, null, null from pg_catalog.pg_ts_parser
    union all select 'pg_catalog.pg_ts_template'::regclass, oid, tmplnamespace, null, null from pg_catalog.pg_ts_template
    union all select 'pg_catalog.pg_cast'::regclass, oid, null, null, null from pg_catalog.pg_cast
    union all select 'pg_catalog.pg_transform'::regclass, oid, null, null, null from pg_catalog.pg_transform
    union all select 'pg_catalog.pg_am'::regclass, oid, null, null, null from pg_catalog.pg_am
    union all select 'pg_catalog.pg_language'::regclass, oid, null, null, null from pg_catalog.pg_language
    union all select 'pg_catalog.pg_foreign_data_wrapper'::regclass, oid, null, null, null from pg_catalog.pg_foreign_data_wrapper
    union all select 'pg_catalog.pg_foreign_server'::regclass, oid, null, null, null from pg_catalog.pg_foreign_server
    union all select 'pg_catalog.pg_event_trigger'::regclass, oid, null, null, null from pg_catalog.pg_event_trigger
    union all select 'pg_catalog.pg_publication'::regclass, oid, null, null, null from pg_catalog.pg_publication where not starts_with(pubname::text, 'pghaul_')
    union all select 'pg_catalog.pg_extension'::regclass, oid, null, null, null from pg_catalog.pg_extension`;

/** Oids below 16384 are those of initdb (src/include/access/transam.h), but for the schema public, which anybody may drop. */
const OBJECTS = `
  with candidate as (${CANDIDATES})
  select i.type as kind, i.identity as name, n.nspname::text as schema, t.relname::text as table, o.definition, null::text as parent, o.class::text as classid, o.object::text as objid
    from candidate o
    left join pg_catalog.pg_class t on t.oid = coalesce(pg_catalog.pg_partition_root(o.relation)::oid, o.relation) and t.relkind in ('r', 'p')
    left join pg_catalog.pg_namespace n on n.oid = t.relnamespace
    left join pg_catalog.pg_namespace own on own.oid = o.namespace
   cross join lateral pg_catalog.pg_identify_object(o.class, o.object, 0) as i
   where o.object >= 16384 and (own.oid is null or (own.nspname not like 'pg\\_%' and own.nspname not in ('information_schema', 'pghaul')))
     and not exists (select from pg_catalog.pg_depend d where d.classid = o.class and d.objid = o.object and d.objsubid = 0 and d.deptype in ('e', 'i'))
     and not exists (select from pg_catalog.pg_depend d where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = o.relation and d.objsubid = 0 and d.deptype = 'e')
   order by 1, 2`;

/** A label has no identity of its own; pg_subscription and pg_user_mapping may not be read whole by everybody. */
const WITHOUT_IDENTITY = `
  select 'enum label' as kind, pg_catalog.format('%L of %s', e.enumlabel, e.enumtypid::regtype) as name, null::text as schema, null::text as table, null::text as definition, e.enumtypid::regtype::text as parent,
         'pg_catalog.pg_enum'::regclass::oid::text as classid, e.oid::text as objid
    from pg_catalog.pg_enum e join pg_catalog.pg_type t on t.oid = e.enumtypid join pg_catalog.pg_namespace n on n.oid = t.typnamespace
   where n.nspname <> 'pghaul' and not exists (select from pg_catalog.pg_depend d where d.classid = 'pg_catalog.pg_type'::regclass and d.objid = t.oid and d.deptype = 'e')
  union all
  select 'subscription', pg_catalog.quote_ident(s.subname), null, null, null, null, null, null
    from pg_catalog.pg_subscription s join pg_catalog.pg_database d on d.oid = s.subdbid where d.datname = current_database()
  union all
  select 'user mapping', pg_catalog.format('for %s on server %I', case when umuser = 0 then 'public' else pg_catalog.quote_ident(usename) end, srvname), null, null, null, null, null, null
    from pg_catalog.pg_user_mappings
   order by 1, 2`;
