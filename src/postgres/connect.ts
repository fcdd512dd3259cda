import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import type pg from "pg";
import { type ErrorContext, PghaulError } from "../errors/pghaul-error.ts";
import { type SideName, sideCode } from "../model/side.ts";
import { openSession, type SessionRequest } from "./open-session.ts";
import { readPassword } from "./password.ts";
import type { ConnectionSpec, HostSpec } from "./resolve-connection.ts";
import { acceptsRole, type SessionAttrs } from "./session-attrs.ts";
import { isSocket, type SslOptions, sslAttempts, sslModeOf } from "./ssl-options.ts";
import { asPghaulError, sqlState } from "./wrap-error.ts";

export interface ConnectOptions {
  readonly side: SideName;
  /** What the session is for, as a DBA reads it in pg_stat_activity: `snapshot public.orders c17`. */
  readonly purpose: string;
  /** A walsender session that also takes SQL (`replication=database`). */
  readonly replication?: boolean;
  /** Server settings on top of the canonical ones, e.g. `{ lock_timeout: "2s" }`. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Gives up connecting, with the signal's reason; has no hold on the session afterwards. */
  readonly signal?: AbortSignal;
}

/** NAMEDATALEN - 1. */
const MAX_NAME_BYTES = 63;

/** Every value as the text that the server sent: no Date, no number, nothing rounded. */
const rawTypes = { getTypeParser: () => (value: string) => value } as unknown as pg.CustomTypesConfig;

/** `user@host:port/db (sslmode)`, to print: no secret in it. */
export function describeConnection(spec: ConnectionSpec): string {
  const modes = [...new Set(spec.hosts.map((host) => (isSocket(host) ? "socket" : sslModeOf(spec, host))))];
  return `${spec.user}@${spec.hosts.map(hostText).join(",")}/${spec.database} (${modes.join(", ")})`;
}

/**
 * Opens a session with the canonical settings (`open-session.ts`) on the first host that has the role asked for
 * (target_session_attrs). Hosts, addresses, passwords and certificates are looked up anew on every call, so connecting again after
 * a failover or a rotation needs nothing else. One attempt at each address, no retries.
 *
 * Throws PghaulError SOURCE_* or TARGET_*: UNREACHABLE when no host is left (the message tells each attempt), AUTH, PRIVILEGE,
 * QUERY (the database does not exist); CONNECTION_STRING_INVALID for certificate files that cannot be used.
 *
 * A session that is lost while idle does not end the process: the next query rejects with SOURCE_LOST or TARGET_LOST, as does the
 * one that was running. Errors of the server itself are passed on raw, for the caller to judge by SQLSTATE.
 */
export async function connect(spec: ConnectionSpec, options: ConnectOptions): Promise<pg.Client> {
  if (spec.targetSessionAttrs !== "prefer-standby") return firstHost(spec, options, spec.targetSessionAttrs);
  try {
    return await firstHost(spec, options, "standby");
  } catch (error) {
    if (!triesNext(error)) throw error;
    return firstHost(spec, options, "any");
  }
}

async function firstHost(spec: ConnectionSpec, options: ConnectOptions, attrs: SessionAttrs): Promise<pg.Client> {
  const failures: PghaulError[] = [];
  for (const host of inOrder(spec, spec.hosts)) {
    // As libpq: only a host that cannot be reached, or has another role, is passed over; refused credentials end the search.
    const note = (error: unknown) => {
      const failure = failureAt(spec, host, options, error);
      if (!triesNext(failure)) throw failure;
      failures.push(failure);
    };
    const addresses = await addressesOf(host, deadline(spec, options)).catch(note);
    for (const address of inOrder(spec, addresses ?? [])) {
      try {
        return await openAt(spec, options, { host, address, attrs });
      } catch (error) {
        note(error);
      }
    }
  }
  throw failures.length === 1 ? failures[0] : noHostLeft(spec, options.side, failures);
}

async function openAt(
  spec: ConnectionSpec,
  options: ConnectOptions,
  at: { host: HostSpec; address: string; attrs: SessionAttrs },
): Promise<pg.Client> {
  const attempts = await sslAttempts(spec, at.host);
  for (const [index, ssl] of attempts.entries()) {
    try {
      const { client, role } = await openSession({
        side: options.side,
        context: contextOf(spec, at.host),
        config: clientConfig(spec, options, { ...at, ssl }),
        requireChannelBinding: spec.channelBinding === "require",
        settings: options.settings ?? {},
        signal: deadline(spec, options),
      });
      if (acceptsRole(at.attrs, role)) return client;
      await client.end();
      throw unreachable(
        options.side,
        `is ${role.inRecovery ? "a standby" : role.readOnly ? "a read-only primary" : "a primary"}, but target_session_attrs=${at.attrs} is required`,
      );
    } catch (error) {
      if (index === attempts.length - 1 || !justifiesOtherMode(ssl, error)) throw error;
    }
  }
  throw new PghaulError("BUG", "no TLS mode was tried");
}

/** `prefer` goes on in plain text only where the server has no TLS at all; `allow` turns to TLS only where the server asks for it. */
function justifiesOtherMode(ssl: SslOptions, error: unknown): boolean {
  if (ssl === false) return sqlState(error) === "28000";
  return error instanceof Error && error.message === "The server does not support SSL connections";
}

