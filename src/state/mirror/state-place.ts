/** A state directory as the bucket knows it. */
import { randomUUID } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import path from "node:path";
import type { RemoteHolder } from "../../s3/head.ts";
import { readIdentity } from "../identity.ts";
import { openExistingState } from "../open-state.ts";
import { stateError } from "../storage/state-error.ts";

const FILE = "directory.json";

export function makeStateDirectory(directory: string): void {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw stateError(error, directory);
  }
}

/** The directory's own name, made on first sight. It is no part of the state's copies: what is restored elsewhere is another directory. */
export function directoryId(directory: string): string {
  const known = readDirectoryId(directory);
  if (known !== null) return known;
  const id = randomUUID();
  const file = path.join(directory, FILE);
  try {
    writeFileSync(`${file}.new`, `${JSON.stringify({ id })}\n`, { mode: 0o600, flush: true });
    renameSync(`${file}.new`, file);
  } catch (error) {
    throw stateError(error, directory);
  }
  return id;
}

/** Null before a bucket has been used. */
export function readDirectoryId(directory: string): string | null {
  try {
    return (JSON.parse(readFileSync(path.join(directory, FILE), "utf8")) as { id: string }).id;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw stateError(error, directory);
  }
}

/** Whether anything of a migration is in it: a command that only looked may have left an empty database. */
export async function hasState(directory: string): Promise<boolean> {
  const state = await openExistingState(directory);
  if (state === null) return false;
  try {
    return Object.keys(readIdentity(state)).length > 0;
  } finally {
    state.close();
  }
}

export function describeHolder(command: string): RemoteHolder {
  return { host: hostname(), pid: process.pid, command, since: new Date().toISOString() };
}
