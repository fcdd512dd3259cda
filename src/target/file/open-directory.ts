import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import type { CrashPoints } from "../../engine/ports.ts";
import { PghaulError } from "../../errors/pghaul-error.ts";
import { fileError, isAbsent, onFiles } from "./file-error.ts";
import { makeDirectory, writeDurably } from "./storage/durable.ts";
import { CHANGES, isPartial, MANIFEST, TABLES } from "./storage/layout.ts";
import { FORMAT_VERSION, type Manifest, readManifest } from "./storage/record.ts";

/** Whose rows a directory holds, and in which form. */
export type DirectoryOwner = Omit<Manifest, "formatVersion">;

/**
 * Makes a directory the target of a migration, or finds that it is already.
 *
 * Throws TARGET_FOREIGN when it is somebody else's, TARGET_NEWER for a format of a later pghaul, CONFIG_CHANGED when the files are to get
 * another form half-way, CONFIG_INVALID for a form that cannot hold the source's bytes, TARGET_PRIVILEGE when it may not be written.
 */
export async function openDirectory(root: string, owner: DirectoryOwner, crashPoint: CrashPoints): Promise<void> {
  checkEncoding(owner);
  await makeDirectory(root);
  const manifest = await readOwned(root);
  if (manifest === null) {
    await checkEmpty(root);
    await writeDurably(root, MANIFEST, { formatVersion: FORMAT_VERSION, ...owner }, crashPoint);
  } else {
    checkOwner(root, manifest, owner);
  }
  for (const name of [TABLES, CHANGES]) await makeDirectory(join(root, name));
  await checkWritable(root);
}

/** The manifest of a directory that pghaul wrote. Throws TARGET_NEWER. Null: there is none. */
export async function readOwned(root: string): Promise<Manifest | null> {
  const manifest = await readManifest(join(root, MANIFEST));
  if (manifest === null || manifest.formatVersion === FORMAT_VERSION) return manifest;
  const message = `${root} was written in format ${manifest.formatVersion}; this pghaul knows format ${FORMAT_VERSION}`;
  throw new PghaulError("TARGET_NEWER", message, { context: { file: join(root, MANIFEST) } });
}

function checkEncoding({ format, source }: DirectoryOwner): void {
  if (format !== "parquet" || source.encoding !== "SQL_ASCII") return;
  throw new PghaulError("CONFIG_INVALID", "Parquet holds text as UTF-8, but a SQL_ASCII database can hold bytes of any encoding", {
    suggestion: "Use `format: copy` or `format: csv` for the target.",
  });
}

async function checkEmpty(root: string): Promise<void> {
  const found = (await onFiles(root, () => readdir(root))).filter((name) => !isPartial(name));
  if (found.length === 0) return;
  throw new PghaulError("TARGET_FOREIGN", `${root} holds other files (${found.slice(0, 3).join(", ")}), and no ${MANIFEST}`, {
    suggestion: "Use a directory that is empty or does not exist.",
  });
}

function checkOwner(root: string, manifest: Manifest, owner: DirectoryOwner): void {
  const differing = [
    ["migration", manifest.migration, owner.migration],
    ["system identifier", manifest.source.systemIdentifier, owner.source.systemIdentifier],
    ["database", manifest.source.database, owner.source.database],
  ].find(([, theirs, ours]) => theirs !== ours);
  if (differing !== undefined) {
    const [what, theirs, ours] = differing;
    throw new PghaulError("TARGET_FOREIGN", `${root} belongs to ${what} ${theirs}, not to ${ours}`, {
      context: { file: join(root, MANIFEST) },
      suggestion: "Use another directory for this migration.",
    });
  }
  for (const key of ["format", "compression"] as const) {
    if (manifest[key] === owner[key]) continue;
    throw new PghaulError("CONFIG_CHANGED", `${root} was started with ${key} ${manifest[key]}, but the configuration says ${owner[key]}`, {
      suggestion: `Set target.${key} back to ${manifest[key]}, or start over in another directory.`,
    });
  }
}

/** To be told before the load has begun, and not by its first chunk. */
async function checkWritable(root: string): Promise<void> {
  const probe = join(root, ".probe.partial");
  try {
    await mkdir(probe);
  } catch (error) {
    if (isAbsent(error) || !(error instanceof Error && "code" in error && error.code === "EEXIST")) throw fileError(error, root);
  }
}