function clientConfig(
  spec: ConnectionSpec,
  options: ConnectOptions,
  at: { host: HostSpec; address: string; ssl: SslOptions },
): SessionRequest["config"] {
  return {
    host: at.address,
    port: at.host.port,
    user: spec.user,
    database: spec.database,
    password: () => readPassword(spec, at.host, options.side),
    application_name: sessionLabel(spec.applicationName ?? "pghaul", options.purpose),
    ssl: at.ssl,
    // Every setting that `pg` would otherwise take from PG* by rules of its own is given, even where it is the default.
    sslnegotiation: at.ssl === false ? "postgres" : spec.sslnegotiation,
    // Not for `prefer`: `pg` fails on certificate signatures it does not know instead of going on without.
    enableChannelBinding: spec.channelBinding === "require",
    connectionTimeoutMillis: 0,
    keepAlive: spec.keepaliveIdleMillis !== undefined,
    keepAliveInitialDelayMillis: spec.keepaliveIdleMillis ?? 0,
    types: rawTypes,
    ...(spec.options === undefined ? {} : { options: spec.options }),
    ...(options.replication === true ? { replication: "database" } : {}),
  };
}

/** The server cuts application_name at 63 bytes and puts ? for what is not ASCII; done here, the closing bracket stays. */
function sessionLabel(application: string, purpose: string): string {
  const ascii = `${application} [${purpose}`.replace(/[^\x20-\x7e]/gu, "?");
  return `${ascii.slice(0, MAX_NAME_BYTES - 1)}]`;
}

/** A name may stand for several servers, of different roles; each address is a host of its own, as in libpq. */
async function addressesOf(host: HostSpec, signal: AbortSignal): Promise<string[]> {
  if (host.hostaddr !== undefined) return [host.hostaddr];
  if (isSocket(host) || isIP(host.host) !== 0) return [host.host];
  const found = lookup(host.host, { all: true }).then((entries) => entries.map((entry) => entry.address));
  return new Promise((resolve, reject) => {
    const giveUp = () => reject(signal.reason);
    signal.addEventListener("abort", giveUp);
    found.then(resolve, reject).finally(() => signal.removeEventListener("abort", giveUp));
  });
}

/** connect_timeout holds for each attempt anew, as in libpq. */
function deadline(spec: ConnectionSpec, options: ConnectOptions): AbortSignal {
  const signals = spec.connectTimeoutMillis === undefined ? [] : [AbortSignal.timeout(spec.connectTimeoutMillis)];
  return AbortSignal.any(options.signal === undefined ? signals : [options.signal, ...signals]);
}

/** The error of one attempt, named by host. The caller's own abort goes through as it is: a stop is not a failure. */
function failureAt(spec: ConnectionSpec, host: HostSpec, options: ConnectOptions, error: unknown): PghaulError {
  options.signal?.throwIfAborted();
  const context = contextOf(spec, host);
  if (error instanceof Error && error.name === "TimeoutError")
    return unreachable(
      options.side,
      `${context.host}: no answer within ${(spec.connectTimeoutMillis ?? 0) / 1000} s (connect_timeout)`,
      context,
    );
  const known = asPghaulError(error, options.side, context);
  if (known.kind === "config") return known;
  // The session never was: a reset or an early end of a handshake means not reached, rather than lost.
  const code = known.code === sideCode(options.side, "LOST") ? sideCode(options.side, "UNREACHABLE") : known.code;
  return new PghaulError(code, `${context.host}: ${known.message}`, {
    context: { ...context, ...known.context },
    ...(known.cause === undefined ? {} : { cause: known.cause }),
    ...(known.suggestion === undefined ? {} : { suggestion: known.suggestion }),
  });
}

function noHostLeft(spec: ConnectionSpec, side: SideName, failures: readonly PghaulError[]): PghaulError {
  const context = { host: spec.hosts.map(hostText).join(","), database: spec.database, user: spec.user };
  return unreachable(side, `no host could be used: ${failures.map((failure) => failure.message).join("; ")}`, context);
}

function triesNext(error: unknown): boolean {
  return error instanceof PghaulError && (error.code === "SOURCE_UNREACHABLE" || error.code === "TARGET_UNREACHABLE");
}

function unreachable(side: SideName, message: string, context: ErrorContext = {}): PghaulError {
  return new PghaulError(sideCode(side, "UNREACHABLE"), message, { context });
}

function contextOf(spec: ConnectionSpec, host: HostSpec): { host: string; database: string; user: string } {
  return { host: hostText(host), database: spec.database, user: spec.user };
}

function hostText(host: HostSpec): string {
  return `${host.host.includes(":") ? `[${host.host}]` : host.host}:${host.port}`;
}

/** load_balance_hosts=random: workers of many machines spread over the standbys. */
function inOrder<T>(spec: ConnectionSpec, items: readonly T[]): readonly T[] {
  if (!spec.loadBalanceHosts) return items;
  return items
    .map((item) => ({ item, rank: Math.random() }))
    .sort((a, b) => a.rank - b.rank)
    .map(({ item }) => item);
}
