// Runs a named set of test files: node scripts/run-tests.ts SET [FILE-PART...]; file parts narrow the set. With options, `sim` runs seeds.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { coverageByFolder } from "./coverage-by-folder.ts";
import { memoryFolder } from "./memory-folder.ts";

interface TestSet {
  readonly include: string;
  readonly exclude: RegExp;
  /** Files that run at the same time. Each .pg.test.ts starts servers of its own. */
  readonly concurrency: number;
}

/** A test that hangs must not hang CI. */
const FILE_TIMEOUT_MS = 20 * 60_000;
/** The runner ends by them, and what follows it is still done. */
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
const SHOWN_FILES = 10;
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
  const found = globSync(set.include, { cwd: root }).sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
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

/** The longest first: begun last, they would end alone. */
function rank(file: string): number {
  return /^test\/(?:sim|contract)\//.test(file) ? 0 : 1;
}

/** What a failing seed tells one to run: `npm run test:sim -- --of switch --seed N --trace`. */
function runSeeds(options: readonly string[]): number {
  return spawnSync(process.execPath, ["test/sim/cli.ts", ...options], { cwd: root, stdio: "inherit" }).status ?? 1;
}

/** A line of `test-notes.mjs`. Files by their whole path. */
type Note =
  | { readonly kind: "failed"; readonly file: string; readonly name: string }
  | { readonly kind: "time"; readonly file: string; readonly millis: number }
  | { readonly kind: "end" };

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
  const folder = mkdtempSync(join(tmpdir(), "pghaul-run-"));
  try {
    const flags = ["--test", `--test-concurrency=${concurrency}`, `--test-timeout=${FILE_TIMEOUT_MS}`];
    const reporters = [...reporter("spec", "stdout"), ...reporter("./scripts/test-notes.mjs", join(folder, "notes"))];
    const coverage = join(folder, "coverage");
    const end = await runNode([...flags, ...reporters, ...files], withCoverage ? { NODE_V8_COVERAGE: coverage } : {});
    const notes = readNotes(join(folder, "notes"));
    if (files.length > 1) process.stdout.write(slowestFiles(notes));
    if (withCoverage) process.stdout.write(coverageByFolder(coverage, root));
    if (end.status === 0) return [];
    const failed = notes.flatMap((note) => (note.kind === "failed" ? [{ file: relative(root, note.file), name: note.name }] : []));
    if (failed.length > 0 && notes.some(({ kind }) => kind === "end")) return failed;
    console.log(`the test runner broke: it ended with ${end.signal ?? `status ${end.status}`}, after ${failed.length} failed tests.`);
    console.log(end.stderr === "" ? "It wrote nothing to standard error." : `Last on standard error:\n${end.stderr}`);
    return "broken";
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function reporter(name: string, destination: string): string[] {
  return [`--test-reporter=${name}`, `--test-reporter-destination=${destination}`];
}

function readNotes(path: string): readonly Note[] {
  const lines = existsSync(path) ? readFileSync(path, "utf8").split("\n") : [];
  // A runner that was killed leaves half a line.
  return lines.slice(0, -1).map((line) => JSON.parse(line) as Note);
}

/** Where the time of a suite goes, so that a cut is made where it counts. */
function slowestFiles(notes: readonly Note[]): string {
  const times = notes.filter((note) => note.kind === "time").sort((a, b) => b.millis - a.millis);
  const all = times.reduce((sum, { millis }) => sum + millis, 0);
  const rows = times.slice(0, SHOWN_FILES).map(({ file, millis }) => `${seconds(millis).padStart(8)} s  ${relative(root, file)}\n`);
  return [`slowest of ${times.length} files, ${seconds(all)} s together:\n`, ...rows].join("");
}

function seconds(millis: number): string {
  return (millis / 1000).toFixed(1);
}

interface End {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  /** The last of it; all of it is passed on. */
  readonly stderr: string;
}

async function runNode(args: readonly string[], environment: Readonly<Record<string, string>>): Promise<End> {
  // Tests start pghaul hundreds of times; half of such a start is the compilation of the same files.
  const cache = { NODE_COMPILE_CACHE: join(root, "node_modules", ".cache", "compiled") };
  // Who has set one means it.
  const memory = process.env.TMPDIR === undefined ? memoryFolder() : null;
  const env = { ...process.env, ...cache, ...(memory === null ? {} : { TMPDIR: memory }), ...environment };
  const child = spawn(process.execPath, args, { cwd: root, env, stdio: ["inherit", "inherit", "pipe"] });
  const forward = (signal: NodeJS.Signals): void => void child.kill(signal);
  for (const signal of SIGNALS) process.on(signal, forward);
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    process.stderr.write(text);
    stderr = (stderr + text).slice(-KEPT_STDERR);
  });
  const [status, signal] = (await once(child, "close")) as [number | null, NodeJS.Signals | null];
  for (const name of SIGNALS) process.off(name, forward);
  // Servers of a test that was cut short are still being removed.
  if (memory !== null) rmSync(memory, { recursive: true, force: true, maxRetries: 20, retryDelay: 500 });
  return { status, signal, stderr };
}

process.exitCode = await main(process.argv.slice(2));
