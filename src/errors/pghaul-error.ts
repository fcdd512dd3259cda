import { ERROR_CODES, type ErrorCode, type ErrorKind } from "./codes.ts";

/** Where an error happened. Never row values, never secrets. */
export interface ErrorContext {
  readonly table?: string;
  readonly chunk?: number;
  readonly lsn?: string;
  readonly step?: string;
  readonly [key: string]: string | number | boolean | undefined;
}

export interface ErrorDetail {
  readonly cause?: unknown;
  readonly context?: ErrorContext;
  /** A command or statement to paste; printed under "Try this". */
  readonly suggestion?: string;
  /** The side it happened at, for a code that both sides share (SCHEMA_DRIFT, SLOT_LOST); decides the exit code. */
  readonly side?: SideKind;
}

/** The kinds that are a side. */
type SideKind = Extract<ErrorKind, "source" | "target">;

/**
 * The one error type that reaches an operator: a stable code, a sentence, where it happened, what fixes it.
 *
 * Throw it where the meaning is known (a missing GRANT, a lost slot); let everything else bubble up and be wrapped
 * by the port that talked to the database.
 */
export class PghaulError extends Error {
  readonly code: ErrorCode;
  readonly context: ErrorContext;
  readonly suggestion: string | undefined;
  readonly #side: SideKind | undefined;

  constructor(code: ErrorCode, message: string, detail: ErrorDetail = {}) {
    super(message, detail.cause === undefined ? undefined : { cause: detail.cause });
    this.name = "PghaulError";
    this.code = code;
    this.context = detail.context ?? {};
    this.suggestion = detail.suggestion;
    this.#side = detail.side;
  }

  get kind(): ErrorKind {
    const { kind } = ERROR_CODES[this.code];
    return (kind === "source" || kind === "target") && this.#side !== undefined ? this.#side : kind;
  }
}
