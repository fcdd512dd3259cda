import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import pg from "pg";
import { deadline } from "./deadline.ts";
import { type Binaries, findBinaries } from "./server/binaries.ts";
import { createDataDirectory, readLog, writeSettings } from "./server/data-directory.ts";
import { leasePort, type PortLease } from "./server/ports.ts";
import { killProcessesIn, startWatchdog } from "./server/processes.ts";
import { giveToServerUser, serverUser } from "./server/run-as.ts";

export type PgVersion = 13 | 14 | 15 | 16 | 17 | 18;
export const PG_VERSIONS: readonly PgVersion[] = [13, 14, 15, 16, 17, 18];
/** For what is tried on each version and takes its time: all of them in CI, the ends and the middle while somebody waits. */
export const TRIED_VERSIONS: readonly PgVersion[] = process.env.CI === "true" ? PG_VERSIONS : [13, 15, 18];

export interface ServerOptions {
  readonly version: PgVersion;
  /** Added to the bench's settings: fsync off, wal_level logical, 20 walsenders and slots, 100 connections. */
  readonly settings?: Readonly<Record<string, string>>;
  readonly port?: number;
  /** Login roles made at start: name to password. They must authenticate by SCRAM; everybody else on loopback is trusted. */
  readonly passwords?: Readonly<Record<string, string>>;
  /** Lines put first in pg_hba.conf. */
  readonly hba?: readonly string[];
}

/** How to stop: `smart` waits for clients, `fast` disconnects them, `immediate` skips the shutdown checkpoint. */
export type StopMode = "smart" | "fast" | "immediate";

const STOP_SIGNALS = { smart: "SIGTERM", fast: "SIGINT", immediate: "SIGQUIT" } as const;
const START_DEADLINE_MS = 60_000;

/**
 * Starts a real PostgreSQL on a free loopback port, superuser `postgres` trusted without a password.
 * It dies with this process, however this process ends; better, `await using server = await startServer(...)`.
 */
export async function startServer(options: ServerOptions): Promise<PgServer> {
  for (let attempt = 1; ; attempt += 1) {
    const server = await makeServer(options);
    try {
      await server.start();
      await createRoles(server, options.passwords ?? {});
      return server;
    } catch (error) {
      const portWasTaken = /could not create any TCP\/IP sockets/.test(server.logText());
      await server[Symbol.asyncDispose]();
      // The lease keeps other tests of ours away; a program of somebody else may still have been faster.
      if (!portWasTaken || options.port !== undefined || attempt === 5) throw error;
    }
  }
}

async function makeServer(options: ServerOptions): Promise<PgServer> {
  const binaries = findBinaries(options.version);
  const scram = Object.keys(options.passwords ?? {}).map((role) => `host all "${role}" 127.0.0.1/32 scram-sha-256`);
  const lease = await leasePort(options.port);
  const home = createDataDirectory(binaries, {
    port: lease.port,
    settings: options.settings ?? {},
    hba: [...(options.hba ?? []), ...scram],
  });
  return new PgServer({ options, binaries, lease, home });
}

async function createRoles(server: PgServer, passwords: Readonly<Record<string, string>>): Promise<void> {
  if (Object.keys(passwords).length === 0) return;
  const client = await server.connect();
  for (const [role, password] of Object.entries(passwords)) {
    await client.query(`create role ${client.escapeIdentifier(role)} login password ${client.escapeLiteral(password)}`);
  }
  await client.end();
}

interface Parts {
  readonly options: ServerOptions;
  readonly binaries: Binaries;
  readonly lease: PortLease;
  readonly home: string;
}

