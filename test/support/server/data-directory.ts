import { execFileSync } from "node:child_process";
import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Binaries, moveIntoPlace } from "./binaries.ts";
import { benchRoot, giveToServerUser, serverUser } from "./run-as.ts";
import { giveNewSystemIdentifier } from "./system-identifier.ts";

export interface DataDirectoryOptions {
  readonly port: number;
  readonly settings: Readonly<Record<string, string>>;
  /** Lines put before the default "trust for everybody on loopback" of pg_hba.conf. */
  readonly hba: readonly string[];
}

const DEFAULTS: Readonly<Record<string, string>> = {
  fsync: "off",
  full_page_writes: "off",
  wal_level: "logical",
  max_wal_senders: "20",
  max_replication_slots: "20",
  max_connections: "100",
  shared_buffers: "32MB",
  listen_addresses: "127.0.0.1",
  password_encryption: "scram-sha-256",
  log_line_prefix: "%m [%p] %q%a ",
  lc_messages: "C",
  timezone: "UTC",
};

/**
 * Makes `home`/data for a new server. initdb takes a second, so it runs once a build; every server starts from a copy.
 * Returns `home`, which also holds the log.
 */
export function createDataDirectory(binaries: Binaries, options: DataDirectoryOptions): string {
  const template = templateFor(binaries);
  const home = mkdtempSync(join(benchRoot(), `s${binaries.id.slice(2, 4)}-`));
  giveToServerUser(home);
  const data = join(home, "data");
  execFileSync("cp", ["-a", "--reflink=auto", template, data]);
  giveNewSystemIdentifier(data);
  writeSettings(data, { ...DEFAULTS, unix_socket_directories: data, port: String(options.port), ...options.settings });
  const hba = join(data, "pg_hba.conf");
  writeFileSync(hba, [...options.hba, TRUST_LOOPBACK].join("\n"));
  return home;
}

const TRUST_LOOPBACK = `local all all trust
host all all 127.0.0.1/32 trust
local replication all trust
host replication all 127.0.0.1/32 trust
`;

/** Appends to postgresql.conf, where the last line of a name wins. */
export function writeSettings(data: string, settings: Readonly<Record<string, string>>): void {
  const lines = Object.entries(settings).map(([name, value]) => `${name} = '${value.replaceAll("'", "''")}'\n`);
  appendFileSync(join(data, "postgresql.conf"), lines.join(""));
}

function templateFor(binaries: Binaries): string {
  const final = join(benchRoot(), `template-${binaries.id}`);
  const data = join(final, "data");
  if (existsSync(data)) return data;
  const draft = mkdtempSync(`${final}.draft.`);
  giveToServerUser(draft);
  const work = join(draft, "data");
  mkdirSync(work, { mode: 0o700 });
  giveToServerUser(work);
  try {
    // The C locale exists everywhere; tests of collations name ICU's.
    const args = ["-D", work, "-U", "postgres", "-E", "UTF8", "--locale=C", "--auth=trust", "--no-sync"];
    execFileSync(join(binaries.bin, "initdb"), args, { ...serverUser(), cwd: draft, stdio: ["ignore", "pipe", "pipe"] });
  } catch (error) {
    rmSync(draft, { recursive: true, force: true });
    throw error;
  }
  moveIntoPlace(draft, final);
  return data;
}

export function readLog(home: string): string {
  try {
    return readFileSync(join(home, "log"), "utf8");
  } catch {
    return "";
  }
}
