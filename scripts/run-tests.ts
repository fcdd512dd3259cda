// Runs a named set of test files: node scripts/run-tests.ts SET [FILE-PART...]; file parts narrow the set. With options, `sim` runs seeds.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { coverageByFolder } from "./coverage-by-folder.ts";

interface TestSet {
  readonly include: string;
  readonly exclude: RegExp;
  /** Files that run at the same time. Each .pg.test.ts starts servers of its own. */
  readonly concurrency: number;
}

/** A test that hangs must not hang CI. */
const FILE_TIMEOUT_MS = 20 * 60_000;
/** What `failed-tests.mjs` writes last. */
const END = '{"end":true}';
/** Characters of what a broken runner said last. */
const KEPT_STDERR = 4_000;

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

async function main([name = "", ...parts]: readonly string[]): Promise<number> {
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
  const first = await runFiles(files, { concurrency: set.concurrency, withCoverage: isCi && name === "unit" });
  if (first === "broken") return 1;
  if (first.length === 0 || !isCi) return first.length === 0 ? 0 : 1;
  // Tests with deadlines meet a machine that is busy with others' work. What fails twice, the second time alone, has failed.
  const again = [...new Set(first.map(({ file }) => file))];
  console.log(`failed once, run again alone: ${again.join(", ")}`);
  const second = await runFiles(again, { concurrency: 1 });
  if (second === "broken") return 1;
  const failedAgain = new Set(second.map(({ file }) => file));
  for (const { file, name: test } of first) if (!failedAgain.has(file)) console.log(`flaky: ${file}: ${test}`);
  return failedAgain.size === 0 ? 0 : 1;
}

/** What a failing seed tells one to run: `npm run test:sim -- --of switch --seed N --trace`. */
function runSeeds(options: readonly string[]): number {
  return spawnSync(process.execPath, ["test/sim/cli.ts", ...options], { cwd: root, stdio: "inherit" }).status ?? 1;
}

interface Failed {
  /** Relative to the repository's root. */
  readonly file: string;
  readonly name: string;
}

interface RunOptions {
  readonly concurrency: number;
  /** Prints a table of src by folder. */
  readonly withCoverage?: boolean;
}

/** Runs the files and returns the tests that failed. Broken: the runner did not come to its end, or failed without a test that did. */
async function runFiles(
  files: readonly string[],
  { concurrency, withCoverage = false }: RunOptions,
): Promise<readonly Failed[] | "broken"> {
  const notes = mkdtempSync(join(tmpdir(), "pghaul-tests-"));
  try {
    const reporters = [
      reporter("spec", "stdout"),
      reporter("./scripts/failed-tests.mjs", join(notes, "failed")),
      reporter("./scripts/slowest-files.mjs", join(notes, "slowest")),
    ].flat();
    const flags = ["--test", `--test-concurrency=${concurrency}`, `--test-timeout=${FILE_TIMEOUT_MS}`, ...reporters];
    const coverage = join(notes, "coverage");
    const end = await runNode([...flags, ...files], withCoverage ? { NODE_V8_COVERAGE: coverage } : {});
    const lines = readNote(join(notes, "failed"))
      .split("\n")
      .filter((line) => line !== "");
    const failed = lines.filter((line) => line !== END).map((line) => JSON.parse(line) as Failed);
    if (files.length > 1) process.stdout.write(readNote(join(notes, "slowest")));
    if (withCoverage) process.stdout.write(coverageByFolder(coverage, root));
    if (end.status === 0) return [];
    if (!lines.includes(END) || failed.length === 0) {
      console.log(`the test runner broke: it ended with ${end.signal ?? `status ${end.status}`}, after ${failed.length} failed tests.`);
      console.log(end.stderr === "" ? "It wrote nothing to standard error." : `Last on standard error:\n${end.stderr}`);
      return "broken";
    }
    return failed.map(({ file, name }) => ({ file: relative(root, file), name }));
  } finally {
    rmSync(notes, { recursive: true });
  }
}

interface End {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  /** The last of it; all of it is passed on. */
  readonly stderr: string;
}

async function runNode(args: readonly string[], environment: Readonly<Record<string, string>>): Promise<End> {
  // Tests start pghaul hundreds of times; half of such a start is the compilation of the same files.
  const env = { ...process.env, NODE_COMPILE_CACHE: join(root, "node_modules", ".cache", "compiled"), ...environment };
  const child = spawn(process.execPath, args, { cwd: root, env, stdio: ["inherit", "inherit", "pipe"] });
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    process.stderr.write(text);
    stderr = (stderr + text).slice(-KEPT_STDERR);
  });
  const [status, signal] = (await once(child, "close")) as [number | null, NodeJS.Signals | null];
  return { status, signal, stderr };
}

function reporter(name: string, destination: string): string[] {
  return [`--test-reporter=${name}`, `--test-reporter-destination=${destination}`];
}

function readNote(path: string): string {
  return existsSync(path) ? readFileSync(path, "utf8") : "";
}

process.exitCode = await main(process.argv.slice(2));
