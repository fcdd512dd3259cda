import type { ErrorCode, ErrorKind } from "./codes.ts";
import { PghaulError } from "./pghaul-error.ts";

/** Process exit codes, one per kind (documented in `docs/exit-codes.md`, tested one by one). */
export const EXIT_CODES = {
  bug: 1,
  usage: 2,
  config: 3,
  check: 10,
  gate: 11,
  differences: 12,
  source: 20,
  target: 21,
  locked: 22,
  confirm: 30,
  "try-later": 75,
  interrupted: 130,
} as const satisfies Record<ErrorKind, number>;

/** Codes that a running process retries by itself; everything else stops and asks. */
const RETRIED: ReadonlySet<ErrorCode> = new Set([
  "SOURCE_LOST",
  "SOURCE_UNREACHABLE",
  "TARGET_LOST",
  "TARGET_UNREACHABLE",
  "SLOT_ACTIVE",
  "BUCKET_UNREACHABLE",
]);

/** The exit code for anything thrown. Unknown errors are bugs of ours: 1. */
export function exitCodeOf(error: unknown): number {
  return error instanceof PghaulError ? EXIT_CODES[error.kind] : EXIT_CODES.bug;
}

/** True when a running process may try again after a pause (see `backoff.ts`). */
export function isRetried(error: unknown): boolean {
  return error instanceof PghaulError && RETRIED.has(error.code);
}
