/**
 * Every precheck, in the order an operator would ask: can we get there, may we, is it fit, are both sides alike. Results come one by one,
 * for some of them take a while. Nothing is changed on either side.
 */

import type pg from "pg";
import { PghaulError } from "../../errors/pghaul-error.ts";
import type { CheckResult } from "../../model/check-result.ts";
import type { SideName } from "../../model/side.ts";
import { describeConnection } from "../../postgres/connect.ts";
import type { ConnectionSpec } from "../../postgres/resolve-connection.ts";
import { asPghaulError } from "../../postgres/wrap-error.ts";
import { type Catalog, readCatalog, type TableSelection } from "../catalog.ts";
import { PARITY_CHECKS } from "../parity.ts";
import { selectExisting } from "../queries/check-table-queries.ts";
import { selectServerVersion } from "../queries/slot-queries.ts";
import { ACCESS_CHECKS } from "./access-checks.ts";
import { type Check, type CheckContext, fail, pass, type Side } from "./check.ts";
import { CONSTRUCT_CHECKS } from "./construct-checks.ts";
import { MACHINE_CHECKS } from "./machine-checks.ts";
import { OBJECT_CHECKS } from "./object-checks.ts";
import { PRIVILEGE_CHECKS } from "./privilege-checks.ts";
import { SCHEMA_CHECKS } from "./schema-checks.ts";
import { SERVER_CHECKS } from "./server-checks.ts";
import { SURROUNDINGS_CHECKS } from "./surroundings-checks.ts";
import { TABLE_CHECKS } from "./table-checks.ts";

const CHECKS: readonly Check[] = [
  ...SERVER_CHECKS,
  ...PRIVILEGE_CHECKS,
  ...TABLE_CHECKS,
  ...SURROUNDINGS_CHECKS,
  ...OBJECT_CHECKS,
  ...CONSTRUCT_CHECKS,
  ...SCHEMA_CHECKS,
  ...PARITY_CHECKS,
  ...ACCESS_CHECKS,
  ...MACHINE_CHECKS,
];

/** What is to be checked. `connect` opens a session of its own for each side. */
export interface CheckRequest extends Omit<CheckContext, "source" | "target" | "catalog"> {
  readonly connect: (side: SideName, purpose: string) => Promise<pg.Client>;
  /** Null for a target that is no PostgreSQL: what asks for it is left out. */
  readonly specs: { readonly source: ConnectionSpec; readonly target: ConnectionSpec | null };
  readonly selection: TableSelection;
  readonly signal: AbortSignal;
}

/**
 * Runs all checks that can be run. A side that cannot be reached is one failed check, and so is a catalog that cannot be read; whatever
 * asks for them is left out, for it would only repeat that. A check that cannot be carried out fails and says why; when its session was lost
 * it is the last. Throws nothing but the signal's reason.
 */
export async function* runChecks(request: CheckRequest): AsyncGenerator<CheckResult> {
  const parts: Parts = {};
  try {
    for (const name of ["source", "target"] as const) {
      const spec = request.specs[name];
      if (spec !== null) yield await reach(request, { name, spec }, parts);
    }
    const failure = await readTables(request, parts);
    if (failure !== null) yield failure;
    const context = contextOf(request, parts);
    for (const check of CHECKS) {
      request.signal.throwIfAborted();
      const { result, lost } = await runOne(check, context);
      if (result !== null) yield result;
      if (lost) return;
    }
  } finally {
    await Promise.allSettled([parts.source?.client.end(), parts.target?.client.end()]);
  }
}

type Reached = Omit<Side, "oids">;

/** What there is to look at. A part that could not be had has been told of. */
interface Parts {
  source?: Reached;
  target?: Reached;
  tables?: { readonly catalog: Catalog; readonly oids: Readonly<Partial<Record<SideName, readonly number[]>>> };
}

async function reach(
  { connect, signal }: CheckRequest,
  { name, spec }: { readonly name: SideName; readonly spec: ConnectionSpec },
  parts: Parts,
): Promise<CheckResult> {
  const id = `${name}-connection`;
  try {
    const client = await connect(name, "check");
    const version = await selectServerVersion(client).catch(async (error: unknown) => {
      await client.end().catch(() => undefined);
      throw error;
    });
    parts[name] = { name, client, spec, version };
    return { id, ...pass(describeConnection(spec)) };
  } catch (error) {
    signal.throwIfAborted();
    const { message, suggestion } = asPghaulError(error, name);
    return { id, ...fail(`${message}; checks that need the ${name} were skipped`, suggestion ?? null) };
  }
}

/** Null when the catalog was read, or when nobody can be asked for it. */
async function readTables({ selection, signal }: CheckRequest, parts: Parts): Promise<CheckResult | null> {
  if (parts.source === undefined) return null;
  try {
    const catalog = await readCatalog(parts.source.client, selection);
    const source = await oidsOf(parts.source, catalog);
    const target = parts.target === undefined ? {} : { target: await oidsOf(parts.target, catalog) };
    parts.tables = { catalog, oids: { source, ...target } };
    return null;
  } catch (error) {
    signal.throwIfAborted();
    const { message, suggestion } = asPghaulError(error, "source", { step: "catalog" });
    return { id: "tables-selected", ...fail(`${message}; checks that need the tables were skipped`, suggestion ?? null) };
  }
}

async function oidsOf({ client, name }: Reached, { tables }: Catalog): Promise<readonly number[]> {
  try {
    const relations = tables.flatMap((table) => [table, ...table.leaves]);
    return [...(await selectExisting(client, relations)).values()];
  } catch (error) {
    throw asPghaulError(error, name, { step: "catalog" });
  }
}

/** Thrown by a part that is not there, at the check that asks for it. */
class NotThere extends Error {}

function there<T>(part: T | undefined): T {
  if (part === undefined) throw new NotThere();
  return part;
}

/** Parts are had by asking for them, so that no check need declare what it looks at, and none can declare it wrongly. */
function contextOf(request: CheckRequest, parts: Parts): CheckContext {
  const side = (name: SideName): Side => ({
    ...there(parts[name]),
    get oids() {
      return there(parts.tables?.oids[name]);
    },
  });
  return {
    ...request,
    get source() {
      return side("source");
    },
    get target() {
      return side("target");
    },
    get catalog() {
      return there(parts.tables).catalog;
    },
  };
}

interface Outcome {
  /** Null for a check that was left out. */
  readonly result: CheckResult | null;
  readonly lost: boolean;
}

async function runOne({ id, run }: Check, context: CheckContext): Promise<Outcome> {
  try {
    return { result: { id, ...(await run(context)) }, lost: false };
  } catch (error) {
    if (error instanceof NotThere) return { result: null, lost: false };
    const known = error instanceof PghaulError ? error : asPghaulError(error, id.startsWith("target") ? "target" : "source", { step: id });
    const result = { id, ...fail(`could not be checked: ${known.message}`, known.suggestion ?? null) };
    return { result, lost: known.code === "SOURCE_LOST" || known.code === "TARGET_LOST" };
  }
}
