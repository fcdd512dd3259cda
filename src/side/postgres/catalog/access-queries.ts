/** Who owns what, and who may do what with it, as one database's catalog has it. */
import { type Ask, inOneSnapshot } from "./ask.ts";

/** A right on an object. Who granted it does not matter for what may be done. */
export interface Grant {
  /** Null for the owner, whoever that is; `public` for everybody (no role can have that name). */
  readonly grantee: string | null;
  readonly privilege: string;
  readonly grantable: boolean;
}

export interface AccessObject {
  /** As pg_identify_object calls it, or `column`. */
  readonly kind: string;
  /** Quoted and qualified, as GRANT takes it; a column's is that of its table. */
  readonly name: string;
  /** Quoted; null for everything but a column. */
  readonly column: string | null;
  readonly owner: string;
  /** Its owner is that of something else: a sequence's column, a column's table. */
  readonly ownerFollows: boolean;
  /** Null for a kind that knows no grants. */
  readonly grants: readonly Grant[] | null;
  /** What an object of the system or of an extension was made with; null for everything else. */
  readonly initial: readonly Grant[] | null;
}

/** Rights that objects made later will have. */
export interface DefaultAccess {
  readonly role: string;
  /** Unquoted; null for all schemas. */
  readonly schema: string | null;
  /** `tables`, as ALTER DEFAULT PRIVILEGES calls it. */
  readonly on: string;
  readonly grants: readonly Grant[];
  /** What counts where nothing is recorded: for all schemas the system's own defaults, for one schema nothing. */
  readonly otherwise: readonly Grant[];
}

/** A policy, and the statement that makes it. */
export interface PolicyAccess {
  /** Quoted and qualified. */
  readonly table: string;
  /** Quoted. */
  readonly name: string;
  /** Unquoted; `public` for everybody. */
  readonly roles: readonly string[];
  readonly create: string;
}

export interface Access {
  /** server_version_num. */
  readonly version: number;
  /** The role of this session. */
  readonly self: string;
  readonly roles: ReadonlySet<string>;
  readonly objects: readonly AccessObject[];
  readonly defaults: readonly DefaultAccess[];
  readonly policies: readonly PolicyAccess[];
  /** Of the other side's objects of the system and of extensions, those that this one does not have. */
  readonly unknown: ReadonlySet<AccessObject>;
}

/** `other`: the access that this is to be compared with. The session must not be in a transaction. */
export function readAccess(ask: Ask, other?: Access): Promise<Access> {
  return inOneSnapshot(ask, async () => {
    const [own] = await ask<{ version: string; self: string }>(
      "select current_setting('server_version_num') as version, current_user::text as self",
    );
    const roles = await ask<{ name: string }>("select rolname::text as name from pg_catalog.pg_roles");
    return {
      version: Number(own?.version),
      self: own?.self ?? "",
      roles: new Set(roles.map(({ name }) => name)),
      objects: (await ask<AccessRow>(OBJECTS)).map(toObject),
      defaults: (await ask<DefaultRow>(DEFAULTS)).map((row) => ({
        ...row,
        grants: toGrants(row.grants),
        otherwise: toGrants(row.otherwise),
      })),
      policies: (await ask<PolicyRow>(POLICIES)).map((row) => ({ ...row, roles: JSON.parse(row.roles) as string[] })),
      unknown: new Set(await readUnknown(ask, other?.objects.filter(({ initial }) => initial !== null) ?? [])),
    };
  });
}

/** Versions differ in the functions that they come with. */
async function readUnknown(ask: Ask, objects: readonly AccessObject[]): Promise<readonly AccessObject[]> {
  if (objects.length === 0) return [];
  const names = [...new Set(objects.map(({ name }) => name))];
  const rows = await ask<{ kind: string; name: string }>(KNOWN, [names]);
  const known = new Set(rows.map(({ kind, name }) => JSON.stringify([kind, name])));
  return objects.filter(({ kind, name }) => !known.has(JSON.stringify([kind, name])));
}

interface AccessRow {
  readonly kind: string;
  readonly name: string;
  readonly column: string | null;
  readonly owner: string;
  readonly follows: string;
  readonly grants: string | null;
  readonly initial: string | null;
}

type DefaultRow = Omit<DefaultAccess, "grants" | "otherwise"> & { readonly grants: string | null; readonly otherwise: string | null };
type PolicyRow = Omit<PolicyAccess, "roles"> & { readonly roles: string };

function toObject({ follows, grants, initial, ...row }: AccessRow): AccessObject {
  return {
    ...row,
    ownerFollows: follows === "true",
    grants: grants === null ? null : toGrants(grants),
    initial: initial === null ? null : toGrants(initial),
  };
}

