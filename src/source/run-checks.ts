/** Asks every check. Results come one by one, for some of them take a while. Nothing is changed on either side. */

import type pg from "pg";
import { type Answer, fail, pass } from "../conditions/condition.ts";
import { PghaulError } from "../errors/pghaul-error.ts";
import type { CheckResult } from "../model/check-result.ts";
import type { SideName } from "../model/side.ts";
import { describeConnection } from "../postgres/connect.ts";
import type { ConnectionSpec } from "../postgres/resolve-connection.ts";
import { asPghaulError } from "../postgres/wrap-error.ts";
import { type Ask, askOf } from "../side/postgres/catalog/ask.ts";
import { postgresBetween } from "../side/postgres/facts/postgres-between.ts";
import { postgresFacts } from "../side/postgres/facts/postgres-facts.ts";
import { type Catalog, readCatalog, type TableSelection } from "./catalog.ts";
import type { Check, CheckContext, Side } from "./checks/check.ts";
import { CHECKS } from "./checks/checks.ts";
import { wayTo } from "./way-to-server.ts";

/** What is to be checked. `connect` opens a session of its own for each side. */
export interface CheckRequest extends Omit<CheckContext, "source" | "target" | "between" | "catalog"> {
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

interface Reached {
  readonly client: pg.Client;
  readonly ask: Ask;
  readonly side: Side;
}

/** What there is to look at. A part that could not be had has been told of. */
interface Parts {
  source?: Reached;
  target?: Reached;
  catalog?: Catalog;
}

async function reach(
  { connect, signal }: CheckRequest,
  { name, spec }: { readonly name: SideName; readonly spec: ConnectionSpec },
  parts: Parts,
): Promise<CheckResult> {
  const id = `${name}-connection`;
  try {
    const client = await connect(name, "check");
    const ask = askOf(client);
    const side = { ...postgresFacts({ name, role: spec.user }, ask), way: wayTo(spec) };
    // A pooler lets one in, whether or not its server is there.
    await side.server().catch(async (error: unknown) => {
      await client.end().catch(() => undefined);
      throw error;
    });
    parts[name] = { client, ask, side };
    return resultOf(id, pass(describeConnection(spec)));
  } catch (error) {
    signal.throwIfAborted();
    const { message, suggestion } = asPghaulError(error, name);
    return resultOf(id, fail(`${message}; checks that need the ${name} were skipped`, suggestion ?? null));
  }
}

/** Null when the catalog was read, or when nobody can be asked for it. */
async function readTables({ selection, signal }: CheckRequest, parts: Parts): Promise<CheckResult | null> {
  if (parts.source === undefined) return null;
  try {
    parts.catalog = await readCatalog(parts.source.client, selection);
    return null;
  } catch (error) {
    signal.throwIfAborted();
    const { message, suggestion } = asPghaulError(error, "source", { step: "catalog" });
    return resultOf("tables-selected", fail(`${message}; checks that need the tables were skipped`, suggestion ?? null));
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
  return {
    ...request,
    get source() {
      return there(parts.source).side;
    },
    get target() {
      return there(parts.target).side;
    },
    get between() {
      return postgresBetween(there(parts.source).ask, there(parts.target).ask);
    },
    get catalog() {
      return there(parts.catalog);
    },
  };
}

interface Outcome {
  /** Null for a check that was left out. */
  readonly result: CheckResult | null;
  readonly lost: boolean;
}

async function runOne({ id, side, ask }: Check, context: CheckContext): Promise<Outcome> {
  try {
    return { result: resultOf(id, await ask(context)), lost: false };
  } catch (error) {
    if (error instanceof NotThere) return { result: null, lost: false };
    const known = error instanceof PghaulError ? error : asPghaulError(error, side === "target" ? "target" : "source", { step: id });
    const result = resultOf(id, fail(`could not be checked: ${known.message}`, known.suggestion ?? null));
    return { result, lost: known.code === "SOURCE_LOST" || known.code === "TARGET_LOST" };
  }
}

function resultOf(id: string, { verdict, evidence, advice }: Answer): CheckResult {
  return { id, status: verdict, evidence: typeof evidence === "string" ? evidence : JSON.stringify(evidence), fix: advice };
}
