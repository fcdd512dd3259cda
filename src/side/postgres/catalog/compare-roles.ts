/** Which roles the target lacks, and which memberships. Pure. */
import { quoteIdent } from "../../../postgres/quote.ts";
import type { Membership, Roles } from "./role-queries.ts";

export interface MissingRole {
  readonly name: string;
  /** Null for one of PostgreSQL's own, which a version has or has not. */
  readonly statement: string | null;
}

export interface RoleDifferences {
  readonly missing: readonly MissingRole[];
  /** Statements, for roles that are there on both sides or will be. */
  readonly memberships: readonly { readonly text: string; readonly statement: string | null }[];
  /** Superusers of the source that are none at the target: what they may do there is only what was granted. */
  readonly lessThanBefore: readonly string[];
}

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
  return {
    missing: relevant.filter((name) => !target.roles.has(name)).map((name) => ({ name, statement: createRole(name, source) })),
    memberships: members.flatMap((one) => membership(one, target) ?? []),
    lessThanBefore: relevant.filter(
      (name) => source.roles.get(name)?.superuser === "true" && target.roles.get(name)?.superuser === "false",
    ),
  };
}

function createRole(name: string, source: Roles): string | null {
  if (name.startsWith("pg_")) return null;
  return `create role ${quoteIdent(name)}${source.roles.get(name)?.login === "true" ? " login" : ""}`;
}

/** Null where the target has it, or something stronger. */
function membership({ member, role, inherits }: Membership, target: Roles): RoleDifferences["memberships"][number] | null {
  if (target.roles.get(member)?.superuser === "true") return null;
  const found = target.members.find((one) => one.member === member && one.role === role);
  if (found !== undefined && (found.inherits === "true" || inherits === "false")) return null;
  const text = `${member} ${inherits === "true" ? "has the rights of" : "may become"} ${role}`;
  if (role.startsWith("pg_") && !target.roles.has(role)) return { text, statement: null };
  const grant = `grant ${quoteIdent(role)} to ${quoteIdent(member)}`;
  if (found === undefined) return { text, statement: grant };
  // Until 16 whether rights are inherited is the member's own attribute.
  return { text, statement: target.version >= 160_000 ? `${grant} with inherit true` : `alter role ${quoteIdent(member)} inherit` };
}
