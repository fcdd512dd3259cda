import { type ErrorContext, PghaulError } from "../errors/pghaul-error.ts";
import { type SideFault, type SideName, sideCode } from "../model/side.ts";
import { tableId } from "../model/table.ts";
import { quoteIdent } from "./quote.ts";

/** The fields of a server's ErrorResponse that are used (manual: "Error and Notice Message Fields"). */
interface ServerError extends Error {
  readonly code: string;
  readonly severity: string;
  readonly hint?: string;
  readonly where?: string;
  /** The function of the server that reported it; the same in every language. */
  readonly routine?: string;
  readonly schema?: string;
  readonly table?: string;
  readonly column?: string;
  readonly constraint?: string;
}

/** Socket errors that mean the server was never reached, whatever the phase. */
const UNREACHABLE_ERRNO = new Set([
  "ECONNREFUSED",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "EHOSTDOWN",
  "ENETDOWN",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EAI_FAIL",
  "EAI_NODATA",
]);

const LOST_ERRNO = new Set([
  "ECONNRESET",
  "EPIPE",
  "ECONNABORTED",
  "ETIMEDOUT",
  "ENOTCONN",
  "ERR_STREAM_DESTROYED",
  "ERR_STREAM_PREMATURE_CLOSE",
  "ERR_STREAM_WRITE_AFTER_END",
]);

/** `pg` has no codes for these; the texts are compared whole, so a changed text shows up as a QUERY error, never as a wrong one. */
const LOST_TEXT = new Set([
  "Connection terminated",
  "Connection terminated unexpectedly",
  "Client has encountered a connection error and is not queryable",
  "Client was closed and is not queryable",
]);

const NO_TLS = "The server does not support SSL connections";

/** What OpenSSL and Node call a certificate that we refuse. */
const CERTIFICATE = /CERT|SELF_SIGNED|UNABLE_TO_(VERIFY|GET|DECRYPT)|INVALID_(CA|PURPOSE)|HOSTNAME_MISMATCH|PATH_LENGTH_EXCEEDED/;

const SUGGESTIONS: Readonly<Record<string, string>> = {
  "22P05": "Give the other side an encoding that has the character (UTF8 has them all), or change the rows that hold it.",
  "25006": "The server is a standby, or read-only by its settings. Add target_session_attrs=primary to the connection string.",
  "28000": "Make sure that the role exists and may log in, and that pg_hba.conf has a line for it, the database and this client's address.",
  "28P01": "Try the same user with psql; then check .pgpass, passwordFile or passwordCommand.",
  "3D000": "Compare the database name in the connection string with: psql -l",
  "53100": "Free disk space on the server, then run the same command again.",
  "53300": "Raise max_connections, or lower throttle.workers.",
  "53400": "Raise the limit that the message names.",
};

/**
 * Turns anything that a driver, a socket or a server threw into a PghaulError of this side.
 *
 * `context` says where (table, chunk, step, host). A server's DETAIL and CONTEXT are dropped, for they quote rows, and so is the
 * original error as a cause; SQLSTATE, constraint, table and column stay, in `context`. A PghaulError passes through unchanged.
 */
export function asPghaulError(error: unknown, side: SideName, context: ErrorContext = {}): PghaulError {
  if (error instanceof PghaulError) return error;
  if (isServerError(error)) return fromServer(error, side, context);
  const { code, message, name } = describe(error);
  if (name === "AbortError") return new PghaulError("INTERRUPTED", "interrupted", { context, cause: error });
  const fault = faultOf(error, code, message, name);
  return new PghaulError(sideCode(side, fault), message, { context, cause: error, ...suggestionFor(code, message) });
}

/** Whether a server, a driver or a socket threw it, and not a fault of ours. */
export function isOfConnection(error: unknown): boolean {
  if (isServerError(error)) return true;
  const { code, message } = describe(error);
  return LOST_TEXT.has(message) || (code !== undefined && (LOST_ERRNO.has(code) || UNREACHABLE_ERRNO.has(code)));
}

/** The SQLSTATE of a raw server error or of a PghaulError made from one. */
export function sqlState(error: unknown): string | undefined {
  if (isServerError(error)) return error.code;
  const state = error instanceof PghaulError ? error.context.sqlstate : undefined;
  return typeof state === "string" ? state : undefined;
}

function fromServer(error: ServerError, side: SideName, context: ErrorContext): PghaulError {
  const table = error.table === undefined ? undefined : tableId({ schema: error.schema ?? "", name: error.table });
  const place = /^COPY ([^,]+), line (\d+)(?:, column ([^:]+))?/.exec(error.where ?? "");
  const suggestion = enumSuggestion(error) ?? (isOwnLimit(error) ? raiseLimit(error, context) : SUGGESTIONS[error.code]) ?? error.hint;
  return new PghaulError(sideCode(side, serverFault(error)), withoutValues(error), {
    context: {
      ...defined({ table, constraint: error.constraint, column: error.column ?? place?.[3], copyLine: place?.[2] }),
      ...context,
      sqlstate: error.code,
    },
    ...(suggestion === undefined ? {} : { suggestion }),
  });
}

