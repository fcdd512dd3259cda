import { chmodSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import Database from "better-sqlite3";
import { PghaulError } from "../errors/pghaul-error.ts";
import { isThere, stateError } from "./storage/state-error.ts";

/** `stream`: the one process that reads the slot and applies. `cutover`: the one that drives a switch or a rollback. */
export type LeaseName = "stream" | "cutover";

export interface LeaseHolder {
  readonly pid: number;
  readonly host: string;
  /** As the operator would type it, e.g. `run`. */
  readonly command: string;
  readonly since: string;
}

export interface Lease {
  readonly name: LeaseName;
  /** Gives the lease up; a second call does nothing. */
  release(): void;
}

/** A look at the lock (`leaseHolder`) takes it for a moment; a process that starts at that moment waits it out. */
const BUSY_TIMEOUT_MS = 250;

/** Between taking the lock and writing who took it, the record is that of the holder before. */
const RECORD_DEADLINE_MS = 1_000;

/** A lock lives as long as its connection: nobody else may keep it, so the garbage collector must not find it. */
const held = new Set<Database.Database>();

/**
 * Takes the lease for the rest of the process's life. The lock is the operating system's (SQLite's EXCLUSIVE lock on an empty database,
 * sqlite.org/lockingv3.html), so it is gone the moment the process is, kill -9 included; a file with a PID in it would stay.
 * The state directory must be on a file system whose locks work, which NFS does not promise.
 *
 * Throws STATE_LOCKED naming the holder.
 */
export async function acquireLease(directory: string, name: LeaseName, command: string): Promise<Lease> {
  const lock = openLock(directory, name);
  try {
    // No -journal file and no write: the lock is all we want.
    lock.exec("begin exclusive");
  } catch (error) {
    lock.close();
    if (!isBusy(error)) throw stateError(error, directory);
    throw refusal(directory, name, await readHolder(directory, name));
  }
  held.add(lock);
  writeHolder(directory, name, { pid: process.pid, host: hostname(), command, since: new Date().toISOString() });
  return {
    name,
    release() {
      if (!held.delete(lock)) return;
      rmSync(recordFile(directory, name), { force: true });
      lock.close();
    },
  };
}

/** Who holds the lease now, or null. */
export async function leaseHolder(directory: string, name: LeaseName): Promise<LeaseHolder | null> {
  if (!isThere(lockFile(directory, name), directory)) return null;
  const lock = openLock(directory, name);
  try {
    lock.prepare("select count(*) from sqlite_schema").get();
    return null;
  } catch (error) {
    if (!isBusy(error)) throw stateError(error, directory);
    return await readHolder(directory, name);
  } finally {
    lock.close();
  }
}

function openLock(directory: string, name: LeaseName): Database.Database {
  const file = lockFile(directory, name);
  try {
    // Never opened by anything but SQLite: closing any other descriptor of it in this process would drop the lock (POSIX, fcntl).
    const lock = new Database(file, { timeout: BUSY_TIMEOUT_MS });
    chmodSync(file, 0o600);
    return lock;
  } catch (error) {
    throw stateError(error, directory);
  }
}

/** The holder's record, once it names a process that lives; null when the holder has not said who it is. */
async function readHolder(directory: string, name: LeaseName): Promise<LeaseHolder | null> {
  const deadline = performance.now() + RECORD_DEADLINE_MS;
  for (;;) {
    const holder = parseHolder(directory, name);
    if (holder !== null && isAlive(holder)) return holder;
    if (performance.now() > deadline) return null;
    await sleep(20);
  }
}

function parseHolder(directory: string, name: LeaseName): LeaseHolder | null {
  try {
    return JSON.parse(readFileSync(recordFile(directory, name), "utf8")) as LeaseHolder;
  } catch {
    return null;
  }
}

/** A process of another host cannot be asked; its record is believed. */
function isAlive(holder: LeaseHolder): boolean {
  if (holder.host !== hostname()) return true;
  try {
    return process.kill(holder.pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

function writeHolder(directory: string, name: LeaseName, holder: LeaseHolder): void {
  const file = recordFile(directory, name);
  writeFileSync(`${file}.new`, `${JSON.stringify(holder)}\n`, { mode: 0o600 });
  renameSync(`${file}.new`, file);
}

function refusal(directory: string, name: LeaseName, holder: LeaseHolder | null): PghaulError {
  const who =
    holder === null
      ? "by a process that has not identified itself"
      : `by pid ${holder.pid} (pghaul ${holder.command}) on ${holder.host} since ${holder.since}`;
  return new PghaulError("STATE_LOCKED", `the ${name} lease of the state directory ${directory} is held ${who}`, {
    ...(holder === null ? {} : { context: { pid: holder.pid, host: holder.host } }),
  });
}

function isBusy(error: unknown): boolean {
  return error instanceof Database.SqliteError && error.code.startsWith("SQLITE_BUSY");
}

function lockFile(directory: string, name: LeaseName): string {
  return path.resolve(directory, `${name}.lock`);
}

function recordFile(directory: string, name: LeaseName): string {
  return path.resolve(directory, `${name}.holder.json`);
}
