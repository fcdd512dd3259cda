import { mkdir, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { getCACertificates } from "node:tls";
import type { SideName } from "../../../../model/side.ts";
import { readPassword } from "../../../../postgres/password.ts";
import type { ConnectionSpec, HostSpec } from "../../../../postgres/resolve-connection.ts";
import { sslModeOf } from "../../../../postgres/ssl-options.ts";

/** How a program of PostgreSQL connects as we do. */
export interface LibpqEnvironment {
  readonly env: Readonly<Record<string, string>>;
  /** Removes the files that hold the secrets. */
  dispose(): Promise<void>;
}

/**
 * The connection as libpq's environment variables. Secrets go into files that only we can read, never into arguments or the
 * environment, which other users of the machine may see. `dir` is ours alone, and always the same: what a killed run left there goes.
 */
export async function libpqEnvironment(spec: ConnectionSpec, side: SideName, dir: string): Promise<LibpqEnvironment> {
  const dispose = (): Promise<void> => rm(dir, { recursive: true, force: true });
  await dispose();
  await mkdir(dir, { recursive: true, mode: 0o700 });
  try {
    const files = {
      passfile: await writePassfile(dir, spec, side),
      service: await writeService(dir, spec),
      roots: await writeRoots(dir, spec),
    };
    return { env: { ...surroundings(), ...variables(spec), ...files.passfile, ...files.service, ...files.roots }, dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}

function variables(spec: ConnectionSpec): Record<string, string> {
  const { hosts } = spec;
  const all: Record<string, string | undefined> = {
    PGHOST: hosts.map(({ host }) => host).join(","),
    PGPORT: hosts.map(({ port }) => port).join(","),
    PGHOSTADDR: hosts.some(({ hostaddr }) => hostaddr !== undefined) ? hosts.map(({ hostaddr }) => hostaddr ?? "").join(",") : undefined,
    PGDATABASE: spec.database,
    PGUSER: spec.user,
    PGSSLMODE: sslModeOf(spec, hosts[0] as HostSpec),
    PGSSLNEGOTIATION: spec.sslnegotiation === "direct" ? "direct" : undefined,
    PGSSLROOTCERT: spec.sslrootcert === "system" ? undefined : spec.sslrootcert,
    PGSSLCERT: spec.sslcert,
    PGSSLKEY: spec.sslkey,
    PGSSLCRL: spec.sslcrl,
    PGSSLMINPROTOCOLVERSION: spec.sslMinVersion,
    PGSSLMAXPROTOCOLVERSION: spec.sslMaxVersion,
    PGCHANNELBINDING: spec.channelBinding,
    PGTARGETSESSIONATTRS: spec.targetSessionAttrs,
    PGCONNECT_TIMEOUT: spec.connectTimeoutMillis === undefined ? undefined : String(Math.ceil(spec.connectTimeoutMillis / 1000)),
    PGOPTIONS: spec.options,
    PGAPPNAME: `${spec.applicationName ?? "pghaul"} [schema]`,
  };
  return Object.fromEntries(Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== undefined));
}

/** What a program needs to run at all; every PG* variable of ours would mix with the connection that was resolved. */
function surroundings(): Record<string, string> {
  return Object.fromEntries(
    ["PATH", "HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "TMPDIR", "SystemRoot"].flatMap((name) => {
      const value = process.env[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}

async function writePassfile(dir: string, spec: ConnectionSpec, side: SideName): Promise<Record<string, string>> {
  if (spec.password.kind === "passfile") return spec.password.path === undefined ? {} : { PGPASSFILE: spec.password.path };
  const lines = await Promise.all(
    spec.hosts.map(async (host) => {
      const password = await readPassword(spec, host, side);
      return `${[host.host.startsWith("/") ? "*" : host.host, String(host.port), spec.database, spec.user, password].map(escapeField).join(":")}\n`;
    }),
  );
  return { PGPASSFILE: await writeSecret(path.join(dir, "passfile"), lines.join("")) };
}

/** A key's passphrase has no variable of its own; a service file may hold it (manual: "The Connection Service File"). */
async function writeService(dir: string, spec: ConnectionSpec): Promise<Record<string, string>> {
  if (spec.sslpassword === undefined) return {};
  const file = await writeSecret(path.join(dir, "service"), `[pghaul]\nsslpassword=${spec.sslpassword()}\n`);
  return { PGSERVICEFILE: file, PGSERVICE: "pghaul" };
}

/** Before 16 libpq cannot be told to trust the system's authorities, by which our own connections go; given as a file, any can. */
async function writeRoots(dir: string, spec: ConnectionSpec): Promise<Record<string, string>> {
  const system =
    spec.sslrootcert === "system" || (spec.sslrootcert === undefined && sslModeOf(spec, spec.hosts[0] as HostSpec) === "verify-full");
  if (!system) return {};
  return { PGSSLROOTCERT: await writeSecret(path.join(dir, "roots.crt"), getCACertificates("default").join("\n")) };
}

async function writeSecret(file: string, text: string): Promise<string> {
  await writeFile(file, text, { mode: 0o600, flag: "wx" });
  return file;
}

/** `*` alone stands for any host; colons and backslashes inside a field are escaped (manual: "The Password File"). */
function escapeField(field: string): string {
  return field === "*" ? field : field.replace(/[\\:]/g, "\\$&");
}
