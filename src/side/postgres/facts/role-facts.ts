import type { NotOurs } from "../../../conditions/between-facts.ts";
import type { ForbiddenFunction, RoleFacts } from "../../../conditions/role-facts.ts";
import type { Table } from "../../../model/table.ts";
import { quoteIdent } from "../../../postgres/quote.ts";
import { sqlState } from "../../../postgres/wrap-error.ts";
import type { Ask } from "../catalog/ask.ts";
import { GIVEN, namesOf, namesOfAll } from "./names-of.ts";
import { readOwnRole } from "./own-role.ts";
import { maySetDeadlockTimeout, readNotOwned } from "./ownership.ts";
import { readServer } from "./server-facts.ts";

export function roleFacts(ask: Ask): RoleFacts {
  return {
    ownRole: () => readOwnRole(ask),
    missingReadGrants: (tables) => readMissingReadGrants(ask, tables),
    missingWriteGrants: (tables) => readMissingWriteGrants(ask, tables),
    hiddenByPolicies: (tables) => readHiddenByPolicies(ask, tables),
    notOwned: (tables) => readNotOwned(ask, tables),
    grantToBeReplica: () => readGrantToBeReplica(ask),
    forbiddenOriginFunctions: () => readForbiddenOriginFunctions(ask),
    isImpatient: () => maySetDeadlockTimeout(ask),
  };
}

/** Chunks name the leaf partitions themselves, and a GRANT on the root does not reach them. */
async function readMissingReadGrants(ask: Ask, tables: readonly Table[]): Promise<readonly string[]> {
  const rows = await ask<{ grant: string }>(
    `
    with relation as (
      select c.oid, n.oid as schema, n.nspname, c.relname from unnest($1::text[], $2::text[]) as w(schema, name)
        join pg_catalog.pg_namespace n on n.nspname = w.schema join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = w.name)
    select distinct 1 as place, format('grant usage on schema %I to %I', nspname, current_user) as grant
      from relation where not has_schema_privilege(schema, 'usage')
    union all
    select 2, format('grant select on %I.%I to %I', nspname, relname, current_user) from relation where not has_table_privilege(oid, 'select')
    union all
    select distinct 3, format('grant select on sequence %s to %I', s.oid::regclass, current_user)
      from relation r join pg_catalog.pg_depend d on d.refobjid = r.oid and d.refclassid = 'pg_class'::regclass and d.classid = 'pg_class'::regclass
      join pg_catalog.pg_class s on s.oid = d.objid
     -- CASE, for has_sequence_privilege fails on what is no sequence, and conditions are tried in any order.
     where case when s.relkind = 'S' then not has_sequence_privilege(s.oid, 'select') end
     order by 1, 2`,
    namesOfAll(tables),
  );
  return rows.map(({ grant }) => grant);
}

async function readMissingWriteGrants(ask: Ask, tables: readonly Table[]): Promise<readonly string[]> {
  const rows = await ask<{ grant: string }>(
    `
    select distinct 1 as place, format('grant usage on schema %I to %I', n.nspname, current_user) as grant
      from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
     where c.oid = any(${GIVEN}) and not has_schema_privilege(n.oid, 'usage')
    union all
    select 2, format('grant %s on %I.%I to %I', string_agg(p.privilege, ', ' order by p.place), n.nspname, c.relname, current_user)
      from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      cross join unnest(array['select', 'insert', 'update', 'delete', 'truncate']) with ordinality as p(privilege, place)
     where c.oid = any(${GIVEN}) and not has_table_privilege(c.oid, p.privilege) group by n.nspname, c.relname
     order by 1, 2`,
    namesOf(tables),
  );
  return rows.map(({ grant }) => grant);
}

/** Reading them fails under row_security = off. */
async function readHiddenByPolicies(ask: Ask, tables: readonly Table[]): Promise<readonly string[]> {
  const rows = await ask<{ name: string }>(
    `select c.oid::regclass::text as name from pg_catalog.pg_class c
      where c.oid = any(${GIVEN}) and c.relrowsecurity and (c.relforcerowsecurity or not pg_has_role(c.relowner, 'usage')) order by 1`,
    namesOfAll(tables),
  );
  return rows.map(({ name }) => name);
}

/** Tries it in a transaction that is rolled back: until 15 only superusers may, later whoever was granted SET on the parameter. */
async function readGrantToBeReplica(ask: Ask): Promise<string | null> {
  await ask("begin");
  try {
    await ask("set local session_replication_role = replica");
    return null;
  } catch (error) {
    if (sqlState(error) !== "42501") throw error;
  } finally {
    await ask("rollback");
  }
  const role = quoteIdent((await readOwnRole(ask)).name);
  const { version } = await readServer(ask);
  if (version >= 150_000) return `grant set on parameter session_replication_role to ${role};`;
  return `grant rds_superuser to ${role};   -- on RDS; elsewhere, before 15, only superusers may`;
}

const ORIGIN_FUNCTIONS = [
  "pg_replication_origin_create(text)",
  "pg_replication_origin_oid(text)",
  "pg_replication_origin_session_setup(text)",
  "pg_replication_origin_session_reset()",
  "pg_replication_origin_xact_setup(pg_lsn, timestamp with time zone)",
];

async function readForbiddenOriginFunctions(ask: Ask): Promise<readonly ForbiddenFunction[]> {
  const rows = await ask<{ name: string }>(
    // 16 and later take a second argument in session_setup; its name stays, so the function is looked up by name.
    `select distinct format('%s(%s)', p.proname, pg_get_function_identity_arguments(p.oid)) as name
       from unnest($1::text[]) as w(signature) join pg_catalog.pg_proc p on p.proname = split_part(w.signature, '(', 1) and p.pronamespace = 'pg_catalog'::regnamespace
      where not has_function_privilege(p.oid, 'execute') order by 1`,
    [ORIGIN_FUNCTIONS],
  );
  if (rows.length === 0) return [];
  const role = quoteIdent((await readOwnRole(ask)).name);
  return rows.map(({ name }) => ({ name, grant: `grant execute on function pg_catalog.${name} to ${role}` }));
}

/** Of these roles, those that exist and that our role may not give objects to. ALTER ... OWNER needs membership in the new owner (manual: "ALTER TABLE"); from 16 on one that allows SET ROLE. */
export async function readNotOurs(ask: Ask, roles: readonly string[]): Promise<readonly NotOurs[]> {
  const { version } = await readServer(ask);
  const rows = await ask<{ name: string }>(
    `select rolname::text as name from pg_catalog.pg_roles where rolname = any($1::text[]) and not pg_catalog.pg_has_role(oid, $2) order by 1`,
    [roles, version >= 160_000 ? "set" : "member"],
  );
  if (rows.length === 0) return [];
  const us = quoteIdent((await readOwnRole(ask)).name);
  return rows.map(({ name }) => ({ role: name, grant: `grant ${quoteIdent(name)} to ${us}` }));
}
