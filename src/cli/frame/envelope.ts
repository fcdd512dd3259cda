import { randomBytes } from "node:crypto";
import type { ErrorView } from "./error-view.ts";

/** Rises when a key is removed or changes its meaning; new keys do not raise it. */
const SCHEMA_VERSION = 1;

/** A thing that went well but that somebody should look at. */
export interface Warning {
  readonly code: string;
  readonly message: string;
}

/**
 * What `--json` prints, one object a run. A failed command has `error`; one that came to an answer which is a failure (rows
 * differ, a check failed) has `result` too.
 */
export interface Envelope {
  readonly schemaVersion: typeof SCHEMA_VERSION;
  readonly ok: boolean;
  readonly result?: object;
  readonly error?: ErrorView;
  readonly warnings: readonly Warning[];
  readonly runId: string;
}

export interface EnvelopeParts {
  readonly result?: object | undefined;
  readonly error?: ErrorView | undefined;
  readonly warnings: readonly Warning[];
  readonly runId: string;
}

export function envelope(parts: EnvelopeParts): Envelope {
  return {
    schemaVersion: SCHEMA_VERSION,
    ok: parts.error === undefined,
    ...(parts.result === undefined ? {} : { result: parts.result }),
    ...(parts.error === undefined ? {} : { error: parts.error }),
    warnings: parts.warnings,
    runId: parts.runId,
  };
}

/** `20261120T101112Z-4f3a9c`: sorts by time, and two runs of one second differ. */
export function newRunId(): string {
  const time = new Date().toISOString().replaceAll(/[-:]|\.\d+/g, "");
  return `${time}-${randomBytes(3).toString("hex")}`;
}
