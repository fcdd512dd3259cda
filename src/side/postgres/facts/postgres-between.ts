import type { BetweenFacts } from "../../../conditions/between-facts.ts";
import type { Ask } from "../catalog/ask.ts";
import { readAccessDifferences, readOwnersNotOurs, readRoleDifferences, readUnknownPrivileges } from "./access-differences.ts";
import { readObjectDifferences } from "./object-differences.ts";

/** The facts of two PostgreSQL databases, each asked through one session that is in no transaction: how `to` falls short of `from`. */
export function postgresBetween(from: Ask, to: Ask): BetweenFacts {
  return {
    objects: (asked) => readObjectDifferences(from, to, asked),
    access: (asked) => readAccessDifferences(from, to, asked),
    roles: (scope) => readRoleDifferences(from, to, scope),
    ownersNotOurs: () => readOwnersNotOurs(from, to),
    unknownPrivileges: () => readUnknownPrivileges(from, to),
  };
}
