import { PghaulError } from "../errors/pghaul-error.ts";
import { type Lsn, parseLsn } from "../model/lsn.ts";

/** From which commit on a table has other columns than the reader knows; null where that is not what was thrown, or not known. */
export function driftLsn(error: unknown): Lsn | null {
  const lsn = error instanceof PghaulError && error.code === "SCHEMA_DRIFT" ? error.context.lsn : undefined;
  return lsn === undefined ? null : parseLsn(lsn);
}
