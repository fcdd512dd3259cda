import { nearestName } from "../errors/nearest.ts";
import { PghaulError } from "../errors/pghaul-error.ts";

/**
 * libpq's parameters with the environment variable of each (manual: "Parameter Key Words", "Environment Variables"). Those that
 * pghaul has no use for are known too: a string that works in psql must not fail here over a tuning knob. `refused` are promises
 * about security that the driver cannot keep; to ignore one of them would weaken what was asked for.
 */
export const CONNINFO_PARAMETERS = {
  application_name: { env: "PGAPPNAME" },
  channel_binding: { env: "PGCHANNELBINDING" },
  client_encoding: { env: "PGCLIENTENCODING" },
  connect_timeout: { env: "PGCONNECT_TIMEOUT" },
  dbname: { env: "PGDATABASE" },
  fallback_application_name: {},
  gssdelegation: { env: "PGGSSDELEGATION" },
  gssencmode: { env: "PGGSSENCMODE", refused: ["require"] },
  gsslib: { env: "PGGSSLIB" },
  host: { env: "PGHOST" },
  hostaddr: { env: "PGHOSTADDR" },
  keepalives: {},
  keepalives_count: {},
  keepalives_idle: {},
  keepalives_interval: {},
  krbsrvname: { env: "PGKRBSRVNAME" },
  load_balance_hosts: { env: "PGLOADBALANCEHOSTS" },
  max_protocol_version: { env: "PGMAXPROTOCOLVERSION" },
  min_protocol_version: { env: "PGMINPROTOCOLVERSION" },
  oauth_client_id: { refused: "any" },
  oauth_client_secret: { refused: "any" },
  oauth_issuer: { refused: "any" },
  oauth_scope: { refused: "any" },
  options: { env: "PGOPTIONS" },
  passfile: { env: "PGPASSFILE" },
  password: { env: "PGPASSWORD" },
  port: { env: "PGPORT" },
  replication: {},
  require_auth: { env: "PGREQUIREAUTH", refused: "any" },
  requirepeer: { env: "PGREQUIREPEER", refused: "any" },
  scram_client_key: { refused: "any" },
  scram_server_key: { refused: "any" },
  service: { env: "PGSERVICE" },
  servicefile: { env: "PGSERVICEFILE" },
  ssl_max_protocol_version: { env: "PGSSLMAXPROTOCOLVERSION" },
  ssl_min_protocol_version: { env: "PGSSLMINPROTOCOLVERSION" },
  sslcert: { env: "PGSSLCERT" },
  sslcertmode: { env: "PGSSLCERTMODE", refused: ["require"] },
  sslcompression: { env: "PGSSLCOMPRESSION" },
  sslcrl: { env: "PGSSLCRL" },
  sslcrldir: { env: "PGSSLCRLDIR", refused: "any" },
  sslkey: { env: "PGSSLKEY" },
  sslkeylogfile: {},
  sslmode: { env: "PGSSLMODE" },
  sslnegotiation: { env: "PGSSLNEGOTIATION" },
  sslpassword: {},
  sslrootcert: { env: "PGSSLROOTCERT" },
  sslsni: { env: "PGSSLSNI" },
  target_session_attrs: { env: "PGTARGETSESSIONATTRS" },
  tcp_user_timeout: {},
  user: { env: "PGUSER" },
} as const satisfies Record<string, { readonly env?: string; readonly refused?: "any" | readonly string[] }>;

export type ParameterName = keyof typeof CONNINFO_PARAMETERS;

/** Parameters as given, defaults not filled in; lists of hosts and ports still joined by commas. */
export type Conninfo = Readonly<Partial<Record<ParameterName, string>>>;

/** Says which part could not be read, and never quotes it: a badly encoded password ends up in any part. */
export function invalidConninfo(message: string, suggestion?: string): PghaulError {
  return new PghaulError("CONNECTION_STRING_INVALID", message, suggestion === undefined ? {} : { suggestion });
}

/**
 * Reads a connection string as libpq does (manual: "Connection Strings"): a `postgresql://` or `postgres://` URI, or `key=value`
 * pairs. Throws CONNECTION_STRING_INVALID.
 */
export function parseConninfo(text: string): Conninfo {
  const uri = /^postgres(?:ql)?:\/\/(.*)$/s.exec(text);
  return uri === null ? parsePairs(text) : parseUri(uri[1] as string);
}

