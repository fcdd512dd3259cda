import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { benchRoot, serverUserCan } from "./run-as.ts";

export interface Binaries {
  /** `bin`: initdb, postgres and pg_ctl; the npm packages carry no client programs. */
  readonly bin: string;
  /** Names this very build in caches: `pg18-18.4.0-beta.17`. */
  readonly id: string;
}

const cache = new Map<number, Binaries>();

/**
 * The PostgreSQL build of an npm alias (test/support/postgres-packages), at a path that the server user can run it from. Throws where npm has none
 * for this machine.
 */
export function findBinaries(version: number): Binaries {
  let found = cache.get(version);
  if (found === undefined) {
    found = locate(version);
    cache.set(version, found);
  }
  return found;
}

function locate(version: number): Binaries {
  const packageRoot = packageOf(aliasOf(version, process.platform, process.arch));
  const manifest = JSON.parse(readFileSync(join(packageRoot, "package.json"), "utf8")) as { version: string };
  const id = `pg${version}-${manifest.version}`;
  const native = join(packageRoot, "native");
  const usable = hydrate(native) && serverUserCan("-x", join(native, "bin/postgres")) && serverUserCan("-r", join(native, "lib"));
  return { bin: join(usable ? native : publicCopy(native, id), "bin"), id };
}

/** `pg18` on the machine that CI has, `pg18-darwin-arm64` elsewhere. */
export function aliasOf(version: number, platform: string, arch: string): string {
  return platform === "linux" && arch === "x64" ? `pg${version}` : `pg${version}-${platform}-${arch}`;
}

function packageOf(alias: string): string {
  try {
    // It resolves to dist/index.js.
    return dirname(dirname(createRequire(import.meta.url).resolve(alias)));
  } catch (cause) {
    throw new Error(`${alias} is not installed; test/support/postgres-packages says which versions npm has for which machine`, { cause });
  }
}

/**
 * Makes the links between shared libraries that npm packages cannot carry; the package's own install script does the same,
 * unless scripts are off (`npm ci --ignore-scripts`). False when the folder is not ours to write.
 */
function hydrate(native: string): boolean {
  const links = JSON.parse(readFileSync(join(native, "pg-symlinks.json"), "utf8")) as { source: string; target: string }[];
  for (const { source, target } of links) {
    const link = join(dirname(native), target);
    if (existsSync(link)) continue;
    try {
      symlinkSync(basename(source), link);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "EACCES" || code === "EROFS") return false;
      if (code !== "EEXIST") throw error;
    }
  }
  return true;
}

/** A copy that everybody can read, made once: by rename, so that parallel test processes never see half of one. */
function publicCopy(native: string, id: string): string {
  const copy = join(benchRoot(), id, "native");
  if (existsSync(copy)) return copy;
  const draft = join(benchRoot(), `${id}.draft.${process.pid}`);
  mkdirSync(draft, { recursive: true });
  execFileSync("cp", ["-a", "--reflink=auto", native, join(draft, "native")]);
  execFileSync("chmod", ["-R", "a+rX", draft]);
  hydrate(join(draft, "native"));
  moveIntoPlace(draft, dirname(copy));
  return copy;
}

/** Renames a finished folder to its final name; when another process was first, ours is thrown away. */
export function moveIntoPlace(draft: string, final: string): void {
  try {
    renameSync(draft, final);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "ENOTEMPTY" && code !== "EEXIST") throw error;
    rmSync(draft, { recursive: true, force: true });
  }
}
