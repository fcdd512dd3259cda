import { statSync } from "node:fs";
import { homedir, userInfo } from "node:os";
import path from "node:path";
import type { SecureVersion } from "node:tls";
import { CONNINFO_PARAMETERS, type Conninfo, invalidConninfo, type ParameterName, parseConninfo } from "./parse-conninfo.ts";
import { readService, type ServiceFile } from "./service-file.ts";
import { SESSION_ATTRS, type SessionAttrs } from "./session-attrs.ts";

export type SslMode = (typeof SSL_MODES)[number];

const SSL_MODES = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] as const;
const TLS_VERSIONS = ["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"] as const;

/** What the configuration says about a database. At most one password source, the one in `url` counted. */
export interface ConnectionSettings {
  /** A URI or key=value pairs; undefined: the environment alone, as `psql` without arguments. */
  readonly url: string | undefined;
  readonly passwordFile?: string;
  /** Run without a shell for each connection; the first line of its output is the password. */
  readonly passwordCommand?: readonly string[];
  readonly rdsIam?: { readonly region: string };
  /** Counts where the string says nothing of its own. */
  readonly targetSessionAttrs?: SessionAttrs;
}

export interface HostSpec {
  /** A name, an address, or the directory of a Unix socket. */
  readonly host: string;
  readonly port: number;
  /** The address to go to; `host` is still the name the certificate must carry. */
  readonly hostaddr?: string;
}

/** Where a password comes from. Text is held in a closure, so that a printed or serialised spec does not show it. */
export type PasswordSource =
  | { readonly kind: "text"; readonly read: () => string }
  | { readonly kind: "file"; readonly path: string }
  | { readonly kind: "command"; readonly argv: readonly string[] }
  | { readonly kind: "rds-iam"; readonly region: string }
  | { readonly kind: "passfile"; readonly path: string | undefined };

/** Where and how to connect, every default filled in; holds no secret in the open. */
export interface ConnectionSpec extends TlsSettings {
  readonly hosts: readonly HostSpec[];
  readonly database: string;
  readonly user: string;
  readonly password: PasswordSource;
  readonly targetSessionAttrs: SessionAttrs;
  readonly loadBalanceHosts: boolean;
  /** For each attempt at one address; undefined: for ever. */
  readonly connectTimeoutMillis: number | undefined;
  /** Undefined: TCP keepalives are off. */
  readonly keepaliveIdleMillis: number | undefined;
  /** Command-line options for the server (`-c name=value`). */
  readonly options: string | undefined;
  readonly applicationName: string | undefined;
}

/** Names as libpq has them, where it has one. */
export interface TlsSettings {
  /** Undefined: nobody said; `sslModeOf` decides by host. */
  readonly sslmode: SslMode | undefined;
  readonly sslnegotiation: "postgres" | "direct";
  readonly sslrootcert: string | undefined;
  readonly sslcert: string | undefined;
  readonly sslkey: string | undefined;
  readonly sslpassword: (() => string) | undefined;
  readonly sslcrl: string | undefined;
  readonly sslcertmode: "disable" | "allow";
  readonly sslMinVersion: SecureVersion;
  readonly sslMaxVersion: SecureVersion | undefined;
  /** ~/.postgresql, where certificates are looked for that no parameter names. */
  readonly certificateDir: string | undefined;
  readonly channelBinding: "disable" | "prefer" | "require";
}

/** The process's surroundings; tests bring their own. */
export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly home: string | undefined;
  readonly user: string | undefined;
  /** Searched for a socket when no host is named. */
  readonly socketDirs: readonly string[];
}

const DEFAULT_PORT = 5432;
const DEFAULT_CONNECT_TIMEOUT_S = 10;
/** A firewall that forgets an idle connection usually does so after minutes; the system's default would notice after two hours. */
const DEFAULT_KEEPALIVE_IDLE_S = 60;
/** Where builds of PostgreSQL put their sockets: Debian and Red Hat, then upstream. */
const SOCKET_DIRS = ["/var/run/postgresql", "/tmp"];
const SYSTEM_SERVICE_DIR = "/etc/postgresql-common";

/**
 * Resolves settings by libpq's precedence: the string, then the service that it or PGSERVICE names, then PG* variables, then
 * defaults. Reads service files only; connects to nothing. Throws CONNECTION_STRING_INVALID.
 */
