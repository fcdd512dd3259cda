import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";

const DEBIAN_VERSIONS = "/usr/lib/postgresql";

/** A peer that is not installed: its figure is skipped, which is no failure. */
export class MissingTool extends Error {
  override readonly name = "MissingTool";
}

/** Where PostgreSQL's client program is. The npm packages carry servers only. Throws MissingTool with what to install. */
export function clientTool(name: string): string {
  if (spawnSync(name, ["--version"]).status === 0) return name;
  const versions = existsSync(DEBIAN_VERSIONS) ? readdirSync(DEBIAN_VERSIONS).toSorted().reverse() : [];
  const found = versions.map((version) => join(DEBIAN_VERSIONS, version, "bin", name)).find((path) => existsSync(path));
  if (found === undefined) throw new MissingTool(`${name} is not installed: apt-get install postgresql-client-15`);
  return found;
}

/** `psql (PostgreSQL) 15.18`, or null when it is not there. */
export function clientVersion(): string | null {
  try {
    return spawnSync(clientTool("psql"), ["--version"], { encoding: "utf8" }).stdout.trim();
  } catch (error) {
    if (error instanceof MissingTool) return null;
    throw error;
  }
}
