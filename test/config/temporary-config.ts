import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { TestContext } from "node:test";
import type { Config } from "../../src/config/config.ts";

/** Writes files into a directory that is gone after the test. Returns the directory. */
export function temporaryFiles(t: TestContext, files: Readonly<Record<string, string>>): string {
  const directory = mkdtempSync(path.join(tmpdir(), "pghaul-config-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) writeFileSync(path.join(directory, name), text);
  return directory;
}

/** The smallest valid configuration. */
export const MINIMAL = `version: 1
migration: orders-move
source: { url: "postgresql://app@source/orders" }
target: { kind: postgres, url: "postgresql://app@target/orders" }
`;

/** The target of a configuration that names a PostgreSQL. */
export function postgresOf({ target }: Config): Extract<Config["target"], { readonly kind: "postgres" }> {
  assert.ok(target.kind === "postgres");
  return target;
}
