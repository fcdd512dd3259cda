import type { AccessAsked, AccessDifferences, NotOurs, RoleDifferences } from "../../../conditions/between-facts.ts";
import type { AccessScope } from "../../../model/access-scope.ts";
import { type Access, readAccess } from "../catalog/access-queries.ts";
import type { Ask } from "../catalog/ask.ts";
import { compareAccess, privilegesUnknownTo } from "../catalog/compare-access.ts";
import { matcher } from "../catalog/compare-objects.ts";
import { compareRoles } from "../catalog/compare-roles.ts";
import { namedRoles, readRoles } from "../catalog/role-queries.ts";
import { readNotOurs } from "./role-facts.ts";
import { readServer } from "./server.ts";

/** What roles may do in `from` and not in `to`, or the other way round. */
export async function readAccessDifferences(from: Ask, to: Ask, { notNeeded, ...scope }: AccessAsked): Promise<AccessDifferences> {
  const here = await readAccess(from);
  const there = await readAccess(to, here);
  const named = namedRoles(here, scope);
  // Whom the old primary does not know, a monitor say, was let in by the new one's operator.
  const isOurs = (role: string): boolean => role === "public" || named.has(role);
  const isUnwanted = matcher(notNeeded);
  const wanted = <T extends { readonly title: string }>(found: readonly T[]): readonly T[] =>
    found.filter(({ title }) => !isUnwanted(title));
  const roles: RoleDifferences =
    scope.owners || scope.privileges ? await rolesBetween(from, to, { named, self: here.self }) : NOBODY_COUNTS;
  return {
    roles: named.size,
    objects: here.objects.length,
    missingRoles: wanted(roles.missing.map(({ name, statement }) => ({ name, title: `role ${name}`, statement }))),
    memberships: wanted(roles.memberships),
    rights: wanted(
      compareAccess(here, there, scope)
        .filter(({ kind, roles: about }) => kind !== "extra" || about.some(isOurs))
        .map(({ kind, what, statement, obstacle }) => ({ kind, title: what, statement, obstacle })),
    ),
    noSuperuserAnyMore: roles.lessThanBefore,
    attributes: roles.attributes.map(({ title }) => title),
    ownersNotKept: scope.owners ? [] : ownersOf(here).filter((owner) => owner !== there.self),
  };
}

/** Nobody's rights are kept: then roles don't matter either. */
const NOBODY_COUNTS: RoleDifferences = { named: 0, missing: [], memberships: [], lessThanBefore: [], attributes: [] };

export async function readRoleDifferences(from: Ask, to: Ask, scope: AccessScope): Promise<RoleDifferences> {
  const access = await readAccess(from);
  return rolesBetween(from, to, { named: namedRoles(access, scope), self: access.self });
}

async function rolesBetween(
  from: Ask,
  to: Ask,
  { named, self }: { readonly named: ReadonlySet<string>; readonly self: string },
): Promise<RoleDifferences> {
  const names = [...named];
  return compareRoles({ source: await readRoles(from, names), target: await readRoles(to, names), named, self });
}

export async function readOwnersNotOurs(from: Ask, to: Ask): Promise<readonly NotOurs[]> {
  const { objects } = await readAccess(from);
  return readNotOurs(to, [...new Set(objects.filter(({ ownerFollows }) => !ownerFollows).map(({ owner }) => owner))]);
}

export async function readUnknownPrivileges(from: Ask, to: Ask): Promise<readonly string[]> {
  const access = await readAccess(from);
  return privilegesUnknownTo((await readServer(to)).version, access);
}

/** Their rights were those of owners, which target.owners: drop does not carry over. */
function ownersOf({ objects }: Access): readonly string[] {
  return [...new Set(objects.filter(({ ownerFollows, initial }) => !ownerFollows && initial === null).map(({ owner }) => owner))];
}
