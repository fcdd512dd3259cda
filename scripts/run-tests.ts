// Runs a named set of test files: node scripts/run-tests.ts SET [FILE-PART...]; file parts narrow the set. With options, `sim` runs seeds.
import { spawnSync } from "node:child_process";
import { existsSync, globSync, mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

interface TestSet {
  readonly include: string;
  readonly exclude: RegExp;
  /** Files that run at the same time. Each .pg.test.ts starts servers of its own. */
  readonly concurrency: number;
}

/** A test that hangs must not hang CI. */
const FILE_TIMEOUT_MS = 20 * 60_000;

const NO_PG_DUMP =
  "Note: pg_dump is not installed; tests that copy a schema need it. Debian, Ubuntu: apt-get install postgresql-client. macOS: brew install libpq.";

const FIXTURES = /\/fixtures\//;
/** Sets of their own: they take long, or need servers that npm does not bring. */
const APART = /\/fixtures\/|^test\/(?:interop|package)\/|\.long\.test\.ts$/;
const NOT_UNIT = /\/fixtures\/|^test\/(?:interop|package)\/|\.(?:pg|long)\.test\.ts$/;

const SETS: Readonly<Record<string, TestSet>> = {
  all: { include: "test/**/*.test.ts", exclude: APART, concurrency: 2 },
  unit: { include: "test/**/*.test.ts", exclude: NOT_UNIT, concurrency: 2 },
  pg: { include: "test/**/*.pg.test.ts", exclude: APART, concurrency: 2 },
  sim: { include: "test/sim/**/*.test.ts", exclude: FIXTURES, concurrency: 2 },
  long: { include: "test/**/*.long.test.ts", exclude: FIXTURES, concurrency: 1 },
  package: { include: "test/package/**/*.test.ts", exclude: FIXTURES, concurrency: 1 },
  interop: { include: "test/interop/**/*.test.ts", exclude: FIXTURES, concurrency: 1 },
};

const root = fileURLToPath(new URL("../", import.meta.url));

function main([name = "", ...parts]: readonly string[]): number {
  const set = SETS[name];
  if (set === undefined) {
    console.error(`Error: no test set "${name}". Sets: ${Object.keys(SETS).join(", ")}`);
    return 2;
  }
  if (name === "sim" && parts.some((part) => part.startsWith("--"))) return runSeeds(parts);
  const found = globSync(set.include, { cwd: root }).sort();
  const files = found.filter((file) => !set.exclude.test(file) && (parts.length === 0 || parts.some((part) => file.includes(part))));
  if (files.length === 0) {
    console.log(`no ${name} tests exist yet: 0 passed, 0 failed`);
    return parts.length === 0 ? 0 : 2;
  }
  if (name !== "unit" && spawnSync("pg_dump", ["--version"]).status !== 0) console.error(NO_PG_DUMP);
  const isCi = process.env.CI === "true";
  const failed = runFiles(files, isCi ? 1 : set.concurrency);
  if (failed.length === 0 || !isCi) return failed.length === 0 ? 0 : 1;
  // Tests with deadlines meet a machine that is busy with others' work. What fails twice, the second time alone, has failed.
  console.log(`failed once, run again alone: ${failed.join(", ")}`);
  return runFiles(failed, 1).length === 0 ? 0 : 1;
}

/** What a failing seed tells one to run: `npm run test:sim -- --of switch --seed N --trace`. */
function runSeeds(options: readonly string[]): number {
  return spawnSync(process.execPath, ["test/sim/cli.ts", ...options], { cwd: root, stdio: "inherit" }).status ?? 1;
}

/** Runs the files and returns those in which a test failed; all of them when the runner itself broke. */
function runFiles(files: readonly string[], concurrency: number): readonly string[] {
  const list = join(mkdtempSync(join(tmpdir(), "pghaul-tests-")), "failed");
  const flags = ["--test", `--test-concurrency=${concurrency}`, `--test-timeout=${FILE_TIMEOUT_MS}`];
  const reporters = [
    "--test-reporter=spec",
    "--test-reporter-destination=stdout",
    "--test-reporter=./scripts/failed-files.mjs",
    `--test-reporter-destination=${list}`,
  ];
  // Tests start pghaul hundreds of times; half of such a start is the compilation of the same files.
  const env = { ...process.env, NODE_COMPILE_CACHE: join(root, "node_modules", ".cache", "compiled") };
  const { status } = spawnSync(process.execPath, [...flags, ...reporters, ...files], { cwd: root, env, stdio: "inherit" });
  if (status === 0) return [];
  const failed = new Set(
    existsSync(list)
      ? readFileSync(list, "utf8")
          .split("\n")
          .filter((file) => file !== "")
      : [],
  );
  return failed.size === 0 ? files : [...failed];
}

process.exitCode = main(process.argv.slice(2));
