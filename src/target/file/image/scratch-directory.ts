/**
 * Where an image is put together: a directory of its own below `scratch`, whose name tells the process that uses it. What a killed process left
 * there is removed when the next image begins.
 */
import { mkdir, mkdtemp, readdir, rm, statfs } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { PghaulError } from "../../../errors/pghaul-error.ts";
import { fileError, onFiles } from "../file-error.ts";

const PREFIX = "pghaul-image-";
const GIGABYTE = 1024 ** 3;

/** Those of this process that are in use. */
const used = new Set<string>();

/** Makes one. `needed`: bytes that are going to lie there for certain. Throws TARGET_DISK_FULL where they do not fit. */
export async function makeScratch(scratch: string, needed: { readonly bytes: number; readonly what: string }): Promise<string> {
  await onFiles(scratch, () => mkdir(scratch, { recursive: true, mode: 0o700 }));
  await removeAbandoned(scratch);
  const { bavail, bsize } = await onFiles(scratch, () => statfs(scratch));
  const free = Number(bavail) * Number(bsize);
  if (free < needed.bytes) throw tooSmall(scratch, free, needed);
  const directory = await onFiles(scratch, () => mkdtemp(join(scratch, `${PREFIX}${hostPart()}-${process.pid}-`)));
  used.add(directory);
  return directory;
}

export async function removeScratch(directory: string): Promise<void> {
  await rm(directory, { recursive: true, force: true });
  used.delete(directory);
}

/** The PghaulError for a fault of the file system below a scratch directory. */
export function scratchError(error: unknown, path: string): unknown {
  const told = fileError(error, path);
  if (!(told instanceof PghaulError) || told.code !== "TARGET_DISK_FULL" || told.suggestion !== undefined) return told;
  return new PghaulError(told.code, told.message, { cause: told.cause, suggestion: MAKE_ROOM });
}

const MAKE_ROOM =
  "Free space there, or name a larger place: restore takes --scratch; verify works in the state directory (state.dir). The files of the target are whole.";

function tooSmall(scratch: string, free: number, { bytes, what }: { readonly bytes: number; readonly what: string }): PghaulError {
  const gb = (of: number): string => (of / GIGABYTE).toFixed(1);
  return new PghaulError(
    "TARGET_DISK_FULL",
    `putting ${what} together takes at least ${gb(bytes)} GB in ${scratch}; ${gb(free)} GB are free`,
    {
      context: { directory: scratch },
      suggestion: MAKE_ROOM,
    },
  );
}

/** What processes of this machine left that are not there any more. */
async function removeAbandoned(scratch: string): Promise<void> {
  const mine = `${PREFIX}${hostPart()}-`;
  for (const name of await onFiles(scratch, () => readdir(scratch))) {
    if (!name.startsWith(mine)) continue;
    const pid = Number(/^(\d+)-/.exec(name.slice(mine.length))?.[1]);
    const path = join(scratch, name);
    if (Number.isInteger(pid) && !used.has(path) && (pid === process.pid || !isAlive(pid))) {
      await onFiles(path, () => rm(path, { recursive: true, force: true }));
    }
  }
}

function hostPart(): string {
  return hostname().replace(/[^A-Za-z0-9.]/g, "_");
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
