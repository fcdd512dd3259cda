/**
 * Every precheck, in the order an operator would ask: can we get there, may we, is it fit, are both sides alike. Results come one by one,
 * for some of them take a while. Nothing is changed on either side.
 */
import type pg from "pg";
import { PghaulError } from "../../errors/pghaul-error.ts";
import { describeConnection } from "../../postgres/connect.ts";
import { qualifiedName } from "../../postgres/quote.ts";
import type { ConnectionSpec } from "../../postgres/resolve-connection.ts";
import { asPghaulError } from "../../postgres/wrap-error.ts";
import { type Catalog, readCatalog, type TableSelection } from "../catalog.ts";
import { PARITY_CHECKS } from "../parity.ts";
import { selectExisting } from "../queries/check-table-queries.ts";
import { selectServerVersion } from "../queries/slot-queries.ts";
import { type Check, type CheckContext, type CheckResult, fail, pass, type Side } from "./check.ts";
import { MACHINE_CHECKS } from "./machine-checks.ts";
import { PRIVILEGE_CHECKS } from "./privilege-checks.ts";
import { SERVER_CHECKS } from "./server-checks.ts";
import { TABLE_CHECKS } from "./table-checks.ts";

const CHECKS: readonly Check[] = [...SERVER_CHECKS, ...PRIVILEGE_CHECKS, ...TABLE_CHECKS, ...PARITY_CHECKS, ...MACHINE_CHECKS];

/** What is to be checked. `connect` opens a session of its own for each side. */
export interface CheckRequest extends Omit<CheckContext, "source" | "target" | "catalog"> {
  readonly connect: (side: Side["name"], purpose: string) => Promise<pg.Client>;
  readonly specs: Readonly<Record<Side["name"], ConnectionSpec>>;
  readonly selection: TableSelection;
  readonly signal: AbortSignal;
}

/**
 * Runs all checks. Where a side cannot be reached its connection's failure is the last result, for the rest would only repeat it.
 * Throws SOURCE_LOST or TARGET_LOST when a session is lost on the way; a check that cannot be carried out otherwise fails, and says why.
 */
export async function* runChecks(request: CheckRequest): AsyncGenerator<CheckResult> {
  const clients: pg.Client[] = [];
  try {
    for (const name of ["source", "target"] as const) {
      const result = await reach(request, name, clients);
      yield result;
      if (result.status === "fail") return;
    }
    const [source, target] = clients as [pg.Client, pg.Client];
    const context = await lookAround(request, source, target);
    for (const check of CHECKS) {
      request.signal.throwIfAborted();
      yield await runOne(check, context);
    }
  } finally {
    await Promise.allSettled(clients.map((client) => client.end()));
  }
}

async function reach({ connect, specs }: CheckRequest, name: Side["name"], clients: pg.Client[]): Promise<CheckResult> {
  const id = `${name}-connection`;
  try {
    clients.push(await connect(name, "check"));
    return { id, ...pass(describeConnection(specs[name])) };
  } catch (error) {
    const { message, suggestion } = asPghaulError(error, name);
    return { id, ...fail(message, suggestion ?? null) };
  }
}

async function lookAround(request: CheckRequest, source: pg.Client, target: pg.Client): Promise<CheckContext> {
  const catalog = await readCatalog(source, request.selection).catch((error: unknown) => {
    throw asPghaulError(error, "source", { step: "catalog" });
  });
  return {
    ...request,
    catalog,
    source: await sideOf(request, "source", source, catalog),
    target: await sideOf(request, "target", target, catalog),
  };
}

async function sideOf({ specs }: CheckRequest, name: Side["name"], client: pg.Client, { tables }: Catalog): Promise<Side> {
  const relations = tables.flatMap((table) => [table, ...table.leaves]).map((relation) => qualifiedName(relation.schema, relation.name));
  const existing = await selectExisting(client, [...new Set(relations)]);
  return { name, client, spec: specs[name], version: await selectServerVersion(client), oids: [...existing.values()] };
}

async function runOne({ id, run }: Check, context: CheckContext): Promise<CheckResult> {
  try {
    return { id, ...(await run(context)) };
  } catch (error) {
    const known = error instanceof PghaulError ? error : asPghaulError(error, id.startsWith("target") ? "target" : "source", { step: id });
    if (known.code === "SOURCE_LOST" || known.code === "TARGET_LOST") throw known;
    return { id, ...fail(`could not be checked: ${known.message}`, known.suggestion ?? null) };
  }
}
