/** Roles and who may act as whom, at one server. Roles belong to no database and are not moved. */
import type { AccessScope } from "../../../model/access-scope.ts";
import { readServer } from "../facts/server.ts";
import type { Access, Grant } from "./access-queries.ts";
import type { Ask } from "./ask.ts";

export interface RoleRow {
  readonly name: string;
  readonly login: string;
  readonly superuser: string;
  /** What else it may do at this server, beside the superuser's all: of `login`, `bypassrls`, `createdb`, `createrole`, `replication`. */
  readonly attributes: readonly string[];
}

export interface Membership {
  readonly member: string;
  readonly role: string;
  /** 'true': has its rights at once. 'false': only after SET ROLE. */
  readonly inherits: string;
}

export interface Roles {
  /** server_version_num. */
  readonly version: number;
  readonly roles: ReadonlyMap<string, RoleRow>;
  /** Who may act as which of the roles asked for. Superusers, who may as all of them, are left out. */
  readonly members: readonly Membership[];
  /** Roles that this database keeps settings or user mappings for. */
  readonly mentioned: readonly string[];
}

/** Their members have rights on every table that no ACL shows (manual: "Predefined Roles"). */
const REACH_EVERY_TABLE = ["pg_read_all_data", "pg_write_all_data", "pg_maintain"];

/** `named`: the roles whose members count. */
export async function readRoles(ask: Ask, named: readonly string[]): Promise<Roles> {
  const { version } = await readServer(ask);
  const roles = await ask<Omit<RoleRow, "attributes"> & { attributes: string }>(
    `select rolname::text as name, rolcanlogin::text as login, rolsuper::text as superuser,
            concat_ws(' ', case when rolcanlogin then 'login' end, case when rolbypassrls then 'bypassrls' end, case when rolcreatedb then 'createdb' end,
                      case when rolcreaterole then 'createrole' end, case when rolreplication then 'replication' end) as attributes
       from pg_catalog.pg_roles`,
  );
  // Who is whose member is followed up the catalog: pg_has_role() for each two of a thousand roles would take a minute.
  const members = await ask<Membership>(
    `with recursive up(member, role) as (
       select member, roleid from pg_catalog.pg_auth_members union select up.member, a.roleid from up join pg_catalog.pg_auth_members a on a.member = up.role)
     select m.rolname::text as member, r.rolname::text as role, pg_catalog.pg_has_role(m.oid, r.oid, 'usage')::text as inherits
       from up join pg_catalog.pg_roles r on r.oid = up.role join pg_catalog.pg_roles m on m.oid = up.member and not m.rolsuper and m.rolname not like 'pg\\_%'
      where r.rolname = any($1::text[]) and r.rolname <> 'pg_database_owner' and m.oid <> r.oid order by 1, 2`,
    [[...named, ...REACH_EVERY_TABLE]],
  );
  const mentioned = await ask<{ name: string }>(
    `select pg_catalog.pg_get_userbyid(s.setrole)::text as name from pg_catalog.pg_db_role_setting s join pg_catalog.pg_database d on d.oid = s.setdatabase
      where d.datname = current_database() and s.setrole <> 0
     union select usename::text from pg_catalog.pg_user_mappings where umuser <> 0 order by 1`,
  );
  return {
    version,
    roles: new Map(roles.map((row) => [row.name, { ...row, attributes: row.attributes.split(" ").filter((one) => one !== "") }])),
    members,
    mentioned: mentioned.map(({ name }) => name),
  };
}

/**
 * Every role that owns something, has a right, or stands in a policy or a default, as far as that is kept. `public` is nobody, and our own role
 * counts only as an owner: for the sake of the move it was let in.
 */
export function namedRoles(access: Access, scope: AccessScope): ReadonlySet<string> {
  const { policies, self } = access;
  const defaults = scope.privileges ? access.defaults : [];
  const objects = access.objects.map((one) => (scope.privileges ? one : { ...one, grants: null }));
  const owners = !scope.owners
    ? []
    : objects.filter(({ ownerFollows, kind, name }) => !ownerFollows && !(kind === "schema" && name === "public"));
  const grantees = [
    ...objects.flatMap(({ grants, initial }) => (grants ?? []).filter((grant) => !isFirst(initial, grant)).map(({ grantee }) => grantee)),
    ...defaults.flatMap(({ grants }) => grants.map(({ grantee }) => grantee)),
    ...policies.flatMap(({ roles }) => roles),
  ];
  const names = [...owners.map(({ owner }) => owner), ...defaults.map(({ role }) => role), ...grantees.filter((name) => name !== self)];
  return new Set(names.filter((name): name is string => name !== null && name !== "public"));
}

function isFirst(initial: readonly Grant[] | null, { grantee, privilege }: Grant): boolean {
  return initial?.some((one) => one.grantee === grantee && one.privilege === privilege) ?? false;
}
