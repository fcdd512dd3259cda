import { type Access, readAccess } from "../../../side/postgres/catalog/access-queries.ts";
import { type AccessDifference, compareAccess } from "../../../side/postgres/catalog/compare-access.ts";
import { matcher } from "../../../side/postgres/catalog/compare-objects.ts";
import { compareRoles, type RoleDifferences } from "../../../side/postgres/catalog/compare-roles.ts";
import { namedRoles, readRoles } from "../../../side/postgres/catalog/role-queries.ts";
import type { Gate, GateContext } from "../../gate.ts";

const SHOWN = 5;
/** Enough to paste; the rest shows when these are done. */
const STATEMENTS = 20;

/**
 * What a role may do comes from owners, grants and memberships, its own and those of the roles it has the rights of. Where all of these are
 * equal, so is what it may do: a has_table_privilege for each role and object would ask the same a million times.
 */
export const privilegesGate: Gate = {
  id: "privileges",
  title: "every role may do at the target what it may do at the source",
  forwardOnly: true,
  async ask(context) {
    const { from, to, access } = context;
    const here = await readAccess(from.query);
    const there = await readAccess(to.query, here);
    const named = namedRoles(here, access);
    // Whom the source does not know, a monitor say, was let in by the target's operator.
    const isOurs = (role: string): boolean => role === "public" || named.has(role);
    const isUnwanted = matcher(context.limits.notNeeded);
    const differences = compareAccess(here, there, access).filter(
      ({ kind, roles, what }) => (kind !== "extra" || roles.some(isOurs)) && !isUnwanted(what),
    );
    const roles = await rolesOf(context, named, here.self);
    const missing = roles.missing.filter(({ name }) => !isUnwanted(`role ${name}`));
    const memberships = roles.memberships.filter(({ text }) => !isUnwanted(text));
    const all = [
      ...missing.map(({ name, statement }) => ({ title: `role ${name}`, statement })),
      ...memberships.map(({ text, statement }) => ({ title: text, statement })),
      ...differences.map(({ what, statement }) => ({ title: what, statement })),
    ];
    return {
      open: all.length === 0,
      evidence: {
        roles: named.size,
        objects: here.objects.length,
        missingRoles: missing.slice(0, SHOWN).map(({ name }) => name),
        missingMemberships: memberships.slice(0, SHOWN).map(({ text }) => text),
        differences: differences.length,
        ...some("first", differences.map(sentence)),
        ...some("noSuperuserAnyMore", roles.lessThanBefore),
        ...some(
          "attributesThatDiffer",
          roles.attributes.map(({ text }) => text),
        ),
        ...some("ownersNotKept", access.owners ? [] : ownersOf(here).filter((owner) => owner !== there.self)),
      },
      ...(all.length === 0 ? {} : { fix: fixFor(all) }),
    };
  },
};

/** Evidence that is only worth a place when there is some. */
function some(key: string, found: readonly string[]): Readonly<Record<string, readonly string[]>> {
  return found.length === 0 ? {} : { [key]: found.slice(0, SHOWN) };
}

/** Their rights were those of owners, which target.owners: drop does not carry over. */
function ownersOf({ objects }: Access): readonly string[] {
  return [...new Set(objects.filter(({ ownerFollows, initial }) => !ownerFollows && initial === null).map(({ owner }) => owner))];
}

/** Nobody's rights are kept: then roles don't matter either. */
async function rolesOf({ from, to, access }: GateContext, named: ReadonlySet<string>, self: string): Promise<RoleDifferences> {
  if (!access.owners && !access.privileges) return { missing: [], memberships: [], lessThanBefore: [], attributes: [] };
  const names = [...named];
  return compareRoles({ source: await readRoles(from.query, names), target: await readRoles(to.query, names), named, self });
}

const WORDS: Readonly<Record<AccessDifference["kind"], string>> = {
  owner: "has another owner",
  grant: "lacks a grant",
  extra: "is there, or has a grant, that the source does not have",
  default: "lack default privileges",
  policy: "is missing, or for other roles",
};

function sentence({ kind, what, statement, obstacle }: AccessDifference): string {
  return `${what} ${WORDS[kind]}${statement === null ? `: ${obstacle}` : ""}`;
}

function fixFor(all: readonly { readonly title: string; readonly statement: string | null }[]): string {
  const statements = all.flatMap(({ statement }) => statement ?? []);
  const others = all.filter(({ statement }) => statement === null).map(({ title }) => title);
  const more = Math.max(0, statements.length - STATEMENTS);
  return [
    ...statements.slice(0, STATEMENTS).map((statement) => `${statement};`),
    ...(others.length === 0
      ? []
      : [`-- the target's version does not know it, so no statement can: ${others.slice(0, STATEMENTS).join(", ")}`]),
    `-- at the target${more > 0 ? `, and ${more} more` : ""}; what is not needed there: cutover.gates.notNeeded`,
  ].join("\n");
}
