import type { Table } from "../../model/table.ts";
import { quoteIdent } from "../../postgres/quote.ts";
import { sqlState } from "../../postgres/wrap-error.ts";
import { askOf } from "../../side/postgres/catalog/ask.ts";
import { grantCreate, readOwnRole } from "../../side/postgres/facts/own-role.ts";
import { readNotOwned } from "../../side/postgres/facts/ownership.ts";
import {
  selectForbiddenOriginFunctions,
  selectMissingGrants,
  selectMissingWriteGrants,
  trySetReplicaRole,
} from "../queries/check-server-queries.ts";
import { selectExisting, selectHiddenByPolicies } from "../queries/check-table-queries.ts";
import { type Check, type CheckContext, fail, NO_WAY_BACK, named, pass, type Side, statements, type Verdict, warn } from "./check.ts";

/** What our roles may do: every GRANT that is missing, spelled out. Nothing here needs a superuser. */
export const PRIVILEGE_CHECKS: readonly Check[] = [
  { id: "source-replication-role", run: ({ source }) => replicationRole(source, fail, "its slot cannot be read") },
  { id: "target-replication-role", run: ({ target }) => replicationRole(target, warn, NO_WAY_BACK) },
  { id: "source-select", run: select },
  { id: "target-write", run: write },
  {
    id: "source-row-security",
    run: ({ source }) => rowSecurity(source, "reading fails, because a copy without the hidden rows would be worse"),
  },
  { id: "target-row-security", run: ({ target }) => rowSecurity(target, "COPY into them is refused") },
  { id: "source-table-ownership", run: ({ source, catalog }) => ownership(source, catalog) },
  { id: "target-table-ownership", run: ({ target, catalog }) => ownership(target, catalog) },
  { id: "source-create", run: ({ source }) => create(source) },
  { id: "target-create", run: ({ target }) => create(target) },
  { id: "source-replica-role", run: ({ source }) => replicaRole(source, warn, NO_WAY_BACK) },
  { id: "target-replica-role", run: ({ target }) => replicaRole(target, fail, "triggers and foreign keys would fire a second time") },
  {
    id: "source-replication-origin",
    run: ({ source }) => origin(source, warn, "the way back could not be distinguished from other writes"),
  },
  {
    id: "target-replication-origin",
    run: ({ target }) => origin(target, fail, "our writes could not be distinguished from those of others"),
  },
];

async function replicationRole({ client }: Side, otherwise: typeof fail, consequence: string): Promise<Verdict> {
  const role = await readOwnRole(askOf(client));
  if (role.mayReplicate) return pass(`role ${role.name} may read a replication slot`);
  return otherwise(
    `role ${role.name} lacks REPLICATION: ${consequence}`,
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

/** Tables that are there already; those that pghaul makes are its own. Rows go through the root of a partitioned table. */
async function write({ target, catalog }: CheckContext): Promise<Verdict> {
  const roots = await selectExisting(target.client, catalog.tables);
  const grants = await selectMissingWriteGrants(target.client, [...roots.values()]);
  if (grants.length === 0) return pass(`${roots.size} tables exist, and our role may write to them`);
  return fail(`${grants.length} privileges are missing`, statements(grants));
}

async function rowSecurity({ client, oids }: Side, consequence: string): Promise<Verdict> {
  const role = await readOwnRole(askOf(client));
  const hidden = role.bypassesRowSecurity ? [] : await selectHiddenByPolicies(client, oids);
  if (hidden.length === 0) return pass("no policy hides rows from our role");
  return fail(
    `row-level security applies to our role on ${named(hidden)}: ${consequence}`,
    `alter role ${quoteIdent(role.name)} bypassrls;`,
  );
}

/** A publication asks for the owner of the table that it names; the fence of a switch is put on each partition too. */
async function ownership({ client, name }: Side, { tables }: CheckContext["catalog"]): Promise<Verdict> {
  const foreign = await readNotOwned(askOf(client), tables);
  if (foreign.length === 0)
    return pass(name === "source" ? "our role owns the tables, so it can publish them" : "our role owns the tables that exist there");
  const unpublished = name === "source" ? foreign.filter(({ partition }) => !partition) : [];
  const grants = statements([...new Set(foreign.map(({ grant }) => grant))], `at the ${name}`);
  if (unpublished.length > 0) return fail(`only an owner can publish ${named(unpublished.map(({ table }) => table))}`, grants);
  return warn(
    `only an owner can fence ${named(foreign.map(({ table }) => table))}: the cutover stays closed until our role owns them`,
    grants,
  );
}

/** For the schema pghaul; at the source for the publication as well, at the target for the tables' schemas. */
async function create({ client }: Side): Promise<Verdict> {
  const role = await readOwnRole(askOf(client));
  if (role.mayCreate) return pass(`role ${role.name} may create in database ${role.database}`);
  return fail(`role ${role.name} may not create in database ${role.database}`, `${grantCreate(role)};`);
}

async function replicaRole({ client, version }: Side, otherwise: typeof fail, consequence: string): Promise<Verdict> {
  try {
    await trySetReplicaRole(client);
    return pass("triggers and foreign keys can be kept from firing twice");
  } catch (error) {
    if (sqlState(error) !== "42501") throw error;
    const role = quoteIdent((await readOwnRole(askOf(client))).name);
    const grant =
      version >= 150_000
        ? `grant set on parameter session_replication_role to ${role};`
        : `grant rds_superuser to ${role};   -- on RDS; elsewhere, before 15, only superusers may`;
    return otherwise(`the role may not set session_replication_role: ${consequence}`, grant);
  }
}

async function origin({ client }: Side, otherwise: typeof fail, consequence: string): Promise<Verdict> {
  const forbidden = await selectForbiddenOriginFunctions(client);
  if (forbidden.length === 0) return pass("our role may use replication origins");
  const role = quoteIdent((await readOwnRole(askOf(client))).name);
  return otherwise(
    `our role may not call ${named(forbidden)}: ${consequence}`,
    statements(forbidden.map((name) => `grant execute on function pg_catalog.${name} to ${role}`)),
  );
}
