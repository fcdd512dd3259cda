import { PghaulError } from "../../../errors/pghaul-error.ts";
import { sqlState } from "../../../postgres/wrap-error.ts";

/**
 * What a server says of a row that it will not take, by class of SQLSTATE (manual: "PostgreSQL Error Codes"): data exceptions, integrity
 * constraints, and whatever functions of the schema raise (triggers, checks, indexes, domains).
 */
const CLASSES: ReadonlySet<string> = new Set(["22", "23", "38", "39", "P0"]);

/** program_limit_exceeded: a value too large for an index. */
const CODES: ReadonlySet<string> = new Set(["54000"]);

/** Either side may be the one that takes a stream. */
const QUERY: ReadonlySet<string> = new Set(["SOURCE_QUERY", "TARGET_QUERY"]);

/** unique_violation, exclusion_violation: a row that somebody else wrote is in the way, or the order of a batch. */
const CONFLICTS: ReadonlySet<string> = new Set(["23505", "23P01"]);

/** The error as it came, or ROW_REFUSED where the target took offence at the row: that table alone is concerned. */
export function asRefusal(error: PghaulError): PghaulError {
  const state = sqlState(error);
  if (!QUERY.has(error.code) || state === undefined || !refuses(error, state)) return error;
  return new PghaulError("ROW_REFUSED", error.message, {
    context: error.context,
    ...(error.suggestion === undefined ? {} : { suggestion: error.suggestion }),
  });
}

function refuses({ context }: PghaulError, state: string): boolean {
  if (CONFLICTS.has(state)) return false;
  // Without the name of a constraint no partition takes the row (execPartition.c, ExecFindPartition), and to make one is all that it needs.
  if (state === "23514" && context.constraint === undefined) return false;
  return CODES.has(state) || CLASSES.has(state.slice(0, 2));
}
