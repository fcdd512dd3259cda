import { chmodSync, closeSync, existsSync, mkdirSync, openSync, readdirSync, statSync } from "node:fs";
import path from "node:path";
import Database from "better-sqlite3";
import { acquireLease } from "./lease.ts";
import { StateDatabase } from "./state-database.ts";
import { MIGRATIONS, migrate, schemaVersion } from "./storage/migrate.ts";
import { isThere, stateError } from "./storage/state-error.ts";

const FILE = "state.db";

/** Longer than any transaction of ours; whoever waits longer has met a process that hangs. */
const BUSY_TIMEOUT_MS = 5_000;

/**
 * Opens the state in `directory`, creating both where they do not exist: the directory with mode 0700, the file with 0600, because
 * chunk bounds are key values of the source's rows.
 *
 * Throws STATE_NEWER, STATE_CORRUPT, STATE_DISK_FULL, and STATE_LOCKED when an older schema must change while a process streams.
 * `migrations` is for tests.
 */
export async function openState(directory: string, migrations: readonly string[] = MIGRATIONS): Promise<StateDatabase> {
  const file = path.resolve(directory, FILE);
  try {
    prepareDirectory(path.dirname(file));
    // Created by us: SQLite would take the umask's mode. Its -wal and -shm files take the mode of this one. Never opened here when it
    // exists: closing our descriptor would drop the locks of any other connection in this process (POSIX, fcntl).
    if (!existsSync(file)) closeSync(openSync(file, "a", 0o600));
    chmodSync(file, 0o600);
  } catch (error) {
    throw stateError(error, directory);
  }
  return open(directory, file, migrations);
}

/**
 * The same for a command that only looks: null where no state is, and nothing is created. A directory that this user may not look into is not
 * one without a state: throws CONFIG_INVALID.
 */
export async function openExistingState(directory: string): Promise<StateDatabase | null> {
  const file = path.resolve(directory, FILE);
  return isThere(file, directory) ? open(directory, file, MIGRATIONS) : null;
}

async function open(directory: string, file: string, migrations: readonly string[]): Promise<StateDatabase> {
  let sqlite: Database.Database | null = null;
  try {
    sqlite = new Database(file, { timeout: BUSY_TIMEOUT_MS });
    // WAL: `status` reads while `run` writes. FULL: a commit has reached the disk when it returns, because the slot is acknowledged
    // on its word (sqlite.org/pragma.html#pragma_synchronous: in WAL mode NORMAL may lose the last commits in a power cut).
    sqlite.pragma("journal_mode = wal");
    sqlite.pragma("synchronous = full");
    sqlite.pragma("trusted_schema = off");
    await upgrade(sqlite, directory, migrations);
    return new StateDatabase(directory, sqlite);
  } catch (error) {
    sqlite?.close();
    throw stateError(error, directory);
  }
}

async function upgrade(sqlite: Database.Database, directory: string, migrations: readonly string[]): Promise<void> {
  const version = schemaVersion(sqlite, directory, migrations.length);
  if (version === migrations.length) return;
  if (version === 0) return migrate(sqlite, directory, migrations);
  // An older pghaul that streams now would go on with a schema it does not know.
  const lease = await acquireLease(directory, "stream", "state upgrade");
  try {
    migrate(sqlite, directory, migrations);
  } finally {
    lease.release();
  }
}

/** Shuts others out of a directory that is new, empty or ours already; one that holds other things as well is not ours to change. */
function prepareDirectory(directory: string): void {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const open = (statSync(directory).mode & 0o077) !== 0;
  if (!open) return;
  const entries = readdirSync(directory);
  if (entries.length === 0 || entries.includes(FILE)) chmodSync(directory, 0o700);
}
