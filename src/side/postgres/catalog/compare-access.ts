/**
 * What the roles of one database may do there and not at the other, with the statements that make it so. Pure. Objects that are not on both
 * sides are somebody else's business, and so is the server beyond this database.
 */
import type { RightDifference } from "../../../conditions/between-facts.ts";
import type { AccessScope } from "../../../model/access-scope.ts";
import { quoteIdent } from "../../../postgres/quote.ts";
import type { Access, AccessObject, Grant } from "./access-queries.ts";

export interface AccessDifference {
  readonly kind: RightDifference["kind"];
  /** The object, as `table public.orders`. */
  readonly what: string;
  /** The roles it is about; `public` for everybody. */
  readonly roles: readonly string[];
  /** Run at the target it makes the difference go away; null where no statement can. */
  readonly statement: string | null;
  /** Why no statement can, or why this one cannot yet. */
  readonly obstacle: string | null;
}

/** Versions that know a privilege, where not all do. */
const SINCE: Readonly<Record<string, number>> = { MAINTAIN: 170_000 };

const GRANTED_ON: Readonly<Record<string, string>> = {
  table: "table",
  view: "table",
  "materialized view": "table",
  "foreign table": "table",
  column: "table",
  sequence: "sequence",
  function: "routine",
  procedure: "routine",
  aggregate: "routine",
  type: "type",
  schema: "schema",
  language: "language",
  "foreign-data wrapper": "foreign data wrapper",
  server: "foreign server",
  database: "database",
};

/** ALTER, where it has another word for the kind than pg_identify_object. ALTER TABLE OWNER takes whatever pg_class holds. */
const ALTERED_AS: Readonly<Record<string, string>> = {
  view: "table",
  "materialized view": "table",
  "foreign table": "table",
  sequence: "table",
  function: "routine",
  procedure: "routine",
  aggregate: "routine",
  "foreign-data wrapper": "foreign data wrapper",
  "statistics object": "statistics",
};

/** Differences in an order in which they can be made to go away: who may use a schema comes before what lies in it. */
export function compareAccess(source: Access, target: Access, scope: AccessScope): readonly AccessDifference[] {
  const pairs = pairsOf(source, target).sort(([a], [b]) => rank(a) - rank(b));
  const context = { source, target };
  const differences = pairs.flatMap(([here, there]) => [
    ...(scope.owners ? ownerDifference(context, here, there) : []),
    ...(scope.privileges ? grantDifferences(context, here, there) : []),
  ]);
  const unknown = scope.privileges ? source.objects.filter((object) => target.unknown.has(object)).flatMap(unknownDifference) : [];
  return [...differences, ...unknown, ...(scope.privileges ? defaultDifferences(context) : []), ...policyDifferences(context)];
}

interface Context {
  readonly source: Access;
  readonly target: Access;
}

function rank({ kind }: AccessObject): number {
  return kind === "database" ? 0 : kind === "schema" ? 1 : 2;
}

function keyOf({ kind, name, column }: AccessObject): string {
  // Each database has a name of its own, and a view may have become a materialized one.
  return JSON.stringify([kind === "database" ? kind : (GRANTED_ON[kind] ?? kind), kind === "database" ? "" : name, column]);
}

/** A column without grants of its own is in no list; its table is. An object of the system whose grants nobody changed neither. */
function pairsOf(source: Access, target: Access): (readonly [AccessObject, AccessObject])[] {
  const there = new Map(target.objects.map((object) => [keyOf(object), object]));
  const here = new Map(source.objects.map((object) => [keyOf(object), object]));
  const pairs = source.objects.flatMap((object): (readonly [AccessObject, AccessObject])[] => {
    const found = there.get(keyOf(object));
    if (found !== undefined) return [[object, found]];
    if (target.unknown.has(object)) return [];
    if (object.initial !== null) return [[object, { ...object, grants: object.initial }]];
    const table = object.column === null ? undefined : there.get(keyOf({ ...object, column: null }));
    return table === undefined ? [] : [[object, { ...object, owner: table.owner, grants: [] }]];
  });
  const bare = target.objects.flatMap((object): (readonly [AccessObject, AccessObject])[] => {
    if (object.column === null || here.has(keyOf(object)) || !here.has(keyOf({ ...object, column: null }))) return [];
    return [[{ ...object, grants: [] }, object]];
  });
  return [...pairs, ...bare];
}

function ownerDifference({ target }: Context, here: AccessObject, there: AccessObject): readonly AccessDifference[] {
  if (here.ownerFollows || here.owner === there.owner) return [];
  // initdb gives it to whoever a version thinks right: the server's first role, and from 15 on the database's owner.
  if (here.kind === "schema" && here.name === "public") return [];
  const role = here.owner;
  const statement = `alter ${ALTERED_AS[here.kind] ?? here.kind} ${here.name} owner to ${quoteIdent(role)}`;
  return [{ kind: "owner", what: title(here), roles: [role], ...possible(target, [role], statement) }];
}

