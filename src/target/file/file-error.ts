import type { ErrorCode } from "../../errors/codes.ts";
import { PghaulError } from "../../errors/pghaul-error.ts";

/** What the operating system's codes mean for whoever moves a database into files. */
const MEANINGS: Readonly<Record<string, readonly [code: ErrorCode, sentence: string]>> = {
  ENOSPC: ["TARGET_DISK_FULL", "no space left for"],
  EDQUOT: ["TARGET_DISK_FULL", "the disk quota is used up for"],
  EACCES: ["TARGET_PRIVILEGE", "no permission to read and write"],
  EPERM: ["TARGET_PRIVILEGE", "no permission to change"],
  EROFS: ["TARGET_PRIVILEGE", "a read-only file system holds"],
  ENOTDIR: ["CONFIG_INVALID", "a file blocks the path of"],
  EEXIST: ["CONFIG_INVALID", "a file blocks the path of"],
  EIO: ["TARGET_LOST", "the disk does not answer for"],
  ESTALE: ["TARGET_LOST", "the file server does not answer for"],
};

/** The PghaulError for a fault of the file system; anything else comes back as it was. */
export function fileError(error: unknown, path: string): unknown {
  const code = error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
  const meaning = MEANINGS[code];
  if (error instanceof PghaulError || meaning === undefined) return error;
  return new PghaulError(meaning[0], `${meaning[1]} ${path} (${code})`, { cause: error });
}

/** Runs what works on `path`, with the file system's faults in words. */
export async function onFiles<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw fileError(error, path);
  }
}

/** `file` is not what was written, or not there. */
export function damaged(file: string, what: string, cause?: unknown): PghaulError {
  return new PghaulError("TARGET_DAMAGED", `${file}: ${what}`, { context: { file }, cause });
}

export function isAbsent(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}
