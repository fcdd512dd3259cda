import { ERROR_CODES, type ErrorKind } from "../../errors/codes.ts";
import { PghaulError } from "../../errors/pghaul-error.ts";
import { exitCodeOf } from "../../errors/policy.ts";
import { redact } from "../../observe/redact.ts";

/** An error as an operator sees it, in text or under `error` in the JSON envelope. Every string is redacted. */
export interface ErrorView {
  readonly code: string;
  readonly kind: ErrorKind;
  readonly message: string;
  readonly context: Readonly<Record<string, string | number | boolean>>;
  /** What to do next: a command or statement to paste, or the advice of the error code. */
  readonly suggestion: string;
  /** The process exit code. */
  readonly exit: number;
  /** Messages of the causes, outermost first. */
  readonly causes: readonly string[];
}

/** A chain longer than this is a loop or noise. */
const MOST_CAUSES = 8;

export function viewError(error: unknown): ErrorView {
  const known = error instanceof PghaulError ? error : new PghaulError("BUG", messageOf(error), { cause: causeOf(error) });
  return {
    code: known.code,
    kind: known.kind,
    message: redact(known.message),
    context: cleanContext(known.context),
    suggestion: redact(known.suggestion ?? ERROR_CODES[known.code].help),
    exit: exitCodeOf(known),
    causes: causesOf(known),
  };
}

/** The text form for stderr, last line most important: that is where the eye stops. */
export function renderError(view: ErrorView): string {
  const lines = [`Error: ${view.message}`, `Code: ${view.code}`];
  const where = Object.entries(view.context).map(([key, value]) => `${key}=${value}`);
  if (where.length > 0) lines.push(`Where: ${where.join(" ")}`);
  for (const cause of view.causes) lines.push(`Caused by: ${cause}`);
  lines.push(`Try this: ${view.suggestion}`);
  return `${lines.join("\n")}\n`;
}

/** Stacks of the error and its causes, for DEBUG=pghaul. */
export function renderStack(error: unknown): string {
  const stacks: string[] = [];
  for (let current = error; current instanceof Error && stacks.length < MOST_CAUSES; current = current.cause) {
    stacks.push(current.stack ?? current.message);
  }
  return `${redact(stacks.join("\ncaused by "))}\n`;
}

function cleanContext(context: PghaulError["context"]): Record<string, string | number | boolean> {
  const clean: Record<string, string | number | boolean> = {};
  for (const [key, value] of Object.entries(context)) {
    if (value !== undefined) clean[key] = typeof value === "string" ? redact(value) : value;
  }
  return clean;
}

function causesOf(error: Error): string[] {
  const causes: string[] = [];
  for (let cause = error.cause; cause !== undefined && cause !== null && causes.length < MOST_CAUSES; cause = causeOf(cause)) {
    causes.push(redact(describeCause(cause)));
  }
  return causes;
}

/** PostgreSQL's `detail` and `where` are left out on purpose: they quote row values. */
function describeCause(cause: unknown): string {
  const code = cause instanceof Error && "code" in cause && typeof cause.code === "string" ? ` (${cause.code})` : "";
  return messageOf(cause) + code;
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error instanceof AggregateError && error.message === "") return error.errors.map(messageOf).join("; ");
  return error.message === "" ? error.name : error.message;
}

function causeOf(error: unknown): unknown {
  return error instanceof Error ? error.cause : undefined;
}
