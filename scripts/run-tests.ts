// Runs a named set of test files: node scripts/run-tests.ts SET [FILE-PART...]; file parts narrow the set.
import { spawnSync } from "node:child_process";
import { globSync } from "node:fs";
import { fileURLToPath } from "node:url";

interface TestSet {
  readonly include: string;
  readonly exclude: RegExp;
  /** Files that run at the same time. Each .pg.test.ts starts servers of its own. */
  readonly concurrency: number;
}

const NEVER = /\/fixtures\//;
const SPECIAL = /\/fixtures\/|^test\/(?:interop|sim)\/|\.long\.test\.ts$/;

const SETS: Readonly<Record<string, TestSet>> = {
  all: { include: "test/**/*.test.ts", exclude: SPECIAL, concurrency: 2 },
  unit: { include: "test/**/*.test.ts", exclude: /\/fixtures\/|^test\/(?:interop|sim)\/|\.(?:pg|long)\.test\.ts$/, concurrency: 2 },
  pg: { include: "test/**/*.pg.test.ts", exclude: SPECIAL, concurrency: 2 },
  sim: { include: "test/sim/**/*.test.ts", exclude: NEVER, concurrency: 2 },
  long: { include: "test/**/*.long.test.ts", exclude: NEVER, concurrency: 1 },
  interop: { include: "test/interop/**/*.test.ts", exclude: NEVER, concurrency: 1 },
};

const root = fileURLToPath(new URL("../", import.meta.url));

function main([name = "", ...parts]: readonly string[]): number {
  const set = SETS[name];
  if (set === undefined) {
    console.error(`Error: no test set "${name}". Sets: ${Object.keys(SETS).join(", ")}`);
    return 2;
  }
  const found = globSync(set.include, { cwd: root }).sort();
  const files = found.filter((file) => !set.exclude.test(file) && (parts.length === 0 || parts.some((part) => file.includes(part))));
  if (files.length === 0) {
    console.log(`no ${name} tests exist yet: 0 passed, 0 failed`);
    return parts.length === 0 ? 0 : 2;
  }
  const flags = ["--test", `--test-concurrency=${set.concurrency}`, "--test-reporter=spec"];
  return spawnSync(process.execPath, [...flags, ...files], { cwd: root, stdio: "inherit" }).status ?? 1;
}

process.exitCode = main(process.argv.slice(2));
