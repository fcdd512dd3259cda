import type { Difference, RightDifference } from "../../conditions/between-facts.ts";
import type { Gate } from "../gate.ts";

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
  when: ["switch"],
  side: "both",
  async ask({ between, access, limits }) {
    const found = await between.access({ ...access, notNeeded: limits.notNeeded });
    const all = [...found.missingRoles, ...found.memberships, ...found.rights];
    return {
      verdict: all.length === 0 ? "pass" : "fail",
      evidence: {
        roles: found.roles,
        objects: found.objects,
        missingRoles: found.missingRoles.slice(0, SHOWN).map(({ name }) => name),
        missingMemberships: found.memberships.slice(0, SHOWN).map(({ title }) => title),
        differences: found.rights.length,
        ...some("first", found.rights.map(sentence)),
        ...some("noSuperuserAnyMore", found.noSuperuserAnyMore),
        ...some("attributesThatDiffer", found.attributes),
        ...some("ownersNotKept", found.ownersNotKept),
      },
      advice: all.length === 0 ? null : fixFor(all),
    };
  },
};

/** Evidence that is only worth a place when there is some. */
function some(key: string, found: readonly string[]): Readonly<Record<string, readonly string[]>> {
  return found.length === 0 ? {} : { [key]: found.slice(0, SHOWN) };
}

const WORDS: Readonly<Record<RightDifference["kind"], string>> = {
  owner: "has another owner",
  grant: "lacks a grant",
  extra: "is there, or has a grant, that the source does not have",
  default: "lack default privileges",
  policy: "is missing, or for other roles",
};

function sentence({ kind, title, statement, obstacle }: RightDifference): string {
  return `${title} ${WORDS[kind]}${statement === null ? `: ${obstacle}` : ""}`;
}

function fixFor(all: readonly Difference[]): string {
  const statements = all.flatMap(({ statement }) => statement ?? []);
  const others = all.filter(({ statement }) => statement === null).map(({ title }) => title);
  const more = Math.max(0, statements.length - STATEMENTS);
  return [
    ...statements.slice(0, STATEMENTS).map((statement) => `${statement};`),
    ...(others.length === 0
      ? []
      : [`-- the target's version does not know these, so no statement can grant them: ${others.slice(0, STATEMENTS).join(", ")}`]),
    `-- at the target${more > 0 ? `, and ${more} more` : ""}; name what is not needed there in cutover.gates.notNeeded`,
  ].join("\n");
}