export function resolveConnection(settings: ConnectionSettings, around: Surroundings = surroundings()): ConnectionSpec {
  const written = parseConninfo(settings.url ?? "");
  const environment = fromEnvironment(around.env);
  const service = written.service ?? environment.service;
  const ofService = service === undefined ? {} : readService(service, serviceFiles(written.servicefile ?? environment.servicefile, around));
  const all: Conninfo = { ...environment, ...ofService, ...written };
  refuseUnkept(all);
  const value = (name: ParameterName) => (all[name] === "" ? undefined : all[name]);
  const user = value("user") ?? around.user;
  if (user === undefined) throw invalidConninfo("no user name: neither the connection string, PGUSER nor the operating system has one");
  const passfile = value("passfile") ?? (around.home === undefined ? undefined : path.join(around.home, ".pgpass"));
  return {
    hosts: hostsOf(value("host"), value("hostaddr"), value("port"), around.socketDirs),
    database: value("dbname") ?? user,
    user,
    password: passwordSource(settings, written.password, value("password"), passfile),
    ...tlsSettings(value, around.home),
    targetSessionAttrs:
      oneOf("target_session_attrs", written.target_session_attrs, SESSION_ATTRS) ??
      settings.targetSessionAttrs ??
      oneOf("target_session_attrs", value("target_session_attrs"), SESSION_ATTRS) ??
      "any",
    loadBalanceHosts: oneOf("load_balance_hosts", value("load_balance_hosts"), ["disable", "random"]) === "random",
    connectTimeoutMillis: seconds("connect_timeout", value("connect_timeout"), DEFAULT_CONNECT_TIMEOUT_S),
    keepaliveIdleMillis:
      value("keepalives") === "0" ? undefined : seconds("keepalives_idle", value("keepalives_idle"), DEFAULT_KEEPALIVE_IDLE_S),
    options: value("options"),
    applicationName: value("application_name") ?? value("fallback_application_name"),
  };
}

function tlsSettings(value: (name: ParameterName) => string | undefined, home: string | undefined): TlsSettings {
  const sslrootcert = value("sslrootcert");
  return {
    // libpq: sslrootcert=system raises the default; a mode that somebody wrote stays, and is checked against it.
    sslmode: oneOf("sslmode", value("sslmode"), SSL_MODES) ?? (sslrootcert === "system" ? "verify-full" : undefined),
    sslnegotiation: oneOf("sslnegotiation", value("sslnegotiation"), ["postgres", "direct"]) ?? "postgres",
    sslrootcert,
    sslcert: value("sslcert"),
    sslkey: value("sslkey"),
    sslpassword: hidden(value("sslpassword")),
    sslcrl: value("sslcrl"),
    sslcertmode: oneOf("sslcertmode", value("sslcertmode"), ["disable", "allow"]) ?? "allow",
    sslMinVersion: oneOf("ssl_min_protocol_version", value("ssl_min_protocol_version"), TLS_VERSIONS) ?? "TLSv1.2",
    sslMaxVersion: oneOf("ssl_max_protocol_version", value("ssl_max_protocol_version"), TLS_VERSIONS),
    certificateDir: home === undefined ? undefined : path.join(home, ".postgresql"),
    channelBinding: oneOf("channel_binding", value("channel_binding"), ["disable", "prefer", "require"]) ?? "prefer",
  };
}

/** The surroundings of this process. A container may have neither a home directory nor a name for its user. */
function surroundings(): Surroundings {
  return { env: process.env, home: attempt(homedir), user: attempt(() => userInfo().username), socketDirs: SOCKET_DIRS };
}

function attempt(read: () => string): string | undefined {
  try {
    return read() || undefined;
  } catch {
    return undefined;
  }
}

function fromEnvironment(env: Surroundings["env"]): Conninfo {
  const found: Partial<Record<ParameterName, string>> = {};
  for (const [name, parameter] of Object.entries(CONNINFO_PARAMETERS)) {
    const value = "env" in parameter ? env[parameter.env] : undefined;
    if (value !== undefined) found[name as ParameterName] = value;
  }
  return found;
}

function serviceFiles(named: string | undefined, around: Surroundings): ServiceFile[] {
  const system = { path: path.join(around.env.PGSYSCONFDIR ?? SYSTEM_SERVICE_DIR, "pg_service.conf"), required: false };
  if (named !== undefined) return [{ path: named, required: true }, system];
  return around.home === undefined ? [system] : [{ path: path.join(around.home, ".pg_service.conf"), required: false }, system];
}

