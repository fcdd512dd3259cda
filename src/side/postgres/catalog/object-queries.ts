/**
 * Everything that makes up one database beside rows, by kind and name and by what it does, so that two databases can be compared. Left out is what PostgreSQL makes
 * by itself or names by itself, for that differs between versions: members of extensions, what depends internally on something else (an
 * identity's sequence, a view's rule), clones on partitions, constraints of NOT NULL (18 records them), TOAST; and what pghaul made.
 */
import { readServer } from "../facts/server.ts";
import { MAPPED_ROLE, MAPPING_IS_READABLE } from "../foreign/secret-options.ts";
import { type Ask, inOneSnapshot } from "./ask.ts";
import { DEFINED_AS, functionSql } from "./object-definitions.ts";
import { readPublications } from "./replication-objects.ts";

export interface CatalogObject {
  /** As pg_identify_object calls it, or `enum label`. */
  readonly kind: string;
  /** Quoted and qualified. */
  readonly name: string;
  /** The table it hangs on, or the root of that; null for what stands alone or hangs on a view. */
  readonly schema: string | null;
  readonly table: string | null;
  /** What it does, as its own server prints it; of an index or a constraint without the name. Null where there is nothing to compare. */
  readonly definition: string | null;
  /** The type of an enum's label, the table of a row security or of a column; null for other kinds. */
  readonly parent: string | null;
  /** Oids, for a question about this one; null where only a view tells of it. */
  readonly classid: string | null;
  readonly objid: string | null;
}

/** What a mapping is defined as where our role may not read its options. */
export const HIDDEN_OPTIONS = "options ?";

/** By which an object is the same on both sides. */
export function objectKey({ kind, name }: Pick<CatalogObject, "kind" | "name">): string {
  return JSON.stringify([kind, name]);
}

/** The session must not be in a transaction. */
export function readObjects(ask: Ask): Promise<readonly CatalogObject[]> {
  return inOneSnapshot(ask, async () => {
    const { version } = await readServer(ask);
    const objects = await ask<CatalogObject>(objectsSql(version));
    const publications = new Map((await readPublications(ask)).map(({ name, statement }) => [name, statement]));
    return [
      ...objects.map((object) =>
        object.kind === "publication" ? { ...object, definition: publications.get(object.name) ?? null } : object,
      ),
      ...(await ask<CatalogObject>(WITHOUT_IDENTITY)),
    ];
  });
}

