import { readFile, stat } from "node:fs/promises";
import path from "node:path";
import { type ConnectionOptions, checkServerIdentity, getCACertificates } from "node:tls";
import { PghaulError } from "../errors/pghaul-error.ts";
import type { ConnectionSpec, HostSpec, SslMode } from "./resolve-connection.ts";

/** TLS settings as `pg` takes them; `false` is plain text. */
export type SslOptions = ConnectionOptions | false;

/**
 * The mode that holds for a host. Sockets have no TLS. What the string or the environment says is obeyed; where nothing is said, the
 * default is full verification, but for this machine itself, where libpq's own default `prefer` does.
 */
export function sslModeOf(spec: ConnectionSpec, host: HostSpec): SslMode {
  if (isSocket(host)) return "disable";
  return spec.sslmode ?? (isLoopback(host.hostaddr ?? host.host) ? "prefer" : "verify-full");
}

/**
 * The attempts to make at a host, in order (manual: "SSL Support", "Protection Provided in Different Modes"). The second one is
 * taken only for the reason its mode allows: `prefer`, when the server has no TLS; `allow`, when the server insists on it.
 * Certificate files are read on every call, so a rotated certificate is used at the next connection.
 */
export async function sslAttempts(spec: ConnectionSpec, host: HostSpec): Promise<readonly SslOptions[]> {
  const mode = sslModeOf(spec, host);
  if (spec.sslnegotiation === "direct" && ["disable", "allow", "prefer"].includes(mode) && !isSocket(host)) {
    throw invalid(`sslnegotiation=direct needs sslmode=require or stronger, not ${mode}`);
  }
  if (mode === "disable") return [false];
  const options = await tlsOptions(spec, host, mode);
  if (mode === "prefer") return [options, false];
  return mode === "allow" ? [false, options] : [options];
}

export function isSocket(host: HostSpec): boolean {
  return host.hostaddr === undefined && host.host.startsWith("/");
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host);
}

async function tlsOptions(spec: ConnectionSpec, host: HostSpec, asked: SslMode): Promise<ConnectionOptions> {
  const roots = await rootCertificates(spec, asked);
  // libpq: with a root certificate at hand, `require` means verify-ca.
  const mode = asked === "require" && roots !== undefined ? "verify-ca" : asked;
  const verified = mode === "verify-ca" || mode === "verify-full";
  const crl = await optionalFile(spec.sslcrl, "certificate revocation list");
  return {
    rejectUnauthorized: verified,
    // By the name that was asked for, never by the address it resolved to.
    checkServerIdentity: mode === "verify-full" ? (_name, certificate) => checkServerIdentity(host.host, certificate) : () => undefined,
    minVersion: spec.sslMinVersion,
    ...(spec.sslMaxVersion === undefined ? {} : { maxVersion: spec.sslMaxVersion }),
    ...(roots === undefined ? {} : { ca: roots }),
    ...(crl === undefined ? {} : { crl }),
    // RFC 6066: no IP address in SNI.
    ...(/^[\d.]+$|:/.test(host.host) ? {} : { servername: host.host }),
    ...(await clientCertificate(spec)),
  };
}

/**
 * `sslrootcert`, else ~/.postgresql/root.crt. With neither, verify-full goes by the system's authorities: as strict as
 * sslrootcert=system, and what managed services with public certificates need. verify-ca does not: without the host name, a
 * certificate from a public authority proves nothing.
 */
async function rootCertificates(spec: ConnectionSpec, mode: SslMode): Promise<string[] | undefined> {
  if (spec.sslrootcert === "system") {
    if (mode !== "verify-full")
      throw invalid(`sslrootcert=system needs sslmode=verify-full, not ${mode}: anybody can have a public certificate`);
    return systemAuthorities();
  }
  if (spec.sslrootcert !== undefined) {
    const text = await readIfThere(spec.sslrootcert);
    if (text !== undefined) return [text];
    if (mode === "verify-ca" || mode === "verify-full") throw invalid(`the root certificate file ${spec.sslrootcert} does not exist`);
    return undefined;
  }
  const standard = spec.certificateDir === undefined ? undefined : await readIfThere(path.join(spec.certificateDir, "root.crt"));
  if (standard !== undefined) return [standard];
  if (mode === "verify-full") return systemAuthorities();
  if (mode === "verify-ca") throw invalid("sslmode=verify-ca needs a root certificate: set sslrootcert, or create ~/.postgresql/root.crt");
  return undefined;
}

/** The system's store; a slim container without one falls back to Node's own copy of Mozilla's list. */
function systemAuthorities(): string[] {
  const system = getCACertificates("system");
  return system.length > 0 ? system : getCACertificates("bundled");
}

async function clientCertificate(spec: ConnectionSpec): Promise<ConnectionOptions> {
  if (spec.sslcertmode === "disable") return {};
  const certificateFile = spec.sslcert ?? standardFile(spec, "postgresql.crt");
  const cert = certificateFile === undefined ? undefined : await readIfThere(certificateFile);
  if (cert === undefined) {
    if (spec.sslcert !== undefined) throw invalid(`the client certificate file ${spec.sslcert} does not exist`);
    return {};
  }
  const keyFile = spec.sslkey ?? standardFile(spec, "postgresql.key");
  if (keyFile === undefined) throw invalid("a client certificate is given without its key: set sslkey");
  await refuseOpenKey(keyFile);
  const key = await readIfThere(keyFile);
  if (key === undefined) throw invalid(`the client key file ${keyFile} does not exist`);
  const passphrase = spec.sslpassword?.();
  return { cert, key, ...(passphrase === undefined ? {} : { passphrase }) };
}

/** libpq's rule: nobody else may read the key; one owned by root may be readable by its group. */
async function refuseOpenKey(file: string): Promise<void> {
  const found = await stat(file).catch(() => undefined);
  if (found === undefined || process.platform === "win32") return;
  const forbidden = found.uid === 0 && process.getuid?.() !== 0 ? 0o027 : 0o077;
  if ((found.mode & forbidden) !== 0) {
    throw new PghaulError("CONNECTION_STRING_INVALID", `others can read the client key file ${file}`, { suggestion: `chmod 600 ${file}` });
  }
}

function standardFile(spec: ConnectionSpec, name: string): string | undefined {
  return spec.certificateDir === undefined ? undefined : path.join(spec.certificateDir, name);
}

async function optionalFile(file: string | undefined, what: string): Promise<string | undefined> {
  if (file === undefined) return undefined;
  const text = await readIfThere(file);
  if (text === undefined) throw invalid(`the ${what} ${file} does not exist`);
  return text;
}

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw invalid(`${file} cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
}

function invalid(message: string): PghaulError {
  return new PghaulError("CONNECTION_STRING_INVALID", message);
}