/** Security that was asked for and that the driver cannot give is an error; to go on without it would be a lie. */
function refuseUnkept(all: Conninfo): void {
  for (const [name, parameter] of Object.entries(CONNINFO_PARAMETERS)) {
    const value = all[name as ParameterName];
    if (!("refused" in parameter) || value === undefined || value === "") continue;
    const refused: "any" | readonly string[] = parameter.refused;
    if (refused === "any" || refused.includes(value))
      throw invalidConninfo(`${name}${refused === "any" ? "" : `=${value}`} is not supported, and ignoring it would weaken the connection`);
  }
}

/**
 * Pairs hosts, addresses and ports (manual: "Specifying Multiple Hosts"): as many of each as there are hosts, or one port for all.
 * An empty entry means the default.
 */
function hostsOf(
  host: string | undefined,
  hostaddr: string | undefined,
  port: string | undefined,
  socketDirs: readonly string[],
): readonly HostSpec[] {
  const addresses = hostaddr?.split(",");
  const names = host?.split(",") ?? addresses?.map(() => "") ?? [""];
  const ports = port?.split(",") ?? [""];
  if (addresses !== undefined && addresses.length !== names.length)
    throw invalidConninfo(`${names.length} hosts but ${addresses.length} addresses (hostaddr)`);
  if (ports.length !== 1 && ports.length !== names.length) throw invalidConninfo(`${names.length} hosts but ${ports.length} ports`);
  return names.map((name, index) => {
    const number = portOf(ports.length === 1 ? (ports[0] as string) : (ports[index] as string), index);
    const address = addresses?.[index];
    if (address === undefined || address === "") return { host: name === "" ? defaultHost(number, socketDirs) : name, port: number };
    return { host: name === "" ? address : name, port: number, hostaddr: address };
  });
}

/** The value is not repeated: in a badly encoded URI it may be half of a password. */
function portOf(text: string, index: number): number {
  if (text.trim() === "") return DEFAULT_PORT;
  const port = Number(text.trim());
  if (/^\d+$/.test(text.trim()) && port >= 1 && port <= 65535) return port;
  throw invalidConninfo(
    `the port of host ${index + 1} is not a number from 1 to 65535`,
    "Percent-encode @ : / ? # [ ] % where they occur in user or password.",
  );
}

/** libpq knows at build time where its server's socket is; we look. */
function defaultHost(port: number, socketDirs: readonly string[]): string {
  return socketDirs.find((dir) => statSync(path.join(dir, `.s.PGSQL.${port}`), { throwIfNoEntry: false })?.isSocket()) ?? "localhost";
}

/** What the operator wrote down for this database beats what the environment happens to hold; two such are a contradiction. */
function passwordSource(
  settings: ConnectionSettings,
  written: string | undefined,
  elsewhere: string | undefined,
  passfile: string | undefined,
): PasswordSource {
  const explicit: PasswordSource[] = [];
  if (written !== undefined && written !== "") explicit.push({ kind: "text", read: () => written });
  if (settings.passwordFile !== undefined) explicit.push({ kind: "file", path: settings.passwordFile });
  if (settings.passwordCommand !== undefined) explicit.push({ kind: "command", argv: settings.passwordCommand });
  if (settings.rdsIam !== undefined) explicit.push({ kind: "rds-iam", region: settings.rdsIam.region });
  if (explicit.length > 1)
    throw invalidConninfo(
      "more than one password source: keep only one of the connection string's password, passwordFile, passwordCommand and rdsIam",
    );
  if (explicit[0] !== undefined) return explicit[0];
  return elsewhere === undefined ? { kind: "passfile", path: passfile } : { kind: "text", read: () => elsewhere };
}

function oneOf<const T extends string>(name: ParameterName, value: string | undefined, allowed: readonly T[]): T | undefined {
  if (value === undefined || value === "") return undefined;
  const found = allowed.find((candidate) => candidate === value);
  if (found === undefined) throw invalidConninfo(`${name} must be one of ${allowed.join(", ")}`);
  return found;
}

/** Whole seconds as milliseconds; zero and less mean for ever, as in libpq. */
function seconds(name: ParameterName, value: string | undefined, otherwise: number): number | undefined {
  if (value !== undefined && !/^\s*-?\d{1,9}\s*$/.test(value)) throw invalidConninfo(`${name} must be a whole number of seconds`);
  const number = value === undefined ? otherwise : Number(value);
  return number > 0 ? number * 1000 : undefined;
}

/** Out of reach of whoever prints the spec. */
function hidden(text: string | undefined): (() => string) | undefined {
  return text === undefined ? undefined : () => text;
}
