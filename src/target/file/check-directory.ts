import { constants } from "node:fs";
import { access, readdir, stat, statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { PghaulError } from "../../errors/pghaul-error.ts";
import type { CheckResult } from "../../model/check-result.ts";
import { isAbsent } from "./file-error.ts";
import { readOwned } from "./open-directory.ts";
import { MANIFEST } from "./storage/layout.ts";

const ID = "target-directory";

/** Whether the directory can be a migration's target; makes nothing. */
export async function checkDirectory(directory: string, migration: string): Promise<readonly CheckResult[]> {
  try {
    const there = await nearest(directory);
    if (!(await stat(there)).isDirectory()) return [failed(`${there} is not a directory`, "set target.url to another directory")];
    await access(there, constants.W_OK | constants.X_OK);
    if (there === directory) {
      const fault = await faultOf(directory, migration);
      if (fault !== null) return [fault];
    }
    const { bavail, bsize } = await statfs(there);
    const gigabytes = (Number(bavail) * Number(bsize)) / 1024 ** 3;
    const state = there === directory ? "is writable" : "will be created";
    return [{ id: ID, status: "pass", evidence: `${directory} ${state}; ${gigabytes.toFixed(1)} GB are free there`, fix: null }];
  } catch (error) {
    if (error instanceof PghaulError) return [failed(error.message, error.suggestion ?? null)];
    const { code } = error as NodeJS.ErrnoException;
    return [
      failed(`${directory} cannot be used (${code ?? String(error)})`, "let this user write there, or set target.url to another directory"),
    ];
  }
}

async function faultOf(directory: string, migration: string): Promise<CheckResult | null> {
  const manifest = await readOwned(directory);
  if (manifest !== null && manifest.migration !== migration)
    return failed(`${directory} belongs to the migration ${manifest.migration}`, "set target.url to another directory");
  const others = manifest === null ? await readdir(directory) : [];
  if (others.length === 0) return null;
  return failed(
    `${directory} holds other files (${others.slice(0, 3).join(", ")}), and no ${MANIFEST}`,
    "set target.url to an empty directory",
  );
}

/** The path itself, or the nearest above it that is there. */
async function nearest(path: string): Promise<string> {
  try {
    await stat(path);
    return path;
  } catch (error) {
    if (!isAbsent(error) || dirname(path) === path) throw error;
    return nearest(dirname(path));
  }
}

function failed(evidence: string, fix: string | null): CheckResult {
  return { id: ID, status: "fail", evidence, fix };
}