function toGrants(text: string | null): readonly Grant[] {
  return (JSON.parse(text ?? "[]") as [string | null, string, boolean][]).map(([grantee, privilege, grantable]) => ({
    grantee,
    privilege,
    grantable,
  }));
}

/** An ACL as JSON. The owner is no name here, for the other side's may be another. */
function grantsSql(acl: string, owner: string): string {
  return `(select coalesce(jsonb_agg(jsonb_build_array(case when a.grantee = ${owner} then null when a.grantee = 0 then 'public' else g.rolname end,
            a.privilege_type, a.is_grantable)), '[]')::text
       from pg_catalog.aclexplode(${acl}) a left join pg_catalog.pg_roles g on g.oid = a.grantee where a.grantee = 0 or g.oid is not null)`;
}

/** Columns: catalog, object, namespace, owner, ACL, the letter by which acldefault knows the kind (null: no grants), whether the owner follows. */
const CANDIDATES = `
    select 'pg_catalog.pg_class'::regclass::oid as class, c.oid as object, c.relnamespace as namespace, c.relowner as owner, c.relacl as acl,
           case c.relkind when 'S' then 's' else 'r' end as letter,
           c.relkind = 'S' and exists (select from pg_catalog.pg_depend d where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = c.oid
             and d.refclassid = 'pg_catalog.pg_class'::regclass and d.deptype in ('a', 'i')) as follows
      from pg_catalog.pg_class c where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
    union all select 'pg_catalog.pg_proc'::regclass, oid, pronamespace, proowner, proacl, 'f', false from pg_catalog.pg_proc
    union all
    select 'pg_catalog.pg_type'::regclass, t.oid, t.typnamespace, t.typowner, t.typacl, 'T', false from pg_catalog.pg_type t
     where t.typtype in ('b', 'c', 'd', 'e', 'r') and not exists (select from pg_catalog.pg_type e where e.typarray = t.oid)
       and (t.typrelid = 0 or exists (select from pg_catalog.pg_class c where c.oid = t.typrelid and c.relkind = 'c'))
    union all select 'pg_catalog.pg_namespace'::regclass, oid, oid, nspowner, nspacl, 'n', false from pg_catalog.pg_namespace
    union all select 'pg_catalog.pg_language'::regclass, oid, null, lanowner, lanacl, 'l', false from pg_catalog.pg_language where lanispl
    union all select 'pg_catalog.pg_foreign_data_wrapper'::regclass, oid, null, fdwowner, fdwacl, 'F', false from pg_catalog.pg_foreign_data_wrapper
    union all select 'pg_catalog.pg_foreign_server'::regclass, oid, null, srvowner, srvacl, 'S', false from pg_catalog.pg_foreign_server
    union all select 'pg_catalog.pg_database'::regclass, oid, null, datdba, datacl, 'd', true from pg_catalog.pg_database where datname = current_database()
    union all select 'pg_catalog.pg_operator'::regclass, oid, oprnamespace, oprowner, null, null, false from pg_catalog.pg_operator
    union all select 'pg_catalog.pg_opclass'::regclass, oid, opcnamespace, opcowner, null, null, false from pg_catalog.pg_opclass
    union all select 'pg_catalog.pg_opfamily'::regclass, oid, opfnamespace, opfowner, null, null, false from pg_catalog.pg_opfamily
    union all select 'pg_catalog.pg_collation'::regclass, oid, collnamespace, collowner, null, null, false from pg_catalog.pg_collation
    union all select 'pg_catalog.pg_conversion'::regclass, oid, connamespace, conowner, null, null, false from pg_catalog.pg_conversion
    union all select 'pg_catalog.pg_ts_config'::regclass, oid, cfgnamespace, cfgowner, null, null, false from pg_catalog.pg_ts_config
    union all select 'pg_catalog.pg_ts_dict'::regclass, oid, dictnamespace, dictowner, null, null, false from pg_catalog.pg_ts_dict
    union all select 'pg_catalog.pg_statistic_ext'::regclass, oid, stxnamespace, stxowner, null, null, false from pg_catalog.pg_statistic_ext
    union all select 'pg_catalog.pg_event_trigger'::regclass, oid, null, evtowner, null, null, false from pg_catalog.pg_event_trigger`;

/**
 * Objects that initdb or an extension made count only where somebody changed their grants, and then only what was changed: what they were made
 * with differs between versions. pg_init_privs holds it (manual: "pg_init_privs"); objects without a row there began with the defaults.
 */
