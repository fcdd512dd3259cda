import { readAccess } from "../../../side/postgres/catalog/access-queries.ts";
import { type AccessDifference, compareAccess } from "../../../side/postgres/catalog/compare-access.ts";
import { compareRoles } from "../../../side/postgres/catalog/compare-roles.ts";
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
    const [here, there] = [await readAccess(from.query), await readAccess(to.query)];
    const named = namedRoles(here, access);
    // Whom the source does not know, a monitor say, was let in by the target's operator.
    const isOurs = (role: string): boolean => role === "public" || named.has(role);
    const differences = compareAccess(here, there, access).filter(({ kind, roles }) => kind !== "extra" || roles.some(isOurs));
    const { missing, memberships, lessThanBefore } = await rolesOf(context, named, here.self);
    const statements = [
      ...missing.flatMap(({ statement }) => statement ?? []),
      ...memberships.flatMap(({ statement }) => statement ?? []),
      ...differences.flatMap(({ statement }) => statement ?? []),
    ];
    const open = differences.length + missing.length + memberships.length === 0;
    return {
      open,
      evidence: {
        roles: named.size,
        objects: here.objects.length,
        missingRoles: missing.slice(0, SHOWN).map(({ name }) => name),
        missingMemberships: memberships.slice(0, SHOWN).map(({ text }) => text),
        differences: differences.length,
        ...(differences.length === 0 ? {} : { first: differences.slice(0, SHOWN).map(sentence) }),
        ...(lessThanBefore.length === 0 ? {} : { noSuperuserAnyMore: lessThanBefore }),
      },
      ...(open ? {} : { fix: fixFor(statements) }),
    };
  },
};

/** Nobody's rights are kept: then roles don't matter either. */
async function rolesOf({ from, to, access }: GateContext, named: ReadonlySet<string>, self: string) {
  if (!access.owners && !access.privileges) return { missing: [], memberships: [], lessThanBefore: [] };
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

function fixFor(statements: readonly string[]): string {
  if (statements.length === 0)
    return "no statement can: at the source, grant something that the target's version knows; or set target.privileges: drop";
  const lines = statements.slice(0, STATEMENTS).map((statement) => `${statement};`);
  const more = statements.length - lines.length;
  return `${lines.join("\n")}   -- at the target${more > 0 ? `, and ${more} more` : ""}`;
}
