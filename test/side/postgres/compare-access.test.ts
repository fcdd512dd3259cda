import assert from "node:assert/strict";
import { test } from "node:test";
import type { Access, AccessObject, Grant } from "../../../src/side/postgres/catalog/access-queries.ts";
import { compareAccess } from "../../../src/side/postgres/catalog/compare-access.ts";
import { namedRoles } from "../../../src/side/postgres/catalog/role-queries.ts";

const BOTH = { owners: true, privileges: true };

function access(object: Partial<AccessObject>, rest: Partial<Access> = {}): Access {
  const table = {
    kind: "table",
    name: "public.t",
    column: null,
    owner: "keeper",
    ownerFollows: false,
    grants: [],
    initial: null,
    ...object,
  };
  const roles = new Set(["keeper", "mover", "app"]);
  return { version: 180_000, self: "mover", roles, objects: [table], defaults: [], policies: [], unknown: new Set(), ...rest };
}

const grant = (grantee: string | null, privilege: string, grantable = false): Grant => ({ grantee, privilege, grantable });

const statements = (...[source, target, scope]: Parameters<typeof compareAccess>) =>
  compareAccess(source, target, scope).map(({ statement }) => statement);

test("owners dropped and grants kept: what was granted to the target's owner is an owner's right there, and nothing is asked for ever", () => {
  const source = access({ grants: [grant(null, "SELECT"), grant("mover", "SELECT", true), grant("app", "INSERT")] });
  const target = access({ owner: "mover", grants: [grant(null, "SELECT"), grant("keeper", "SELECT"), grant("app", "INSERT")] });
  assert.deepEqual(statements(source, target, { owners: false, privileges: true }), []);
});

test("a right that may be passed on at the target only keeps the right", () => {
  const source = access({ grants: [grant("app", "SELECT"), grant("app", "INSERT")] });
  const target = access({ grants: [grant("app", "SELECT", true), grant("app", "INSERT"), grant("app", "DELETE", true)] });
  assert.deepEqual(statements(source, target, BOTH), [
    'revoke delete on table public.t from "app"',
    'revoke grant option for select on table public.t from "app"',
  ]);
});

test("the same of default privileges", () => {
  const of = (grants: readonly Grant[]) => [{ role: "keeper", schema: null, on: "tables", grants, otherwise: [] }];
  const source = access({}, { defaults: of([grant("app", "SELECT")]) });
  const target = access({}, { defaults: of([grant("app", "SELECT", true)]) });
  assert.deepEqual(statements(source, target, BOTH), [
    'alter default privileges for role "keeper" revoke grant option for select on tables from "app"',
  ]);
});

test("a policy that only the target has shows other rows, and is dropped", () => {
  const policy = (name: string) => ({ table: "public.t", name, roles: ["app"], create: `create policy ${name}` });
  const source = access({}, { policies: [policy("own")] });
  const target = access({}, { policies: [policy("own"), policy("more")] });
  assert.deepEqual(statements(source, target, BOTH), ["drop policy more on public.t"]);
  assert.deepEqual(statements(target, source, BOTH), ["create policy more"]);
});

test("roles count as far as they are kept", () => {
  const both = access({ grants: [grant("app", "SELECT")] });
  const names = (owners: boolean, privileges: boolean) => [...namedRoles(both, { owners, privileges })];
  assert.deepEqual([names(true, true), names(false, true), names(true, false)], [["keeper", "app"], ["app"], ["keeper"]]);
});