/** Catalog, object, namespace, the relation it hangs on, definition. */
const candidates = (version: number): string => `
    select 'pg_catalog.pg_namespace'::regclass::oid as class, oid as object, oid as namespace, null::oid as relation, null::text as definition from pg_catalog.pg_namespace
    union all select 'pg_catalog.pg_class'::regclass, oid, relnamespace, oid, null from pg_catalog.pg_class where relkind in ('r', 'p') and relpersistence <> 't'
    union all select 'pg_catalog.pg_class'::regclass, c.oid, relnamespace, null, ${DEFINED_AS.view} from pg_catalog.pg_class c where relkind in ('v', 'm') and not relispartition
    union all select 'pg_catalog.pg_class'::regclass, c.oid, relnamespace, null, ${DEFINED_AS.foreignTable} from pg_catalog.pg_class c where relkind = 'f' and not relispartition
    union all
    select 'pg_catalog.pg_class'::regclass, s.oid, s.relnamespace,
           (select min(d.refobjid) from pg_catalog.pg_depend d where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = s.oid
               and d.refclassid = 'pg_catalog.pg_class'::regclass and d.deptype = 'a'), ${DEFINED_AS.sequence}
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
    select 'pg_catalog.pg_attrdef'::regclass, d.oid, t.relnamespace, d.adrelid, ${DEFINED_AS.default}
      from pg_catalog.pg_attrdef d join pg_catalog.pg_class t on t.oid = d.adrelid and not t.relispartition and t.relkind in ('r', 'p', 'v')
      join pg_catalog.pg_attribute a on a.attrelid = d.adrelid and a.attnum = d.adnum and a.attgenerated = ''
    union all
    select 'pg_catalog.pg_trigger'::regclass, g.oid, t.relnamespace, g.tgrelid, ${DEFINED_AS.trigger} from pg_catalog.pg_trigger g join pg_catalog.pg_class t on t.oid = g.tgrelid
     where not g.tgisinternal and g.tgparentid = 0 and not starts_with(g.tgname::text, 'pghaul_fence_')
    union all
    select 'pg_catalog.pg_rewrite'::regclass, r.oid, t.relnamespace, r.ev_class, ${DEFINED_AS.rule} from pg_catalog.pg_rewrite r join pg_catalog.pg_class t on t.oid = r.ev_class where r.rulename <> '_RETURN'
    union all
    select 'pg_catalog.pg_policy'::regclass, p.oid, t.relnamespace, p.polrelid, ${DEFINED_AS.policy} from pg_catalog.pg_policy p join pg_catalog.pg_class t on t.oid = p.polrelid
    union all select 'pg_catalog.pg_statistic_ext'::regclass, oid, stxnamespace, stxrelid, pg_catalog.pg_get_statisticsobjdef(oid) from pg_catalog.pg_statistic_ext
    union all select 'pg_catalog.pg_proc'::regclass, p.oid, pronamespace, null, ${functionSql(version)} from pg_catalog.pg_proc p
    union all
    select 'pg_catalog.pg_type'::regclass, t.oid, t.typnamespace, null, ${DEFINED_AS.type} from pg_catalog.pg_type t
     where t.typtype in ('b', 'c', 'd', 'e', 'r') and not exists (select from pg_catalog.pg_type e where e.typarray = t.oid)
       and (t.typrelid = 0 or exists (select from pg_catalog.pg_class c where c.oid = t.typrelid and c.relkind = 'c'))
    union all select 'pg_catalog.pg_operator'::regclass, oid, oprnamespace, null, ${DEFINED_AS.operator} from pg_catalog.pg_operator p
    union all select 'pg_catalog.pg_opclass'::regclass, oid, opcnamespace, null, ${DEFINED_AS.operatorClass} from pg_catalog.pg_opclass p
    union all select 'pg_catalog.pg_opfamily'::regclass, oid, opfnamespace, null, ${DEFINED_AS.operatorFamily} from pg_catalog.pg_opfamily p
    union all select 'pg_catalog.pg_collation'::regclass, oid, collnamespace, null, ${DEFINED_AS.collation} from pg_catalog.pg_collation l
    union all select 'pg_catalog.pg_conversion'::regclass, oid, connamespace, null, ${DEFINED_AS.conversion} from pg_catalog.pg_conversion v
    union all select 'pg_catalog.pg_ts_config'::regclass, oid, cfgnamespace, null, ${DEFINED_AS.textSearch} from pg_catalog.pg_ts_config t
    union all select 'pg_catalog.pg_ts_dict'::regclass, oid, dictnamespace, null, ${DEFINED_AS.dictionary} from pg_catalog.pg_ts_dict t
    union all select 'pg_catalog.pg_ts_parser'::regclass, oid, prsnamespace, null, null from pg_catalog.pg_ts_parser
    union all select 'pg_catalog.pg_ts_template'::regclass, oid, tmplnamespace, null, null from pg_catalog.pg_ts_template
    union all select 'pg_catalog.pg_cast'::regclass, oid, null, null, ${DEFINED_AS.cast} from pg_catalog.pg_cast p
    union all select 'pg_catalog.pg_transform'::regclass, oid, null, null, null from pg_catalog.pg_transform
    union all select 'pg_catalog.pg_am'::regclass, oid, null, null, null from pg_catalog.pg_am
    union all select 'pg_catalog.pg_language'::regclass, oid, null, null, null from pg_catalog.pg_language
    union all select 'pg_catalog.pg_foreign_data_wrapper'::regclass, oid, null, null, ${DEFINED_AS.wrapper} from pg_catalog.pg_foreign_data_wrapper w
    union all select 'pg_catalog.pg_foreign_server'::regclass, oid, null, null, ${DEFINED_AS.server} from pg_catalog.pg_foreign_server v
    union all select 'pg_catalog.pg_event_trigger'::regclass, e.oid, null, null, ${DEFINED_AS.eventTrigger} from pg_catalog.pg_event_trigger e
    union all select 'pg_catalog.pg_publication'::regclass, oid, null, null, null from pg_catalog.pg_publication where not starts_with(pubname::text, 'pghaul_')
    union all select 'pg_catalog.pg_extension'::regclass, oid, null, null, null from pg_catalog.pg_extension`;