const OBJECTS = `
  with candidate as (${CANDIDATES}),
  own as (
    select c.*, (c.object < 16384 and c.class <> 'pg_catalog.pg_database'::regclass and coalesce(n.nspname, '') <> 'public')
             or exists (select from pg_catalog.pg_depend d where d.classid = c.class and d.objid = c.object and d.objsubid = 0 and d.deptype = 'e') as made,
           i.initprivs
      from candidate c left join pg_catalog.pg_namespace n on n.oid = c.namespace
      left join pg_catalog.pg_init_privs i on i.classoid = c.class and i.objoid = c.object and i.objsubid = 0
     where n.nspname is null or n.nspname = 'pg_catalog' or (n.nspname not like 'pg\\_%' and n.nspname not in ('information_schema', 'pghaul'))),
  shown as (
    select *, coalesce(acl, pg_catalog.acldefault(letter::"char", owner)) as rights, coalesce(initprivs, pg_catalog.acldefault(letter::"char", owner)) as first
      from own where not made or (acl is not null and acl is distinct from coalesce(initprivs, pg_catalog.acldefault(letter::"char", owner))))
  select i.type as kind, i.identity as name, null::text as column, pg_catalog.pg_get_userbyid(s.owner)::text as owner, (s.follows or s.made)::text as follows,
         case when s.letter is not null then ${grantsSql("s.rights", "s.owner")} end as grants,
         case when s.made then ${grantsSql("s.first", "s.owner")} end as initial
    from shown s cross join lateral pg_catalog.pg_identify_object(s.class, s.object, 0) as i
  union all
  select 'column', i.identity, pg_catalog.quote_ident(a.attname), pg_catalog.pg_get_userbyid(c.relowner)::text, 'true', ${grantsSql("a.attacl", "c.relowner")}, null
    from pg_catalog.pg_attribute a join pg_catalog.pg_class c on c.oid = a.attrelid join pg_catalog.pg_namespace n on n.oid = c.relnamespace
   cross join lateral pg_catalog.pg_identify_object('pg_catalog.pg_class'::regclass, c.oid, 0) as i
   where a.attacl is not null and not a.attisdropped and c.oid >= 16384 and n.nspname not like 'pg\\_%' and n.nspname not in ('information_schema', 'pghaul')
     and not exists (select from pg_catalog.pg_depend d where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = c.oid and d.objsubid = 0 and d.deptype = 'e')`;

const KNOWN = `
  with candidate as (${CANDIDATES})
  select i.type as kind, i.identity as name from candidate c cross join lateral pg_catalog.pg_identify_object(c.class, c.object, 0) as i
   where c.letter is not null and i.identity = any($1::text[])`;

/** Large objects are not moved, so their defaults (18) are of no use. */
const DEFAULTS = `
  select pg_catalog.pg_get_userbyid(d.defaclrole)::text as role, n.nspname::text as schema,
         case d.defaclobjtype when 'r' then 'tables' when 'S' then 'sequences' when 'f' then 'functions' when 'T' then 'types' when 'n' then 'schemas' end as on,
         ${grantsSql("d.defaclacl", "d.defaclrole")} as grants,
         case when d.defaclnamespace = 0
              then ${grantsSql(`pg_catalog.acldefault(case d.defaclobjtype when 'S' then 's' else d.defaclobjtype end::"char", d.defaclrole)`, "d.defaclrole")} end as otherwise
    from pg_catalog.pg_default_acl d left join pg_catalog.pg_namespace n on n.oid = d.defaclnamespace
   where d.defaclobjtype in ('r', 'S', 'f', 'T', 'n')`;

const POLICIES = `
  select i.identity as table, pg_catalog.quote_ident(p.polname) as name, to_jsonb(r.names)::text as roles,
         pg_catalog.format('create policy %I on %s as %s for %s to %s%s%s', p.polname, i.identity, case when p.polpermissive then 'permissive' else 'restrictive' end,
           case p.polcmd when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update' when 'd' then 'delete' else 'all' end, r.list,
           ' using (' || pg_catalog.pg_get_expr(p.polqual, p.polrelid) || ')', ' with check (' || pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid) || ')')
         || coalesce(pg_catalog.format('; comment on policy %I on %s is %L', p.polname, i.identity, pg_catalog.obj_description(p.oid, 'pg_policy')), '') as create
    from pg_catalog.pg_policy p
   cross join lateral pg_catalog.pg_identify_object('pg_catalog.pg_class'::regclass, p.polrelid, 0) as i
   cross join lateral (select array_agg(case when m.role = 0 then 'public' else pg_catalog.pg_get_userbyid(m.role)::text end order by m.role) as names,
                              string_agg(case when m.role = 0 then 'public' else pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(m.role)) end, ', ' order by m.role) as list
                         from unnest(p.polroles) as m(role)) as r
   where not exists (select from pg_catalog.pg_depend d where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = p.polrelid and d.deptype = 'e')`;