function grantDifferences(context: Context, here: AccessObject, there: AccessObject): readonly AccessDifference[] {
  if (here.grants === null || there.grants === null) return [];
  const wanted = here.initial === null ? here.grants : changed(here.grants, here.initial);
  const lacking = wanted.filter((grant) => !holds(ofOwnerToo(there), grant) && isNeeded(context, grant));
  const extra = extraGrants(context, here, there);
  return [
    ...grouped(lacking).map((group) => toGrant(context.target, there, group)),
    ...revoked(extra, ofOwnerToo(here), (group, what) => toRevoke(there, group, what)),
  ];
}

/** An owner's rights are nameless, for each side has its own owner; a grant to who owns it at the other side is among them. */
function ofOwnerToo({ grants, owner }: AccessObject): readonly Grant[] {
  const own = (grants ?? []).filter(({ grantee }) => grantee === null);
  return [...(grants ?? []), ...own.map((grant) => ({ ...grant, grantee: owner, grantable: true }))];
}

/** Who may have a right and only not pass it on keeps it (manual: "REVOKE", GRANT OPTION FOR). */
function revoked(
  extra: readonly Grant[],
  given: readonly Grant[],
  revoke: (group: readonly [Grant, ...Grant[]], what: "" | "grant option for ") => AccessDifference,
): readonly AccessDifference[] {
  const keeps = (grant: Grant): boolean => grant.grantable && holds(given, { ...grant, grantable: false });
  return [
    ...grouped(extra.filter((grant) => !keeps(grant))).map((group) => revoke(group, "")),
    ...grouped(extra.filter(keeps)).map((group) => revoke(group, "grant option for ")),
  ];
}

/** Made by the system or by an extension of the source's version; the target's does not have it. */
function unknownDifference(object: AccessObject): readonly AccessDifference[] {
  const granted = changed(object.grants ?? [], object.initial ?? []);
  if (granted.length === 0) return [];
  const roles = [...new Set(granted.flatMap(({ grantee }) => grantee ?? []))];
  return [{ kind: "grant", what: title(object), roles, statement: null, obstacle: `the target has no ${title(object)}` }];
}

/** What was granted of an object that the system made. */
function changed(grants: readonly Grant[], initial: readonly Grant[]): readonly Grant[] {
  return grants.filter((grant) => grant.grantee !== null && !holds(initial, grant));
}

/** Our own role is not missed where it does not exist: it was let in at the source for the sake of the move. */
function isNeeded({ source, target }: Context, { grantee, privilege }: Grant): boolean {
  if (grantee === source.self && !target.roles.has(grantee)) return false;
  // The owner of a newer version's table may do one thing more, which nobody has granted.
  return grantee !== null || target.version >= (SINCE[privilege] ?? 0);
}

/** Of an object of the system only what the source took away is too much there; the database was made by the operator, as he wanted it. */
function extraGrants({ source, target }: Context, here: AccessObject, there: AccessObject): readonly Grant[] {
  if (here.kind === "database") return [];
  // Our own role writes the rows.
  const over = (there.grants ?? []).filter(
    ({ grantee, privilege }) => (grantee ?? there.owner) !== target.self && source.version >= (SINCE[privilege] ?? 0),
  );
  const given = ofOwnerToo(here);
  if (here.initial === null) return over.filter((grant) => !holds(given, grant));
  const taken = here.initial.filter((grant) => !holds(given, grant) && grant.grantee !== null);
  return over.filter((grant) => holds(taken, grant));
}

function holds(grants: readonly Grant[], { grantee, privilege, grantable }: Grant): boolean {
  return grants.some((one) => one.grantee === grantee && one.privilege === privilege && (one.grantable || !grantable || grantee === null));
}

/** One statement for each grantee; those that may be passed on are another. */
function grouped(grants: readonly Grant[]): readonly (readonly [Grant, ...Grant[]])[] {
  const groups = Map.groupBy(grants, ({ grantee, grantable }) => JSON.stringify([grantee, grantable]));
  return [...groups.values()] as unknown as readonly (readonly [Grant, ...Grant[]])[];
}

function toGrant(target: Access, there: AccessObject, group: readonly [Grant, ...Grant[]]): AccessDifference {
  const role = group[0].grantee ?? there.owner;
  const statement = `grant ${privilegeList(group, there)} on ${onWhat(there)} to ${roleName(role)}${group[0].grantable ? " with grant option" : ""}`;
  const unknown = group.filter(({ privilege }) => target.version < (SINCE[privilege] ?? 0)).map(({ privilege }) => privilege);
  const answer =
    unknown.length > 0
      ? { statement: null, obstacle: `PostgreSQL ${Math.floor(target.version / 10_000)} does not know ${unknown.join(", ")}` }
      : possible(target, [role], statement);
  return { kind: "grant", what: title(there), roles: [role], ...answer };
}

function toRevoke(there: AccessObject, group: readonly [Grant, ...Grant[]], what: string): AccessDifference {
  const role = group[0].grantee ?? there.owner;
  const statement = `revoke ${what}${privilegeList(group, there)} on ${onWhat(there)} from ${roleName(role)}`;
  return { kind: "extra", what: title(there), roles: [role], statement, obstacle: null };
}