/** Oids below 16384 are those of initdb (src/include/access/transam.h), but for the schema public, which anybody may drop. */
const objectsSql = (version: number): string => `
  with candidate as (${candidates(version)})
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

/**
 * A label, a table's row security and its columns stand apart; pg_subscription and pg_user_mapping may not be read whole by everybody. Of a
 * mapping's options only the names are read, for one of them is a password.
 */
const WITHOUT_IDENTITY = `
  select 'enum label' as kind, pg_catalog.format('%L of %s', e.enumlabel, e.enumtypid::regtype) as name, null::text as schema, null::text as table, null::text as definition, e.enumtypid::regtype::text as parent,
         'pg_catalog.pg_enum'::regclass::oid::text as classid, e.oid::text as objid
    from pg_catalog.pg_enum e join pg_catalog.pg_type t on t.oid = e.enumtypid join pg_catalog.pg_namespace n on n.oid = t.typnamespace
   where n.nspname <> 'pghaul' and not exists (select from pg_catalog.pg_depend d where d.classid = 'pg_catalog.pg_type'::regclass and d.objid = t.oid and d.deptype = 'e')
  union all
  select 'subscription', pg_catalog.quote_ident(s.subname), null, null, null, null, null, null
    from pg_catalog.pg_subscription s join pg_catalog.pg_database d on d.oid = s.subdbid where d.datname = current_database()
  union all
  select 'row security', i.identity, n.nspname::text, r.relname::text,
         case when c.relrowsecurity then 'enable' else 'disable' end || ' row level security, ' || case when c.relforcerowsecurity then 'force' else 'no force' end || ' row level security',
         i.identity, 'pg_catalog.pg_class'::regclass::oid::text, c.oid::text
    from pg_catalog.pg_class c
    join pg_catalog.pg_class r on r.oid = coalesce(pg_catalog.pg_partition_root(c.oid)::oid, c.oid) join pg_catalog.pg_namespace n on n.oid = r.relnamespace
   cross join lateral pg_catalog.pg_identify_object('pg_catalog.pg_class'::regclass, c.oid, 0) as i
   where c.relkind in ('r', 'p') and c.relpersistence <> 't' and c.oid >= 16384 and n.nspname not like 'pg\\_%' and n.nspname not in ('information_schema', 'pghaul')
     and not exists (select from pg_catalog.pg_depend d where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = c.oid and d.objsubid = 0 and d.deptype = 'e')
  union all
  select 'user mapping', pg_catalog.format('for %s on server %I', ${MAPPED_ROLE}, m.srvname), null, null,
         case when m.umoptions is not null then (select 'options ' || string_agg(pg_catalog.split_part(o, '=', 1), ', ' order by o) from unnest(m.umoptions) as o)
              when ${MAPPING_IS_READABLE} then 'no options' else '${HIDDEN_OPTIONS}' end, null, null, m.umid::text
    from pg_catalog.pg_user_mappings m
  union all
  select i.type, i.identity, n.nspname::text, c.relname::text, ${DEFINED_AS.column}, u.identity, 'pg_catalog.pg_class'::regclass::oid::text, c.oid::text
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
   cross join lateral pg_catalog.pg_identify_object('pg_catalog.pg_class'::regclass, c.oid, a.attnum) as i
   cross join lateral pg_catalog.pg_identify_object('pg_catalog.pg_class'::regclass, c.oid, 0) as u
   where c.relkind in ('r', 'p') and not c.relispartition and c.relpersistence <> 't' and c.oid >= 16384 and n.nspname not like 'pg\\_%' and n.nspname not in ('information_schema', 'pghaul')
     and not exists (select from pg_catalog.pg_depend d where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = c.oid and d.objsubid = 0 and d.deptype = 'e')
   order by 1, 2`;
