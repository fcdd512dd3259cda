import type { Table } from "../../model/table.ts";
import { quoteIdent } from "../../postgres/quote.ts";
import { sqlState } from "../../postgres/wrap-error.ts";
import {
  selectForbiddenOriginFunctions,
  selectMissingGrants,
  selectNotOwned,
  selectOwnRole,
  trySetReplicaRole,
} from "../queries/check-server-queries.ts";
import { selectHiddenByPolicies } from "../queries/check-table-queries.ts";
import { type Check, type CheckContext, fail, named, pass, type Side, statements, type Verdict, warn } from "./check.ts";

/** What our roles may do: every GRANT that is missing, spelled out. Nothing here needs a superuser. */
export const PRIVILEGE_CHECKS: readonly Check[] = [
  { id: "source-replication-role", run: replicationRole },
  { id: "source-select", run: select },
  { id: "source-row-security", run: rowSecurity },
  { id: "source-table-ownership", run: ownership },
  { id: "source-create", run: ({ source }) => create(source) },
  { id: "target-create", run: ({ target }) => create(target) },
  { id: "target-replica-role", run: replicaRole },
  { id: "source-replication-origin", run: ({ source }) => origin(source, warn, "the way back could not be told from other writes") },
  { id: "target-replication-origin", run: ({ target }) => origin(target, fail, "our writes could not be told from others'") },
];

async function replicationRole({ source }: CheckContext): Promise<Verdict> {
  const role = await selectOwnRole(source.client);
  if (role.may_replicate === "true") return pass(`role ${role.name} may read a replication slot`);
  return fail(
    `role ${role.name} may not replicate`,
    `alter role ${quoteIdent(role.name)} replication;   -- on RDS: grant rds_replication to ${quoteIdent(role.name)};`,
  );
}

async function select({ source, catalog }: CheckContext): Promise<Verdict> {
  const relations = catalog.tables.flatMap(relationsOf);
  const grants = await selectMissingGrants(
    source.client,
    relations.map(({ schema }) => schema),
    relations.map(({ name }) => name),
  );
  if (grants.length === 0) return pass(`${relations.length} tables and partitions can be read`);
  return fail(`${grants.length} privileges are missing`, statements(grants));
}

/** Chunks name the leaf partitions themselves, and a GRANT on the root does not reach them. */
function relationsOf({ schema, name, leaves }: Table): readonly { readonly schema: string; readonly name: string }[] {
  return [{ schema, name }, ...leaves.filter((leaf) => leaf.schema !== schema || leaf.name !== name)];
}

async function rowSecurity({ source }: CheckContext): Promise<Verdict> {
  const role = await selectOwnRole(source.client);
  const hidden = role.bypasses_rls === "true" ? [] : await selectHiddenByPolicies(source.client, source.oids);
  if (hidden.length === 0) return pass("no policy hides rows from our role");
  return fail(
    `row level security guards ${named(hidden)}: reading fails, for a copy without the hidden rows would be worse`,
    `alter role ${quoteIdent(role.name)} bypassrls;`,
  );
}

async function ownership({ source, catalog }: CheckContext): Promise<Verdict> {
  const foreign = await selectNotOwned(
    source.client,
    catalog.tables.map(({ oid }) => oid),
  );
  if (foreign.length === 0) return pass("our role owns the tables, so it can publish them");
  const role = quoteIdent((await selectOwnRole(source.client)).name);
  const owners = [...new Set(foreign.map(({ owner }) => owner))];
  return fail(
    `only an owner can publish ${named(foreign.map(({ name }) => name))}`,
    statements(owners.map((owner) => `grant ${quoteIdent(owner)} to ${role}`)),
  );
}

/** For the schema pghaul; at the source for the publication as well, at the target for the tables' schemas. */
async function create({ client }: Side): Promise<Verdict> {
  const role = await selectOwnRole(client);
  if (role.may_create === "true") return pass(`role ${role.name} may create in database ${role.database}`);
  return fail(
    `role ${role.name} may not create in database ${role.database}`,
    `grant create on database ${quoteIdent(role.database)} to ${quoteIdent(role.name)};`,
  );
}

async function replicaRole({ target }: CheckContext): Promise<Verdict> {
  try {
    await trySetReplicaRole(target.client);
    return pass("triggers and foreign keys can be kept from acting twice");
  } catch (error) {
    if (sqlState(error) !== "42501") throw error;
    const role = quoteIdent((await selectOwnRole(target.client)).name);
    const grant =
      target.version >= 150_000
        ? `grant set on parameter session_replication_role to ${role};`
        : `grant rds_superuser to ${role};   -- on RDS; elsewhere until 15 only superusers may`;
    return fail("the role may not set session_replication_role: triggers and foreign keys would act a second time", grant);
  }
}

async function origin({ client }: Side, otherwise: typeof fail, consequence: string): Promise<Verdict> {
  const forbidden = await selectForbiddenOriginFunctions(client);
  if (forbidden.length === 0) return pass("our role may use replication origins");
  const role = quoteIdent((await selectOwnRole(client)).name);
  return otherwise(
    `our role may not call ${named(forbidden)}: ${consequence}`,
    statements(forbidden.map((name) => `grant execute on function pg_catalog.${name} to ${role}`)),
  );
}
