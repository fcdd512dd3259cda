import { type Answer, fail, pass, warn } from "../../conditions/condition.ts";
import { named, statements } from "../../conditions/listing.ts";
import { type Check, type CheckContext, check } from "./check.ts";

/** Whom the source names, and whether the target knows them: roles belong to no database, so nothing moves them. */
export const ACCESS_CHECKS: readonly Check[] = [
  check("roles", "both", "the target has every role that the source names", roles),
  check("role-memberships", "both", "roles are members at the target of what they are members of at the source", memberships),
  check("role-attributes", "both", "roles have the same attributes at both sides", attributes),
  check("owners", "both", "our role may give objects to their owners at the target", owners),
  check("grants", "both", "the target's version knows every privilege that was granted", grants),
];

/** Owners, grantees of every kind of object and of columns, roles of policies, of default privileges, of user mappings and settings. */
async function roles(context: CheckContext): Promise<Answer> {
  const { missing, named: count } = await context.between.roles(context.access);
  if (missing.length === 0) return pass(`${count} roles are named at the source, and the target has them`);
  const evidence = `the source names roles that the target does not have: ${named(missing.map(({ name }) => name))}; what they own or may do is not carried over`;
  const { owners: keepsOwners, privileges } = context.access;
  const fix = statements(
    missing.flatMap(({ statement }) => statement ?? []),
    "at the target; then its password and attributes",
  );
  return (keepsOwners || privileges ? fail : warn)(evidence, fix ?? ownRoles(missing.map(({ name }) => name)));
}

function ownRoles(names: readonly string[]): string {
  return `${named(names)} belong to PostgreSQL, and the target's version does not have them: grant these rights to a role of yours at the source, and revoke them from there`;
}

async function memberships(context: CheckContext): Promise<Answer> {
  const { memberships: lacking, lessThanBefore } = await context.between.roles(context.access);
  if (lacking.length === 0 && lessThanBefore.length === 0) return pass("the same at the target");
  const evidence = [
    ...(lacking.length === 0 ? [] : [`at the source, and not at the target: ${named(lacking.map(({ title }) => title))}`]),
    ...(lessThanBefore.length === 0 ? [] : [`superuser at the source, and not at the target: ${named(lessThanBefore)}`]),
  ];
  return warn(
    evidence.join("; "),
    statements(
      lacking.flatMap(({ statement }) => statement ?? []),
      "at the target, once both roles are there",
    ),
  );
}

/** BYPASSRLS and the like belong to the server, and no grant tells of them. */
async function attributes(context: CheckContext): Promise<Answer> {
  const { attributes: found } = await context.between.roles(context.access);
  if (found.length === 0) return pass("the same at the target");
  return warn(
    `roles that the source names and that may do something else at the target: ${named(found.map(({ title }) => title))}`,
    statements(
      found.flatMap(({ statement }) => statement ?? []),
      "at the target, if it is to be as at the source",
    ),
  );
}

async function owners({ between, access }: CheckContext): Promise<Answer> {
  if (!access.owners) return pass("everything will belong to the role that connects (target.owners: drop)");
  const foreign = await between.ownersNotOurs();
  if (foreign.length === 0) return pass("our role may give objects to every owner that the target has");
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
  if (unknown.length === 0) return pass("the target's version knows every privilege that was granted");
  return warn(`the target's version does not know what was granted: ${named(unknown)}`);
}
