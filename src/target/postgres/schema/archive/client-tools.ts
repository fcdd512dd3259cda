import { execFile } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import { PghaulError } from "../../../../errors/pghaul-error.ts";

/** pg_dump and pg_restore of one version. */
export interface ClientTools {
  readonly pgDump: string;
  readonly pgRestore: string;
  readonly major: number;
}

/** Where packages put the tools of several versions side by side: Debian, Red Hat, Homebrew. */
const VERSIONED_DIRS: readonly { readonly root: string; readonly bin: (entry: string) => string | null }[] = [
  { root: "/usr/lib/postgresql", bin: (entry) => (/^\d+$/.test(entry) ? `${entry}/bin` : null) },
  { root: "/usr", bin: (entry) => (/^pgsql-\d+$/.test(entry) ? `${entry}/bin` : null) },
  { root: "/opt/homebrew/opt", bin: (entry) => (/^(postgresql@\d+|libpq)$/.test(entry) ? `${entry}/bin` : null) },
  { root: "/usr/local/opt", bin: (entry) => (/^(postgresql@\d+|libpq)$/.test(entry) ? `${entry}/bin` : null) },
];

/**
 * Finds tools that can read a server of this major version: pg_dump refuses a server newer than itself. The oldest that will do is
 * taken, for what it writes is closest to what the target understands. PGHAUL_PG_BIN, a directory, goes before all others.
 *
 * Errors: TOOL_MISSING, with the package to install.
 */
export async function findClientTools(serverMajor: number, env: Readonly<Record<string, string | undefined>>): Promise<ClientTools> {
  const chosen = env.PGHAUL_PG_BIN;
  const dirs = chosen === undefined || chosen === "" ? [...versionedDirs(), ...(env.PATH ?? "").split(path.delimiter)] : [chosen];
  const found = await Promise.all([...new Set(dirs)].filter((dir) => dir !== "").map(toolsIn));
  const tools = found.filter((one) => one !== null);
  const fitting = tools.filter(({ major }) => major >= serverMajor).sort((a, b) => a.major - b.major);
  if (fitting[0] !== undefined) return fitting[0];
  const newest = Math.max(0, ...tools.map(({ major }) => major));
  throw new PghaulError(
    "TOOL_MISSING",
    `the source is PostgreSQL ${serverMajor} and needs pg_dump ${serverMajor} or newer; ${newest === 0 ? "none was found" : `the newest found is ${newest}`}`,
    {
      context: { needed: serverMajor, found: newest },
      suggestion: `apt install postgresql-client-${serverMajor}, or dnf install postgresql${serverMajor}, or brew install postgresql@${serverMajor}; or set PGHAUL_PG_BIN=DIRECTORY; or create the schema at the target yourself and set schema: existing`,
    },
  );
}

function versionedDirs(): string[] {
  return VERSIONED_DIRS.flatMap(({ root, bin }) => {
    if (!existsSync(root)) return [];
    return readdirSync(root).flatMap((entry) => {
      const found = bin(entry);
      return found === null ? [] : [path.join(root, found)];
    });
  });
}

async function toolsIn(dir: string): Promise<ClientTools | null> {
  const pgDump = path.join(dir, "pg_dump");
  const pgRestore = path.join(dir, "pg_restore");
  if (!existsSync(pgDump) || !existsSync(pgRestore)) return null;
  // A wrapper that finds no version of its own, a library that is gone: such tools are as good as not there.
  const answer = await promisify(execFile)(pgDump, ["--version"], { timeout: 10_000 }).catch(() => null);
  const major = /\(PostgreSQL\) (\d+)/.exec(answer?.stdout ?? "")?.[1];
  return major === undefined ? null : { pgDump, pgRestore, major: Number(major) };
}