/** The parameter of this name; `where` goes into the error. A name is repeated in it only when it resembles a real one. */
export function parameterNamed(name: string, where: string): ParameterName {
  if (Object.hasOwn(CONNINFO_PARAMETERS, name)) return name as ParameterName;
  const nearest = nearestName(name, Object.keys(CONNINFO_PARAMETERS));
  if (nearest === null)
    throw invalidConninfo(
      `${where} has a parameter that libpq does not know (a password with special characters must be quoted or percent-encoded)`,
    );
  throw invalidConninfo(`${where} has an unknown parameter "${name}"; did you mean "${nearest}"?`);
}

const PAIRS = "the connection string";

/** `key = 'value'` pairs: blanks around `=` are allowed, quotes group, a backslash takes the next character as it is. */
function parsePairs(text: string): Conninfo {
  const found: Partial<Record<ParameterName, string>> = {};
  const pair = /\s*([^\s=]+)\s*(=\s*(?:'((?:\\.|[^'\\])*)('?)|((?:\\.|[^\s\\])*)\\?))?/sy;
  const end = text.trimEnd().length;
  while (pair.lastIndex < end) {
    const match = pair.exec(text);
    if (match === null || match[2] === undefined) {
      throw invalidConninfo(
        `${PAIRS} is neither a postgresql:// URI nor key=value pairs`,
        'postgresql://user@host:5432/database or "host=... dbname=... user=..."',
      );
    }
    if (match[3] !== undefined && match[4] === "") throw invalidConninfo(`${PAIRS} has an unclosed quote`);
    const value = (match[3] ?? match[5] ?? "").replace(/\\(.)/gs, "$1");
    found[parameterNamed(match[1] as string, PAIRS)] = value;
  }
  return found;
}

/** `[user[:password]@][host[:port][,...]][/dbname][?name=value[&...]]`; every part but the ports may be percent-encoded. */
function parseUri(rest: string): Conninfo {
  const found: Partial<Record<ParameterName, string>> = {};
  const store = (name: ParameterName, raw: string) => {
    if (raw !== "") found[name] = decodePercent(raw);
  };
  // As libpq reads it: the user part ends at the first @ that comes before any slash.
  const credentials = /^([^@/:]*)(?::([^@/]*))?@/.exec(rest);
  if (credentials !== null) {
    store("user", credentials[1] as string);
    store("password", credentials[2] ?? "");
  }
  const afterUser = rest.slice(credentials?.[0].length ?? 0);
  const [, authority = "", dbname = "", query] = /^([^/?]*)(?:\/([^?]*))?(?:\?(.*))?$/s.exec(afterUser) ?? [];
  storeHosts(authority, store);
  store("dbname", dbname);
  // One & too many at the end is forgiven, nowhere else.
  if (query !== undefined && query !== "") for (const piece of query.replace(/(?<=.)&$/, "").split("&")) storeQueryParameter(piece, found);
  return found;
}

function storeHosts(authority: string, store: (name: ParameterName, raw: string) => void): void {
  const hosts: string[] = [];
  const ports: string[] = [];
  for (const piece of authority.split(",")) {
    const parts = /^(?:\[([^\]]+)\]|([^:[\]]*))(?::(.*))?$/.exec(piece);
    if (parts === null) {
      throw invalidConninfo(
        "the host part of the connection string cannot be read",
        "Put an IPv6 address in brackets; percent-encode @ : / ? # [ ] % in user and password.",
      );
    }
    hosts.push(parts[1] ?? parts[2] ?? "");
    ports.push(parts[3] ?? "");
  }
  store("host", hosts.every((host) => host === "") ? "" : hosts.join(","));
  store("port", ports.every((port) => port === "") ? "" : ports.join(","));
}

function storeQueryParameter(piece: string, found: Partial<Record<ParameterName, string>>): void {
  const parts = piece.split("=");
  if (parts.length !== 2) throw invalidConninfo("a query parameter of the connection string does not have the form name=value");
  const [name, value] = parts.map(decodePercent) as [string, string];
  // The one JDBC habit that libpq takes over.
  if (name === "ssl" && value === "true") found.sslmode = "require";
  else found[parameterNamed(name, "the connection string")] = value;
}

function decodePercent(text: string): string {
  if (/%(?![0-9A-Fa-f]{2})/.test(text))
    throw invalidConninfo("the connection string has a % that is not followed by two hexadecimal digits", "Write %25 for a percent sign.");
  if (text.includes("%00")) throw invalidConninfo("the connection string has a %00, which no parameter can hold");
  try {
    return decodeURIComponent(text);
  } catch {
    throw invalidConninfo("the connection string has percent-encoded bytes that are not UTF-8");
  }
}
