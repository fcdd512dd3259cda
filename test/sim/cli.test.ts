import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));

function sim(...options: string[]): { readonly status: number | null; readonly stdout: string } {
  return spawnSync(process.execPath, ["scripts/run-tests.ts", "sim", ...options], { cwd: root, encoding: "utf8" });
}

test("npm run test:sim -- --seeds N --seed S runs those seeds, and --trace shows the steps of one", () => {
  const some = sim("--seeds", "3", "--seed", "7");
  assert.match(some.stdout, /^3 seeds from 7: 0 failed/);
  assert.equal(some.status, 0);
  const traced = sim("--seed", "7", "--trace");
  assert.match(traced.stdout, /^1 \S/);
  assert.match(traced.stdout, /\n1 seeds from 7: 0 failed/);
  assert.notEqual(sim("--seeds", "none").status, 0);
});