/** A running (or stopped) server of the bench. Made by `startServer`. */
export class PgServer implements AsyncDisposable {
  readonly version: PgVersion;
  readonly port: number;
  readonly dataDir: string;
  readonly #parts: Parts;
  readonly #endWatch: () => Promise<void>;
  #postmaster: ChildProcess | null = null;
  #exited: Promise<void> = Promise.resolve();
  #disposed = false;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.version = parts.options.version;
    this.port = parts.lease.port;
    this.dataDir = join(parts.home, "data");
    this.#endWatch = startWatchdog(parts.home, parts.lease.lockFile);
  }

  /** What any client needs: the fields of libpq's and node-pg's configuration. */
  get psqlConfig(): { host: string; port: number; user: string; database: string } {
    return { host: "127.0.0.1", port: this.port, user: "postgres", database: "postgres" };
  }

  url(database = "postgres", user = "postgres"): string {
    const password = this.#parts.options.passwords?.[user];
    const login = encodeURIComponent(user) + (password === undefined ? "" : `:${encodeURIComponent(password)}`);
    return `postgres://${login}@127.0.0.1:${this.port}/${encodeURIComponent(database)}`;
  }

  /** A connected client. A lost connection rejects its queries; it does not crash the test process. */
  async connect(database?: string, user?: string): Promise<pg.Client> {
    const client = new pg.Client({ connectionString: this.url(database, user) });
    client.on("error", () => undefined);
    await client.connect();
    return client;
  }

  /** Starts a stopped or killed server on its old port and data. Resolves when it accepts connections. */
  async start(): Promise<void> {
    if (this.#postmaster !== null) throw new Error(`the server on port ${this.port} is running already`);
    const logPath = join(this.#parts.home, "log");
    const log = openSync(logPath, "a");
    giveToServerUser(logPath);
    const postmaster = spawn(join(this.#parts.binaries.bin, "postgres"), ["-D", this.dataDir], {
      ...serverUser(),
      cwd: this.dataDir,
      stdio: ["ignore", log, log],
      env: { PATH: process.env.PATH ?? "", TZ: "UTC" },
      detached: true,
    });
    closeSync(log);
    // Neither the server nor its watchdog keeps a finished test process alive.
    postmaster.unref();
    this.#postmaster = postmaster;
    this.#exited = new Promise((resolve, reject) => {
      postmaster.once("exit", () => {
        this.#postmaster = null;
        resolve();
      });
      postmaster.once("error", reject);
    });
    await this.#waitUntilReady();
  }

  async #waitUntilReady(): Promise<void> {
    const lastTry = Date.now() + deadline(START_DEADLINE_MS);
    for (;;) {
      if (this.#postmaster === null) throw new Error(`PostgreSQL ${this.version} did not start:\n${this.logText()}`);
      try {
        const client = await this.connect();
        const { rows } = await client.query("show data_directory");
        await client.end();
        if ((rows[0] as { data_directory: string }).data_directory === this.dataDir) return;
        throw new Error(`another server answers on port ${this.port}`);
      } catch (error) {
        if (Date.now() > lastTry) throw new Error(`PostgreSQL ${this.version} is not ready:\n${this.logText()}`, { cause: error });
      }
      await new Promise((resolve) => setTimeout(resolve, 15));
    }
  }

  async stop(mode: StopMode = "fast"): Promise<void> {
    const postmaster = this.#postmaster;
    if (postmaster === null) return;
    postmaster.ref();
    postmaster.kill(STOP_SIGNALS[mode]);
    await this.#exited;
  }

  async restart(mode: StopMode = "fast"): Promise<void> {
    await this.stop(mode);
    await this.start();
  }

  /** SIGKILL to every process of the server: what a crash leaves behind. `start()` then recovers. */
  async kill9(): Promise<void> {
    this.#postmaster?.ref();
    await killProcessesIn(this.dataDir);
    await this.#exited;
  }

  /** Changes settings in postgresql.conf; `restart()`, or `select pg_reload_conf()` where it suffices, makes them true. */
  configure(settings: Readonly<Record<string, string>>): void {
    writeSettings(this.dataDir, settings);
  }

  /** The whole server log so far. */
  logText(): string {
    return readLog(this.#parts.home);
  }

  /** Kills the server and removes its data. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    // Not kill9: a postmaster that stops by itself also reaps its children, which under a container's idle init would stay zombies.
    const impatience = setTimeout(() => void killProcessesIn(this.dataDir), deadline(10_000));
    await this.stop("immediate");
    clearTimeout(impatience);
    await this.#endWatch();
  }
}
