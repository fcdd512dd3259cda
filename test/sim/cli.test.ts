import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { again } from "./simulations.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

function sim(...options: string[]): { readonly status: number | null; readonly stdout: string } {
  return spawnSync(process.execPath, ["scripts/run-tests.ts", "sim", ...options], { cwd: root, encoding: "utf8" });
}

test("npm run test:sim -- --seeds N --seed S runs those seeds of all simulations, and --trace shows the steps of one", () => {
  const some = sim("--seeds", "3", "--seed", "7");
  assert.match(some.stdout, /^stream: 3 seeds from 7: 0 failed/);
  assert.match(some.stdout, /^versions: 3 seeds from 7: 0 failed/m);
  assert.match(some.stdout, /^switch: 3 seeds from 7: 0 failed/m);
  assert.equal(some.status, 0);
  const traced = sim("--seed", "7", "--trace");
  assert.match(traced.stdout, /^1 \S/);
  assert.match(traced.stdout, /\nstream: 1 seeds from 7: 0 failed/);
  assert.notEqual(sim("--seeds", "none").status, 0);
});

test("what a failing seed tells one to run runs exactly that", () => {
  const names = ["stream", "versions", "switch"] as const;
  for (const name of names) {
    const [command, ...options] = again(name, 9).replace("npm run test:sim -- ", "sim ").split(" ");
    assert.equal(command, "sim");
    const { stdout, status } = sim(...options);
    assert.match(stdout, /^1 \S/);
    assert.match(stdout, new RegExp(`^${name}: 1 seeds from 9: 0 failed`, "m"));
    for (const other of names) if (other !== name) assert.doesNotMatch(stdout, new RegExp(`^${other}: `, "m"));
    assert.equal(status, 0);
  }
  assert.notEqual(sim("--of", "nothing").status, 0);
});
