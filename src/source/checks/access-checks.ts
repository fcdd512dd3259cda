import { type Answer, fail, pass, warn } from "../../conditions/condition.ts";
import { named, statements } from "../../conditions/listing.ts";
import { type Check, type CheckContext, check } from "./check.ts";

/** Whom the source names, and whether the target knows them: roles belong to no database, so nothing moves them. */
export const ACCESS_CHECKS: readonly Check[] = [
  check("roles", "both", "the target has every role that the source names", roles),
  check("role-memberships", "both", "roles have the same memberships on both sides", memberships),
  check("role-attributes", "both", "roles have the same attributes on both sides", attributes),
  check("owners", "both", "our role may give objects to their owners at the target", owners),
  check("grants", "both", "the target's version knows every granted privilege", grants),
];

/** Owners, grantees of every kind of object and of columns, roles of policies, of default privileges, of user mappings and settings. */
async function roles(context: CheckContext): Promise<Answer> {
  const { missing, named: count } = await context.between.roles(context.access);
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

async function memberships(context: CheckContext): Promise<Answer> {
  const { memberships: lacking, lessThanBefore } = await context.between.roles(context.access);
  if (lacking.length === 0 && lessThanBefore.length === 0) return pass("the same at the target");
  const evidence = [
    ...(lacking.length === 0 ? [] : [`at the source, but not at the target: ${named(lacking.map(({ title }) => title))}`]),
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
async function attributes(context: CheckContext): Promise<Answer> {
  const { attributes: found } = await context.between.roles(context.access);
  if (found.length === 0) return pass("the same at the target");
  return warn(
    `roles that the source names, with other attributes at the target: ${named(found.map(({ title }) => title))}`,
    statements(
      found.flatMap(({ statement }) => statement ?? []),
      "at the target, if it should be as at the source",
    ),
  );
}

async function owners({ between, access }: CheckContext): Promise<Answer> {
  if (!access.owners) return pass("all objects will belong to the role that connects (target.owners: drop)");
  const foreign = await between.ownersNotOurs();
  if (foreign.length === 0) return pass("our role may give objects to every owner at the target");
  return fail(
    `our role at the target may not give objects to ${named(foreign.map(({ role }) => role))}`,
    statements(
      foreign.map(({ grant }) => grant),
      "at the target",
    ),
  );
}

async function grants({ between, access }: CheckContext): Promise<Answer> {
  const unknown = access.privileges ? await between.unknownPrivileges() : [];
  if (unknown.length === 0) return pass("the target's version knows every granted privilege");
  return warn(`the target's version does not know these privileges: ${named(unknown)}`);
}
