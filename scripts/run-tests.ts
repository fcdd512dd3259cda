// Runs a named set of test files: node scripts/run-tests.ts SET [FILE-PART...]; file parts narrow the set. With options, `sim` runs seeds.
import { spawnSync } from "node:child_process";
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
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
  const failed = runFiles(files, { concurrency: isCi ? 1 : set.concurrency, withCoverage: isCi && name === "unit" });
  if (failed.length === 0 || !isCi) return failed.length === 0 ? 0 : 1;
  // Tests with deadlines meet a machine that is busy with others' work. What fails twice, the second time alone, has failed.
  const again = [...new Set(failed.map(({ file }) => file))];
  console.log(`failed once, run again alone: ${again.join(", ")}`);
  const failedAgain = new Set(runFiles(again, { concurrency: 1 }).map(({ file }) => file));
  for (const { file, name: test } of failed) if (!failedAgain.has(file)) console.log(`flaky: ${file}${test === "" ? "" : `: ${test}`}`);
  return failedAgain.size === 0 ? 0 : 1;
}

/** What a failing seed tells one to run: `npm run test:sim -- --of switch --seed N --trace`. */
function runSeeds(options: readonly string[]): number {
  return spawnSync(process.execPath, ["test/sim/cli.ts", ...options], { cwd: root, stdio: "inherit" }).status ?? 1;
}

interface Failed {
  /** Relative to the repository's root. */
  readonly file: string;
  /** Empty where the runner itself broke. */
  readonly name: string;
}

interface RunOptions {
  readonly concurrency: number;
  /** Prints a table of src by folder. */
  readonly withCoverage?: boolean;
}

/** Runs the files and returns the tests that failed; all files when the runner itself broke. */
function runFiles(files: readonly string[], { concurrency, withCoverage = false }: RunOptions): readonly Failed[] {
  const notes = mkdtempSync(join(tmpdir(), "pghaul-tests-"));
  const flags = ["--test", `--test-concurrency=${concurrency}`, `--test-timeout=${FILE_TIMEOUT_MS}`];
  const reporters = [
    reporter(withCoverage ? "./scripts/spec-without-coverage.mjs" : "spec", "stdout"),
    reporter("./scripts/failed-tests.mjs", join(notes, "failed")),
    reporter("./scripts/slowest-files.mjs", join(notes, "slowest")),
    ...(withCoverage ? [reporter("./scripts/coverage-by-folder.mjs", join(notes, "coverage"))] : []),
  ].flat();
  const coverage = withCoverage ? ["--experimental-test-coverage", "--test-coverage-include=src/**"] : [];
  // Tests start pghaul hundreds of times; half of such a start is the compilation of the same files.
  const env = { ...process.env, NODE_COMPILE_CACHE: join(root, "node_modules", ".cache", "compiled") };
  const { status } = spawnSync(process.execPath, [...flags, ...coverage, ...reporters, ...files], { cwd: root, env, stdio: "inherit" });
  const failed = readNote(join(notes, "failed"))
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Failed)
    .map(({ file, name }) => ({ file: relative(root, file), name }));
  if (files.length > 1) process.stdout.write(readNote(join(notes, "slowest")));
  process.stdout.write(readNote(join(notes, "coverage")));
  rmSync(notes, { recursive: true });
  if (status === 0) return [];
  return failed.length === 0 ? files.map((file) => ({ file, name: "" })) : failed;
}

function reporter(name: string, destination: string): string[] {
  return [`--test-reporter=${name}`, `--test-reporter-destination=${destination}`];
}

function readNote(path: string): string {
  return existsSync(path) ? readFileSync(path, "utf8") : "";
}

process.exitCode = main(process.argv.slice(2));
