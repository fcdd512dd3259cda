import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** Compares with `test/cli/golden/NAME`; UPDATE_GOLDEN=1 writes the file instead, for the reviewer to read the diff. */
export function assertGolden(name: string, text: string): void {
  const file = fileURLToPath(new URL(`golden/${name}`, import.meta.url));
  const stable = withoutVaryingParts(text);
  if (process.env.UPDATE_GOLDEN === "1") writeFileSync(file, stable);
  assert.ok(existsSync(file), `${file} does not exist; UPDATE_GOLDEN=1 writes it`);
  assert.equal(stable, readFileSync(file, "utf8"));
}

function withoutVaryingParts(text: string): string {
  return text
    .replace(/\d{8}T\d{6}Z-[0-9a-f]{6}/g, "<run-id>")
    .replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/g, "<time>")
    .replace(/(?<=pghaul\/\S+ )\S+ node-v\S+/g, "<platform>");
}
