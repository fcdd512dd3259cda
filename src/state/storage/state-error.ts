import { statSync } from "node:fs";
import type { ErrorCode } from "../../errors/codes.ts";
import { PghaulError } from "../../errors/pghaul-error.ts";

/** What SQLite's and the operating system's codes mean for the operator; matched by prefix, so extended codes count as well. */
const MEANINGS: readonly (readonly [prefix: string, code: ErrorCode, sentence: string])[] = [
  ["SQLITE_FULL", "STATE_DISK_FULL", "no space left for"],
  // The shared-memory file of WAL mode could not grow: SQLite reports a full disk as this.
  ["SQLITE_IOERR_SHMSIZE", "STATE_DISK_FULL", "no space left for"],
  ["SQLITE_NOTADB", "STATE_CORRUPT", "not a SQLite database:"],
  ["SQLITE_CORRUPT", "STATE_CORRUPT", "SQLite reports damage in"],
  ["SQLITE_BUSY", "STATE_LOCKED", "another process holds the write lock of"],
  ["SQLITE_READONLY", "CONFIG_INVALID", "no permission to write"],
  ["SQLITE_CANTOPEN", "CONFIG_INVALID", "cannot open"],
  ["ENOSPC", "STATE_DISK_FULL", "no space left for"],
  ["EDQUOT", "STATE_DISK_FULL", "the disk quota is used up for"],
  ["EACCES", "CONFIG_INVALID", "no permission to read and write"],
  ["EPERM", "CONFIG_INVALID", "no permission to change"],
  ["EROFS", "CONFIG_INVALID", "a read-only file system holds"],
  ["ENOTDIR", "CONFIG_INVALID", "a file blocks the path of"],
  ["EEXIST", "CONFIG_INVALID", "a file blocks the path of"],
];

const NEEDS_OWNER = /^(?:EACCES|EPERM|SQLITE_READONLY|SQLITE_CANTOPEN)/;

/** The PghaulError for a fault of SQLite or the file system; anything else comes back as it was. */
export function stateError(error: unknown, directory: string): unknown {
  const code = error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
  const meaning = MEANINGS.find(([prefix]) => code.startsWith(prefix));
  if (error instanceof PghaulError || meaning === undefined) return error;
  const suggestion = NEEDS_OWNER.test(code) ? ownerOf(directory) : {};
  return new PghaulError(meaning[1], `${meaning[2]} the state directory ${directory} (${code})`, { cause: error, ...suggestion });
}

/** Whether the file is there. Where this user may not look it throws, as `existsSync` would not: not to be seen is not to be absent. */
export function isThere(file: string, directory: string): boolean {
  try {
    return statSync(file, { throwIfNoEntry: false }) !== undefined;
  } catch (error) {
    throw stateError(error, directory);
  }
}

/** What a user without the rights to the directory can do; nothing where the rights are not what is missing. */
function ownerOf(directory: string): { suggestion?: string } {
  const asOwner = (name: string): string => `Run the command as the user who owns the directory: sudo -u ${name} pghaul ...`;
  try {
    const { uid } = statSync(directory);
    return uid === process.geteuid?.() ? {} : { suggestion: asOwner(`"$(id -nu ${uid})"`) };
  } catch {
    return { suggestion: asOwner("USER") };
  }
}
