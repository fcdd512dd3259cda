import { quoteIdent } from "../../postgres/quote.ts";
import { type Access, readAccess } from "../../side/postgres/catalog/access-queries.ts";
import { askOf } from "../../side/postgres/catalog/ask.ts";
import { privilegesUnknownTo } from "../../side/postgres/catalog/compare-access.ts";
import { compareRoles, type RoleDifferences } from "../../side/postgres/catalog/compare-roles.ts";
import { namedRoles, readRoles } from "../../side/postgres/catalog/role-queries.ts";
import { readOwnRole } from "../../side/postgres/facts/own-role.ts";
import { selectNotOurs } from "../queries/check-server-queries.ts";
import { type Check, type CheckContext, fail, named, pass, statements, type Verdict, warn } from "./check.ts";

/** Whom the source names, and whether the target knows them: roles belong to no database, so nothing moves them. */
export const ACCESS_CHECKS: readonly Check[] = [
  { id: "roles", run: roles },
  { id: "role-memberships", run: memberships },
  { id: "role-attributes", run: attributes },
  { id: "owners", run: owners },
  { id: "grants", run: grants },
];

async function differences({ source, target, access: scope }: CheckContext): Promise<RoleDifferences & { readonly count: number }> {
  const access = await readAccess(askOf(source.client));
  const names = namedRoles(access, scope);
  const pair = { source: await readRoles(askOf(source.client), [...names]), target: await readRoles(askOf(target.client), [...names]) };
  return { ...compareRoles({ ...pair, named: names, self: access.self }), count: names.size };
}

/** Owners, grantees of every kind of object and of columns, roles of policies, of default privileges, of user mappings and settings. */
async function roles(context: CheckContext): Promise<Verdict> {
  const { missing, count } = await differences(context);
  if (missing.length === 0) return pass(`the source names ${count} roles, and the target has them all`);
  const evidence = `the source names roles that the target does not have: ${named(missing.map(({ name }) => name))}; what they own and may do is not moved`;
  const { owners: keepsOwners, privileges } = context.access;
  const fix = statements(
    missing.flatMap(({ statement }) => statement ?? []),
    "at the target; then set its password and attributes",
  );
  return (keepsOwners || privileges ? fail : warn)(evidence, fix ?? ownRoles(missing.map(({ name }) => name)));
}

function ownRoles(names: readonly string[]): string {
  return `${named(names)} belong to PostgreSQL, and the target's version does not have them: at the source, grant these rights to a role of your own, and revoke them from those`;
}

async function memberships(context: CheckContext): Promise<Verdict> {
  const { memberships: lacking, lessThanBefore } = await differences(context);
  if (lacking.length === 0 && lessThanBefore.length === 0) return pass("the same at the target");
  const evidence = [
    ...(lacking.length === 0 ? [] : [`at the source, and not at the target: ${named(lacking.map(({ text }) => text))}`]),
    ...(lessThanBefore.length === 0 ? [] : [`superuser at the source, and not at the target: ${named(lessThanBefore)}`]),
  ];
  return warn(
    evidence.join("; "),
    statements(
      lacking.flatMap(({ statement }) => statement ?? []),
      "at the target, once both roles exist",
    ),
  );
}

/** BYPASSRLS and the like belong to the server, and no grant tells of them. */
async function attributes(context: CheckContext): Promise<Verdict> {
  const { attributes: found } = await differences(context);
  if (found.length === 0) return pass("the same at the target");
  return warn(
    `roles that the source names, with other attributes at the target: ${named(found.map(({ text }) => text))}`,
    statements(
      found.map(({ statement }) => statement),
      "at the target, if it should be as at the source",
    ),
  );
}

/** ALTER ... OWNER needs membership in the new owner (manual: "ALTER TABLE"); from 16 on one that allows SET ROLE. */
async function owners({ source, target, access }: CheckContext): Promise<Verdict> {
  if (!access.owners) return pass("all objects will belong to the role that connects (target.owners: drop)");
  const { objects } = await readAccess(askOf(source.client));
  const wanted = [...new Set(objects.filter(({ ownerFollows }) => !ownerFollows).map(({ owner }) => owner))];
  const foreign = await selectNotOurs(target.client, wanted, target.version);
  if (foreign.length === 0) return pass("our role may give objects to every owner at the target");
  const role = quoteIdent((await readOwnRole(askOf(target.client))).name);
  return fail(
    `our role at the target may not give objects to ${named(foreign)}`,
    statements(
      foreign.map((name) => `grant ${quoteIdent(name)} to ${role}`),
      "at the target",
    ),
  );
}

async function grants({ source, target, access }: CheckContext): Promise<Verdict> {
  const here: Access = await readAccess(askOf(source.client));
  const unknown = access.privileges ? privilegesUnknownTo(target.version, here) : [];
  if (unknown.length === 0) return pass("the target's version knows every granted privilege");
  return warn(`the target's version does not know these privileges: ${named(unknown)}`);
}
