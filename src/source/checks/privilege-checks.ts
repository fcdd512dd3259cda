import { type Answer, fail, pass, warn } from "../../conditions/condition.ts";
import { named, statements } from "../../conditions/listing.ts";
import { type Check, type CheckContext, check, NO_WAY_BACK, type Side } from "./check.ts";

/** What our roles may do: every GRANT that is missing, spelled out. Nothing here needs a superuser. */
export const PRIVILEGE_CHECKS: readonly Check[] = [
  check("source-replication-role", "source", "our role may read a replication slot at the source", ({ source }) =>
    replicationRole(source, fail, "its slot cannot be read"),
  ),
  check("target-replication-role", "target", "our role may read a replication slot at the target, for the way back", ({ target }) =>
    replicationRole(target, warn, NO_WAY_BACK),
  ),
  check("source-select", "source", "our role may read the tables, partitions and sequences", select),
  check("target-write", "target", "our role may write to the tables that exist at the target", write),
  check("source-row-security", "source", "no policy hides rows of the source from our role", (context) =>
    rowSecurity(context, "source", "reading fails, because a copy without the hidden rows would be worse"),
  ),
  check("target-row-security", "target", "no policy hides rows of the target from our role", (context) =>
    rowSecurity(context, "target", "COPY into them is refused"),
  ),
  check("source-table-ownership", "source", "our role may publish and fence the tables at the source", (context) =>
    ownership(context, "source"),
  ),
  check("target-table-ownership", "target", "our role may fence the tables at the target", (context) => ownership(context, "target")),
  check("source-create", "source", "our role may create a schema and a publication at the source", ({ source }) => create(source)),
  check("target-create", "target", "our role may create schemas at the target", ({ target }) => create(target)),
  check("source-replica-role", "source", "triggers of the source can be kept from firing twice, on the way back", ({ source }) =>
    replicaRole(source, warn, NO_WAY_BACK),
  ),
  check("target-replica-role", "target", "triggers and foreign keys of the target can be kept from firing twice", ({ target }) =>
    replicaRole(target, fail, "triggers and foreign keys would fire a second time"),
  ),
  check("source-replication-origin", "source", "our role may use replication origins at the source, for the way back", ({ source }) =>
    origin(source, warn, "the way back could not be distinguished from other writes"),
  ),
  check("target-replication-origin", "target", "our role may use replication origins at the target", ({ target }) =>
    origin(target, fail, "our writes could not be distinguished from those of others"),
  ),
];

async function replicationRole({ ownRole }: Side, otherwise: typeof fail, consequence: string): Promise<Answer> {
  const role = await ownRole();
  if (role.mayReplicate) return pass(`role ${role.name} may read a replication slot`);
  return otherwise(`role ${role.name} lacks REPLICATION: ${consequence}`, role.grants.replicate);
}

async function select({ source, catalog: { tables } }: CheckContext): Promise<Answer> {
  const grants = await source.missingReadGrants(tables);
  const relations = tables.flatMap(({ schema, name, leaves }) => [
    name,
    ...leaves.filter((leaf) => leaf.schema !== schema || leaf.name !== name),
  ]);
  if (grants.length === 0) return pass(`${relations.length} tables and partitions can be read`);
  return fail(`${grants.length} privileges are missing`, statements(grants));
}

/** Those that pghaul makes are its own. */
async function write({ target, catalog: { tables } }: CheckContext): Promise<Answer> {
  const existing = await target.existing(tables);
  const grants = await target.missingWriteGrants(tables);
  if (grants.length === 0) return pass(`${existing.size} tables exist, and our role may write to them`);
  return fail(`${grants.length} privileges are missing`, statements(grants));
}

async function rowSecurity(context: CheckContext, at: Side["name"], consequence: string): Promise<Answer> {
  const { tables } = context.catalog;
  const role = await context[at].ownRole();
  const hidden = role.bypassesRowSecurity ? [] : await context[at].hiddenByPolicies(tables);
  if (hidden.length === 0) return pass("no policy hides rows from our role");
  return fail(`row-level security applies to our role on ${named(hidden)}: ${consequence}`, role.grants.bypassRowSecurity);
}

/** A publication asks for the owner of the table that it names; the fence of a switch is put on each partition too. */
async function ownership(context: CheckContext, at: Side["name"]): Promise<Answer> {
  const foreign = await context[at].notOwned(context.catalog.tables);
  if (foreign.length === 0)
    return pass(at === "source" ? "our role owns the tables, so it can publish them" : "our role owns the tables that exist there");
  const unpublished = at === "source" ? foreign.filter(({ partition }) => !partition) : [];
  const grants = statements([...new Set(foreign.map(({ grant }) => grant))], `at the ${at}`);
  if (unpublished.length > 0) return fail(`only an owner can publish ${named(unpublished.map(({ table }) => table))}`, grants);
  return warn(
    `only an owner can fence ${named(foreign.map(({ table }) => table))}: the cutover stays closed until our role owns them`,
    grants,
  );
}

/** For the schema pghaul; at the source for the publication as well, at the target for the tables' schemas. */
async function create({ ownRole }: Side): Promise<Answer> {
  const role = await ownRole();
  if (role.mayCreate) return pass(`role ${role.name} may create in database ${role.database}`);
  return fail(`role ${role.name} may not create in database ${role.database}`, `${role.grants.create};`);
}

async function replicaRole({ grantToBeReplica }: Side, otherwise: typeof fail, consequence: string): Promise<Answer> {
  const grant = await grantToBeReplica();
  if (grant === null) return pass("triggers and foreign keys can be kept from firing twice");
  return otherwise(`the role may not set session_replication_role: ${consequence}`, grant);
}

async function origin({ forbiddenOriginFunctions }: Side, otherwise: typeof fail, consequence: string): Promise<Answer> {
  const forbidden = await forbiddenOriginFunctions();
  if (forbidden.length === 0) return pass("our role may use replication origins");
  return otherwise(
    `our role may not call ${named(forbidden.map(({ name }) => name))}: ${consequence}`,
    statements(forbidden.map(({ grant }) => grant)),
  );
}
