/** Which roles the target lacks, and which memberships. Pure. */
import type { RoleDifferences } from "../../../conditions/between-facts.ts";
import { quoteIdent } from "../../../postgres/quote.ts";
import type { Membership, Roles } from "./role-queries.ts";

export interface RolePair {
  readonly source: Roles;
  readonly target: Roles;
  /** Of the source's database. */
  readonly named: ReadonlySet<string>;
  /** Our own role at the source: let in for the move, it is not missed at the target. */
  readonly self: string;
}

export function compareRoles({ source, target, named, self }: RolePair): RoleDifferences {
  const members = source.members.filter(({ member }) => member !== self);
  const relevant = [...new Set([...named, ...source.mentioned, ...members.map(({ member }) => member)])].sort();
  const found = new Map(target.members.map((one) => [JSON.stringify([one.member, one.role]), one]));
  return {
    named: named.size,
    missing: relevant.filter((name) => !target.roles.has(name)).map((name) => ({ name, statement: createRole(name, source) })),
    memberships: members.flatMap((one) => membership(one, target, found.get(JSON.stringify([one.member, one.role]))) ?? []),
    lessThanBefore: relevant.filter(
      (name) => source.roles.get(name)?.superuser === "true" && target.roles.get(name)?.superuser === "false",
    ),
    attributes: relevant.filter((name) => name !== self).flatMap((name) => attributesOf(name, source, target)),
  };
}

/** A superuser may do all of it. Memberships tell of `inherit`. */
function attributesOf(name: string, source: Roles, target: Roles): RoleDifferences["attributes"] {
  const [here, there] = [source.roles.get(name), target.roles.get(name)];
  if (here === undefined || there === undefined || name.startsWith("pg_")) return [];
  if (there.superuser === "true")
    return here.superuser === "true"
      ? []
      : [{ title: `${name} is superuser at the target only`, statement: `alter role ${quoteIdent(name)} nosuperuser` }];
  if (here.superuser === "true") return [];
  return [
    ...here.attributes
      .filter((one) => !there.attributes.includes(one))
      .map((one) => ({ title: `${name} has ${one} at the source only`, statement: `alter role ${quoteIdent(name)} ${one}` })),
    ...there.attributes
      .filter((one) => !here.attributes.includes(one))
      .map((one) => ({ title: `${name} has ${one} at the target only`, statement: `alter role ${quoteIdent(name)} no${one}` })),
  ];
}

function createRole(name: string, source: Roles): string | null {
  if (name.startsWith("pg_")) return null;
  return `create role ${quoteIdent(name)}${source.roles.get(name)?.login === "true" ? " login" : ""}`;
}

/** Null where the target has it, or something stronger. */
function membership(
  { member, role, inherits }: Membership,
  target: Roles,
  found: Membership | undefined,
): RoleDifferences["memberships"][number] | null {
  if (target.roles.get(member)?.superuser === "true") return null;
  if (found !== undefined && (found.inherits === "true" || inherits === "false")) return null;
  const title = `${member} ${inherits === "true" ? "has the rights of" : "may become"} ${role}`;
  if (role.startsWith("pg_") && !target.roles.has(role)) return { title, statement: null };
  const grant = `grant ${quoteIdent(role)} to ${quoteIdent(member)}`;
  if (found === undefined) return { title, statement: grant };
  // Until 16 whether rights are inherited is the member's own attribute.
  return { title, statement: target.version >= 160_000 ? `${grant} with inherit true` : `alter role ${quoteIdent(member)} inherit` };
}
