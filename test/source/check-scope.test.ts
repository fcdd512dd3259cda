import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { isInScope } from "../../src/source/checks/check-scope.ts";

const CHECKS = new URL("../../src/source/", import.meta.url);

test("what a target never does is not checked, and a check that is left out is one that there is", () => {
  const scope = readFileSync(new URL("checks/check-scope.ts", CHECKS), "utf8");
  const ids = [...scope.matchAll(/^ {2}"([a-z-]+)",$/gm)].map(([, id = ""]) => id);
  assert.ok(ids.length > 5);
  const source = globSync("**/*.ts", { cwd: CHECKS })
    .filter((file) => !file.endsWith("check-scope.ts"))
    .map((file) => readFileSync(new URL(file, CHECKS), "utf8"))
    .join("\n");
  for (const id of ids) assert.ok(source.includes(`"${id}"`), id);
  const files = { switches: false, hasSchema: false };
  for (const id of ids) {
    assert.equal(isInScope(id, files), false, id);
    assert.equal(isInScope(id, { switches: true, hasSchema: true }), true, id);
  }
  assert.equal(isInScope("cutover-route", { switches: true, hasSchema: false }), true);
  assert.equal(isInScope("foreign-keys-out", { switches: false, hasSchema: true }), true);
  assert.equal(isInScope("source-wal-level", files), true);
});
