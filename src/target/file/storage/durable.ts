/**
 * Writing so that a crash at any moment leaves a file whole or not there: into `.NAME.partial`, fsync, rename, fsync of the directory, which
 * holds the name. Nothing is cleaned up after a failure: what a crash leaves behind must be told apart anyway, and one way is enough.
 */
import { mkdir, open, rename, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { CrashPoints } from "../../../engine/ports.ts";
import { onFiles } from "../file-error.ts";
import { partialName } from "./layout.ts";

/** Writes a small file, or replaces it. */
export async function writeDurably(directory: string, name: string, content: unknown, crashPoint: CrashPoints): Promise<void> {
  const path = join(directory, partialName(name));
  await onFiles(path, () => writeFile(path, `${JSON.stringify(content, null, 2)}\n`, { flush: true, mode: 0o600 }));
  await keep(directory, { name }, crashPoint);
}

/** Gives a partial file (or directory) that is durable itself its name. */
export async function keep(
  directory: string,
  { name, partial = partialName(name) }: { readonly name: string; readonly partial?: string },
  crashPoint: CrashPoints,
): Promise<void> {
  crashPoint("file-before-rename");
  const path = join(directory, name);
  await onFiles(path, () => rename(join(directory, partial), path));
  crashPoint("file-before-directory-sync");
  await syncDirectory(directory);
  crashPoint("file-after-rename");
}

async function syncDirectory(path: string): Promise<void> {
  const handle = await onFiles(path, () => open(path, "r"));
  try {
    await onFiles(path, () => handle.sync());
  } finally {
    await handle.close();
  }
}

/** Makes a directory, and those above it, durably, for nobody else to look into; one that is there stays as it is. */
export async function makeDirectory(path: string): Promise<void> {
  const first = await onFiles(path, () => mkdir(path, { recursive: true, mode: 0o700 }));
  if (first === undefined) return;
  for (let made = path; made.length >= first.length; made = dirname(made)) await syncDirectory(dirname(made));
}