/** These two functions of the server compare with rolconnlimit and datconnlimit. */
function isOwnLimit({ code, routine }: ServerError): boolean {
  return code === "53300" && (routine === "InitializeSessionUserId" || routine === "CheckMyDatabase");
}

function raiseLimit({ routine }: ServerError, { user, database }: ErrorContext): string | undefined {
  const name = routine === "CheckMyDatabase" ? database : user;
  if (typeof name !== "string") return undefined;
  return `alter ${routine === "CheckMyDatabase" ? "database" : "role"} ${quoteIdent(name)} connection limit -1;   -- or lower throttle.workers`;
}

/** Classes and codes of the manual's appendix "PostgreSQL Error Codes". */
function serverFault(error: ServerError): SideFault {
  const { code: sqlstate, severity } = error;
  if (sqlstate.startsWith("28")) return "AUTH";
  if (sqlstate === "42501") return "PRIVILEGE";
  // The limit of a role or a database is somebody's will, and no moment's shortage: asking again would never end.
  if (isOwnLimit(error)) return "QUERY";
  // cannot_connect_now: starting, stopping or in recovery; too_many_connections: the next attempt may find a place.
  if (sqlstate === "57P03" || sqlstate === "53300") return "UNREACHABLE";
  // As an error it is about one message (extended protocol on a walsender); poolers end sessions with it.
  if (sqlstate === "08P01" && severity === "ERROR") return "QUERY";
  // The server ended the session: shutdown, crash, dropped database, idle timeouts.
  if (sqlstate.startsWith("08") || /^57P0[1245]$/.test(sqlstate) || /^25P0[34]$/.test(sqlstate)) return "LOST";
  return "QUERY";
}

/**
 * Messages of class 22 (data exceptions) quote the value itself: `invalid input syntax for type date: "..."`. The outermost pair
 * of quotes is what holds it, in whatever language the server speaks. A label of an enum is a word of the schema and not of a row, and a
 * character that an encoding lacks is told by its bytes: both stay, for they are what has to be acted on.
 */
function withoutValues(error: ServerError): string {
  if (!error.code.startsWith("22") || error.routine === "enum_in" || error.code === UNTRANSLATABLE) return error.message;
  return error.message.replace(/(["«„“]).*(["»“”])/s, "$1...$2");
}

/** untranslatable_character: `character with byte sequence 0xe2 0x82 0xac in encoding "UTF8" has no equivalent in encoding "LATIN1"`. */
const UNTRANSLATABLE = "22P05";

/** `invalid input value for enum public.mood: "glad"` (enum_in of PostgreSQL): the statement that makes the label. */
function enumSuggestion({ routine, message }: ServerError): string | undefined {
  const [, type, label] = (routine === "enum_in" && /enum (.+): "(.*)"$/s.exec(message)) || [];
  if (type === undefined || label === undefined) return undefined;
  return `alter type ${type} add value '${label.replaceAll("'", "''")}';`;
}

function faultOf(error: unknown, code: string | undefined, message: string, name: string): SideFault {
  const syscall = (error as { syscall?: unknown } | null)?.syscall;
  if (code !== undefined && CERTIFICATE.test(code)) return "AUTH";
  if (message === NO_TLS || /^SASL: |^SCRAM/.test(message)) return "AUTH";
  if (syscall === "connect" || name === "TimeoutError" || (code !== undefined && UNREACHABLE_ERRNO.has(code))) return "UNREACHABLE";
  if (LOST_TEXT.has(message) || (code !== undefined && LOST_ERRNO.has(code))) return "LOST";
  return "QUERY";
}

function suggestionFor(code: string | undefined, message: string): { suggestion?: string } {
  if (message === NO_TLS) {
    return { suggestion: "Turn on ssl at the server. Only in a network you trust, add sslmode=disable to the connection string instead." };
  }
  if (code === undefined || !CERTIFICATE.test(code)) return {};
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") return { suggestion: "Connect with the name that is in the server's certificate." };
  return {
    suggestion:
      "Name the authority that signed the server's certificate: add sslrootcert=FILE (or sslrootcert=system) to the connection string.",
  };
}

function describe(error: unknown): { code: string | undefined; message: string; name: string } {
  // Node tries several addresses and reports them together; the first is the one the operator named.
  const one: unknown = error instanceof AggregateError && error.errors.length > 0 ? error.errors[0] : error;
  if (!(one instanceof Error)) return { code: undefined, message: "the driver failed without an error", name: "" };
  const code = (one as { code?: unknown }).code;
  return { code: typeof code === "string" ? code : undefined, message: one.message, name: one.name };
}

function isServerError(error: unknown): error is ServerError {
  if (!(error instanceof Error) || error instanceof PghaulError) return false;
  const { code, severity } = error as Partial<ServerError>;
  return typeof severity === "string" && typeof code === "string" && /^[0-9A-Z]{5}$/.test(code);
}

function defined(context: Record<string, string | undefined>): ErrorContext {
  return Object.fromEntries(Object.entries(context).filter(([, value]) => value !== undefined));
}
