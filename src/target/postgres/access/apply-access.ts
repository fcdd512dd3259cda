/**
 * Owners, grants, default privileges and policies, made at the target as they are at the source, one by one: a role that is missing costs what
 * names it and nothing else. May be called again at any time; what could not be done then is done now.
 */
import type pg from "pg";
import type { AccessScope } from "../../../model/access-scope.ts";
import { withQuietEventTriggers } from "../../../postgres/quiet-ddl.ts";
import { readAccess } from "../../../side/postgres/catalog/access-queries.ts";
import { type Ask, askOf } from "../../../side/postgres/catalog/ask.ts";
import { type AccessDifference, compareAccess } from "../../../side/postgres/catalog/compare-access.ts";

export interface ApplyAccess extends AccessScope {
  readonly source: Ask;
  readonly target: pg.Client;
  /** Takes back what the target's default privileges gave. Not where its operator may have granted something since. */
  readonly takeBack: boolean;
  /** Not before row security stands: until then a grant would show every row. */
  readonly grants: boolean;
  readonly policies: boolean;
}

/** Owners change what may be granted, and grants on a schema whom its objects can be given to. */
const ROUNDS = 3;
const BATCH_STATEMENTS = 100;
const LOCK_LIMIT = "10s";

/** Returns what is still different, with the target's own words where it refused a statement. */
export function applyAccess(request: ApplyAccess): Promise<readonly AccessDifference[]> {
  // GRANT and ALTER ... OWNER fire event triggers as other DDL does.
  return withQuietEventTriggers(request.target, () => applyRounds(request));
}

async function applyRounds(request: ApplyAccess): Promise<readonly AccessDifference[]> {
  const { target, takeBack, grants, policies } = request;
  const source = await readAccess(request.source);
  const differences = async (): Promise<readonly AccessDifference[]> =>
    compareAccess(source, await readAccess(askOf(target), source), request).filter(
      ({ kind }) => (takeBack || kind !== "extra") && (grants || kind !== "grant") && (policies || kind !== "policy"),
    );
  const refusals = new Map<string, string>();
  let left = await differences();
  for (let round = 1; round <= ROUNDS; round += 1) {
    const possible = left.flatMap(({ statement, obstacle }) => (statement === null || obstacle !== null ? [] : [statement]));
    if (possible.length === 0 || (await runAll(target, possible, refusals)) === 0) break;
    left = await differences();
  }
  // GRANT without the right to only warns.
  const silent = "the role that connects may not do it";
  return left.map((one) => ({ ...one, obstacle: one.obstacle ?? refusals.get(one.statement ?? "") ?? silent }));
}

/** How many of the statements succeeded. In batches, for there may be tens of thousands; the statements of one that fails are run alone. */
async function runAll(target: pg.Client, statements: readonly string[], refusals: Map<string, string>): Promise<number> {
  let done = 0;
  for (let start = 0; start < statements.length; start += BATCH_STATEMENTS) {
    const batch = statements.slice(start, start + BATCH_STATEMENTS);
    // ALTER ... OWNER locks its table: two of them in one transaction could wait for our own appliers in a circle.
    const together = batch.every((statement) => !statement.startsWith("alter "));
    if (together && (await attempt(target, batch.join(";\n"))) === null) done += batch.length;
    else done += await runEach(target, batch, refusals);
  }
  return done;
}

async function runEach(target: pg.Client, statements: readonly string[], refusals: Map<string, string>): Promise<number> {
  let done = 0;
  for (const statement of statements) {
    const refusal = await attempt(target, statement);
    if (refusal === null) done += 1;
    else refusals.set(statement, refusal);
  }
  return done;
}

/** In a transaction of its own. Returns why the server refused, or null. */
async function attempt(target: pg.Client, sql: string): Promise<string | null> {
  try {
    await target.query(`begin; set local lock_timeout = '${LOCK_LIMIT}'; set local search_path = ''`);
    await target.query(sql);
    await target.query("commit");
    return null;
  } catch (error) {
    await target.query("rollback");
    return error instanceof Error ? error.message : String(error);
  }
}
