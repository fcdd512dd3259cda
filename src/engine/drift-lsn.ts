import { PghaulError } from "../errors/pghaul-error.ts";
import { type Lsn, parseLsn } from "../model/lsn.ts";

/** The commit from which a table has other columns than the reader knows; null if the error is another one, or the commit is unknown. */
export function driftLsn(error: unknown): Lsn | null {
  const lsn = error instanceof PghaulError && error.code === "SCHEMA_DRIFT" ? error.context.lsn : undefined;
  return lsn === undefined ? null : parseLsn(lsn);
}
