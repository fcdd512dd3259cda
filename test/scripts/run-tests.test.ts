import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** Runs the sets of a checkout that has these files, as CI does. */
function run(
  files: Readonly<Record<string, string>>,
  set: string,
  environment: NodeJS.ProcessEnv = {},
): { readonly status: number | null; readonly stdout: string; readonly stderr: string } {
  const folder = mkdtempSync(join(tmpdir(), "pghaul-run-tests-"));
  try {
    cpSync(`${root}scripts`, join(folder, "scripts"), { recursive: true });
    symlinkSync(`${root}node_modules`, join(folder, "node_modules"));
    for (const name of ["src/model", "src/engine", "test"]) mkdirSync(join(folder, name), { recursive: true });
    for (const [name, text] of Object.entries({ "package.json": '{ "type": "module" }', ...files }))
      writeFileSync(join(folder, name), text);
    // node --test marks its children by this variable, and starts no tests within tests.
    const { NODE_TEST_CONTEXT: _, TMPDIR: __, ...env } = process.env;
    const options = { cwd: folder, env: { ...env, CI: "true", ...environment }, encoding: "utf8" } as const;
    const { status, stdout, stderr } = spawnSync(process.execPath, ["scripts/run-tests.ts", set], options);
    return { status, stdout, stderr };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const PASSES = 'import { test } from "node:test";\ntest("passes", () => {});\n';
const ONCE = `import { existsSync, writeFileSync } from "node:fs";
import { test } from "node:test";
test("passes beside it", () => {});
test("meets a busy machine", () => {
  if (existsSync("met")) return;
  writeFileSync("met", "");
  throw new Error("too slow");
});\n`;
const ALWAYS = 'import { test } from "node:test";\ntest("is wrong", () => { throw new Error("wrong"); });\n';

test("a test that fails once and passes alone is named as a flake, and is no failure", () => {
  const { status, stdout } = run({ "test/a.test.ts": PASSES, "test/b.test.ts": ONCE }, "all");
  assert.equal(status, 0, stdout);
  assert.match(stdout, /^failed once, run again alone: test\/b\.test\.ts$/m);
  assert.deepEqual(stdout.match(/^flaky: .*$/gm), ["flaky: test/b.test.ts: meets a busy machine"]);
  assert.match(stdout, /^slowest of 2 files, \d+\.\d s together:\n +\d+\.\d s {2}test\/[ab]\.test\.ts$/m);
});

test("a test that fails twice is a failure, and no flake", () => {
  const { status, stdout } = run({ "test/b.test.ts": ONCE, "test/c.test.ts": ALWAYS }, "all");
  assert.equal(status, 1);
  assert.deepEqual(stdout.match(/^flaky: .*$/gm), ["flaky: test/b.test.ts: meets a busy machine"]);
});

test("unit tests measure the lines of src that they run, by folder; a file that no test loads has none", () => {
  const files = {
    "src/model/a.ts": "export function used() {\n  return 1;\n}\n\nexport function unused() {\n  return 2;\n}\n",
    "src/engine/b.ts": "export const b = 1;\n",
    "test/a.test.ts": 'import { test } from "node:test";\nimport { used } from "../src/model/a.ts";\ntest("uses it", () => void used());\n',
  };
  const { status, stdout, stderr } = run(files, "unit");
  assert.equal(status, 0, stdout);
  assert.equal(stderr, "", "nor is there a warning of Node's");
  const rows = new Map(
    [...stdout.matchAll(/^coverage: (\S+) +(\d+) +\d+ +([\d.]+) %$/gm)].map(([, folder, count, percent]) => [
      folder,
      { count, percent: Number(percent) },
    ]),
  );
  assert.deepEqual(rows.get("src/engine"), { count: "1", percent: 0 });
  const model = rows.get("src/model");
  assert.ok(model !== undefined && model.percent > 30 && model.percent < 90, stdout);
  assert.equal(rows.get("src")?.count, "2");
  // The table of single files is left out.
  assert.doesNotMatch(stdout, /a\.ts +\|/);
});

test("a process that was killed while it wrote its coverage leaves half a file, which fails nothing", () => {
  const torn = `import { mkdirSync, writeFileSync } from "node:fs";
import { test } from "node:test";
// Node makes the folder when the first process ends.
const folder = String(process.env.NODE_V8_COVERAGE);
test("is killed", () => {
  mkdirSync(folder, { recursive: true });
  writeFileSync(folder + "/coverage-1-1700000000000-0.json", '{"result":[{"scr');
});\n`;
  const files = { "src/model/a.ts": "export const a = 1;\n", "test/a.test.ts": 'import "../src/model/a.ts";\n', "test/b.test.ts": torn };
  const { status, stdout } = run(files, "unit");
  assert.equal(status, 0, stdout);
  assert.match(stdout, /^coverage: src\/model +1 +1 +100\.0 %$/m);
  assert.doesNotMatch(stdout, /run again|flaky/);
});

test("a runner that breaks says how and what it wrote; no test is run again or called a flake", () => {
  const broken = "the test runner broke: it ended with";
  // As the kernel does when memory runs out.
  const killed = 'import { test } from "node:test";\ntest("kills the runner", () => process.kill(process.ppid, "SIGKILL"));\n';
  const first = run({ "test/a.test.ts": PASSES, "test/b.test.ts": killed }, "all");
  assert.equal(first.status, 1, first.stdout);
  assert.match(first.stdout, new RegExp(`^${broken} SIGKILL, after 0 failed tests\\.$`, "m"));
  // A reporter that throws: the runner ends with a status, in the middle, and what failed until then is not the whole truth.
  const reporter =
    'export default async function* broken(events) { for await (const { type } of events) if (type === "test:fail") throw new Error("no space left"); }\n';
  const second = run({ "test/a.test.ts": PASSES, "test/c.test.ts": ONCE, "scripts/test-notes.mjs": reporter }, "all");
  assert.equal(second.status, 1, second.stdout);
  assert.match(
    second.stdout,
    new RegExp(`^${broken} status \\d+, after [01] failed tests\\.\nLast on standard error:\n(?:.*\n)*.*no space left`, "m"),
  );
  for (const { stdout } of [first, second]) assert.doesNotMatch(stdout, /run again|flaky/);
});

test("tests have a temporary folder of their own, which goes with the run, unless somebody has set one", () => {
  const tells =
    'import { tmpdir } from "node:os";\nimport { mkdtempSync } from "node:fs";\nimport { test } from "node:test";\ntest(`in ${mkdtempSync(`${tmpdir()}/left-`)}`, () => {});\n';
  const { stdout } = run({ "test/a.test.ts": tells }, "all");
  const left = /in (\S+\/left-\w+)/.exec(stdout)?.[1] ?? "";
  assert.ok(left !== "", stdout);
  // Where the machine has no memory for it, the folder is the system's.
  assert.equal(existsSync(left), !left.startsWith("/dev/shm/"));
  rmSync(left, { recursive: true, force: true });
  const told = mkdtempSync(join(tmpdir(), "pghaul-told-"));
  assert.match(run({ "test/a.test.ts": tells }, "all", { TMPDIR: told }).stdout, new RegExp(`in ${told}/left-`));
  rmSync(told, { recursive: true });
});

/** What `.ci/sum-up` makes of a log. */
function sumUp(log: string, ...stages: readonly string[]): readonly string[] {
  const folder = mkdtempSync(join(tmpdir(), "pghaul-sum-up-"));
  try {
    writeFileSync(join(folder, "log"), log);
    const { stdout, stderr } = spawnSync(`${root}.ci/sum-up`, [join(folder, "log"), ...stages], { encoding: "utf8" });
    assert.equal(stderr, "");
    return stdout.trimEnd().split("\n");
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("the end of a CI run: coverage, flakes with their number and names, failed stages, and the numbers last", () => {
  const log = "ℹ pass 7\nℹ fail 1\nflaky: test/b.test.ts: meets a busy machine\nℹ pass 2\nℹ fail 0\ncoverage: src 2 9 66.7 %\n";
  assert.deepEqual(sumUp(log), [
    "coverage: src 2 9 66.7 %",
    "1 flaky, failed once and passed alone:",
    "flaky: test/b.test.ts: meets a busy machine",
    "9 passed, 0 failed",
  ]);
  assert.deepEqual(sumUp("ℹ pass 7\nℹ fail 2\nℹ cancelled 1\n", "npm test"), ["stage failed: npm test", "7 passed, 3 failed"]);
  assert.deepEqual(sumUp("", "npm run check", "npm test"), ["stage failed: npm run check", "stage failed: npm test", "0 passed, 2 failed"]);
});
