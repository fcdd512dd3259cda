import type { OwnRole } from "../../../conditions/role-facts.ts";
import { quoteIdent } from "../../../postgres/quote.ts";
import type { Ask } from "../catalog/ask.ts";

/** The role of this session, and what it may do here. On RDS the right to replicate comes with the role rds_replication. */
export async function readOwnRole(ask: Ask): Promise<OwnRole> {
  const [row] = await ask<Readonly<Record<"name" | "database" | "superuser" | "may_replicate" | "bypasses_rls" | "may_create", string>>>(
    `select r.rolname::text as name, current_database()::text as database, r.rolsuper::text as superuser, (r.rolsuper or r.rolbypassrls)::text as bypasses_rls,
            (r.rolsuper or r.rolreplication
             or exists (select from pg_catalog.pg_roles m where m.rolname = 'rds_replication' and pg_has_role(r.oid, m.oid, 'usage')))::text as may_replicate,
            has_database_privilege(current_database(), 'create')::text as may_create
       from pg_catalog.pg_roles r where r.rolname = current_user`,
  );
  if (row === undefined) throw new Error("the server did not answer");
  return {
    name: row.name,
    database: row.database,
    mayReplicate: row.may_replicate === "true",
    bypassesRowSecurity: row.bypasses_rls === "true",
    superuser: row.superuser === "true",
    mayCreate: row.may_create === "true",
    grants: grantsOf(quoteIdent(row.name), quoteIdent(row.database)),
  };
}

function grantsOf(role: string, database: string): OwnRole["grants"] {
  return {
    replicate: `alter role ${role} replication;   -- on RDS: grant rds_replication to ${role};`,
    bypassRowSecurity: `alter role ${role} bypassrls;`,
    create: `grant create on database ${database} to ${role}`,
  };
}