function privilegeList(grants: readonly Grant[], { column }: AccessObject): string {
  const privileges = [...new Set(grants.map(({ privilege }) => privilege.toLowerCase()))].sort();
  return privileges.map((privilege) => (column === null ? privilege : `${privilege} (${column})`)).join(", ");
}

function onWhat({ kind, name }: AccessObject): string {
  return `${GRANTED_ON[kind] ?? kind} ${name}`;
}

function title({ kind, name, column }: AccessObject): string {
  return column === null ? `${kind} ${name}` : `column ${column} of ${name}`;
}

function roleName(role: string): string {
  return role === "public" ? role : quoteIdent(role);
}

/** A statement that names a role which is not there cannot be run yet. */
function possible(target: Access, roles: readonly string[], statement: string): Pick<AccessDifference, "statement" | "obstacle"> {
  const missing = roles.filter((role) => role !== "public" && !target.roles.has(role));
  if (missing.length === 0) return { statement, obstacle: null };
  const obstacle = `the target has no role ${missing.map(quoteIdent).join(", ")}`;
  // Nobody can make a role whose name begins so.
  return missing.some((role) => role.startsWith("pg_")) ? { statement: null, obstacle } : { statement, obstacle };
}

/** Defaults that only the target has are its operator's own. */
function defaultDifferences({ source, target }: Context): readonly AccessDifference[] {
  const key = ({ role, schema, on }: { role: string; schema: string | null; on: string }): string => JSON.stringify([role, schema, on]);
  const there = new Map(target.defaults.map((one) => [key(one), one]));
  return source.defaults.flatMap((one): readonly AccessDifference[] => {
    const now = there.get(key(one))?.grants ?? one.otherwise;
    const head = `alter default privileges for role ${quoteIdent(one.role)}${one.schema === null ? "" : ` in schema ${quoteIdent(one.schema)}`}`;
    const difference = (group: readonly [Grant, ...Grant[]], verb: "grant" | "revoke", what = ""): AccessDifference => {
      const role = group[0].grantee ?? one.role;
      const privileges = [...new Set(group.map(({ privilege }) => privilege.toLowerCase()))].sort().join(", ");
      const tail = verb === "grant" ? `to ${roleName(role)}${group[0].grantable ? " with grant option" : ""}` : `from ${roleName(role)}`;
      return {
        kind: verb === "grant" ? "default" : "extra",
        what: `${one.on} that ${one.role} makes${one.schema === null ? "" : ` in ${one.schema}`}`,
        roles: [one.role, role],
        ...possible(target, [...new Set([one.role, role])], `${head} ${verb} ${what}${privileges} on ${one.on} ${tail}`),
      };
    };
    const known = ({ privilege }: Grant): boolean => Math.min(source.version, target.version) >= (SINCE[privilege] ?? 0);
    return [
      ...grouped(one.grants.filter((grant) => known(grant) && !holds(now, grant))).map((group) => difference(group, "grant")),
      ...revoked(
        now.filter((grant) => known(grant) && !holds(one.grants, grant)),
        one.grants,
        (group, what) => difference(group, "revoke", what),
      ),
    ];
  });
}

function policyDifferences(context: Context): readonly AccessDifference[] {
  const { source, target } = context;
  const there = new Map(target.policies.map((one) => [`${one.table} ${one.name}`, one]));
  const tables = new Set(target.objects.map(({ name }) => name));
  const lacking = source.policies.flatMap((policy): readonly AccessDifference[] => {
    const { table, name, roles, create } = policy;
    const found = there.get(`${table} ${name}`);
    if (!tables.has(table) || (found !== undefined && sameRoles(found.roles, roles))) return [];
    const statement = found === undefined ? create : `alter policy ${name} on ${table} to ${roles.map(roleName).join(", ")}`;
    return [{ kind: "policy", what: `policy ${name} on ${table}`, roles, ...possible(target, roles, statement) }];
  });
  return [...lacking, ...extraPolicies(context)];
}

/** A permissive one more shows more rows, a restrictive one fewer. */
function extraPolicies({ source, target }: Context): readonly AccessDifference[] {
  const here = new Set(source.policies.map(({ table, name }) => `${table} ${name}`));
  const tables = new Set(source.objects.map(({ name }) => name));
  return target.policies
    .filter(({ table, name }) => tables.has(table) && !here.has(`${table} ${name}`))
    .map(({ table, name, roles }) => ({
      kind: "extra",
      what: `policy ${name} on ${table}`,
      roles,
      statement: `drop policy ${name} on ${table}`,
      obstacle: null,
    }));
}

function sameRoles(a: readonly string[], b: readonly string[]): boolean {
  return JSON.stringify([...a].sort()) === JSON.stringify([...b].sort());
}

/** Grants of a privilege that a version does not have, as `MAINTAIN on table public.t to app`. */
export function privilegesUnknownTo(version: number, { objects }: Access): readonly string[] {
  return objects.flatMap((object) =>
    (object.grants ?? [])
      .filter(({ grantee, privilege }) => grantee !== null && version < (SINCE[privilege] ?? 0))
      .map(({ grantee, privilege }) => `${privilege} on ${title(object)} to ${grantee}`),
  );
}
