/**
 * What a condition may ask of two sides at once: in what the new primary falls short of the old one, beside rows. An answer names each
 * difference and has the statement that makes it go away; whether a switch waits for it is the condition's to say.
 */
import type { AccessScope } from "../model/access-scope.ts";
import type { Table } from "../model/table.ts";

export interface BetweenFacts {
  objects(scope: ObjectsAsked): Promise<ObjectDifferences>;
  access(scope: AccessAsked): Promise<AccessDifferences>;
  /** Of the roles that the old primary names. */
  roles(scope: AccessScope): Promise<RoleDifferences>;
  /** Owners of the old primary's objects to whom our role at the new one may not give them. */
  ownersNotOurs(): Promise<readonly NotOurs[]>;
  /** Privileges that were granted and that the new primary's version does not know. */
  unknownPrivileges(): Promise<readonly string[]>;
}

export interface RoleDifferences {
  readonly named: number;
  readonly missing: readonly MissingRole[];
  /** Of roles that are there on both sides or will be. */
  readonly memberships: readonly Difference[];
  /** Superusers of the old primary that are none at the new one: what they may do there is only what was granted. */
  readonly lessThanBefore: readonly string[];
  /** Attributes that a role has at one side only. */
  readonly attributes: readonly Difference[];
}

export interface MissingRole {
  readonly name: string;
  /** Null for one of PostgreSQL's own, which a version has or has not. */
  readonly statement: string | null;
}

export interface NotOurs {
  readonly role: string;
  readonly grant: string;
}

export interface ObjectsAsked {
  /** Tables that take part; what hangs on others stays behind with them. */
  readonly tables: readonly Pick<Table, "schema" | "name">[];
  /** `KIND NAME`, where * stands for any text: what is not wanted there, or not alike. */
  readonly notNeeded: readonly string[];
  /** So many of the missing and of the differing are named, with their statements. */
  readonly named: number;
}

export interface AccessAsked extends AccessScope {
  readonly notNeeded: readonly string[];
}

export interface Difference {
  /** `view public.totals`, `role app`: what messages and patterns call it. */
  readonly title: string;
  /** Run at the new primary it makes the difference go away; null where the catalog cannot say it, or no statement can. */
  readonly statement: string | null;
}

export interface ObjectDifferences {
  /** Objects of the old primary that were looked at. */
  readonly compared: number;
  readonly missing: FirstOf;
  /** There by name, and doing something else. */
  readonly differing: FirstOf;
}

export interface FirstOf {
  readonly count: number;
  readonly first: readonly Difference[];
}

export interface AccessDifferences {
  /** Roles that the old primary's database names. */
  readonly roles: number;
  /** Objects of the old primary that were looked at. */
  readonly objects: number;
  readonly missingRoles: readonly (Difference & { readonly name: string })[];
  readonly memberships: readonly Difference[];
  readonly rights: readonly RightDifference[];
  /** Superusers of the old primary that are none at the new one. */
  readonly noSuperuserAnyMore: readonly string[];
  /** Attributes that a role has at one side only, in words. */
  readonly attributes: readonly string[];
  /** Where owners are not kept, whose rights as owners are gone. */
  readonly ownersNotKept: readonly string[];
}

export interface RightDifference extends Difference {
  /** `extra`: a right that the old primary never granted, or a policy that it does not have. */
  readonly kind: "owner" | "grant" | "extra" | "default" | "policy";
  /** Why no statement can, or why this one cannot yet. */
  readonly obstacle: string | null;
}
