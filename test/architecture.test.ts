import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, globSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { findCycles } from "../scripts/architecture/cycles.ts";
import { findDeadExports } from "../scripts/architecture/dead-exports.ts";
import { checkDeadlines } from "../scripts/architecture/deadlines.ts";
import { checkDirection, type Layers } from "../scripts/architecture/direction.ts";
import { readModule } from "../scripts/architecture/read-module.ts";
import { checkSeam, type Seam } from "../scripts/architecture/seam.ts";
import { checkSizes } from "../scripts/architecture/sizes.ts";

const LAYERS: Layers = {
  allowed: { errors: [], model: ["errors"], engine: ["model", "errors"], target: ["model"], source: ["model"], commands: ["model"] },
  adapters: ["target"],
  contracts: [/^src\/[a-z]+\/ports(?:\/[a-z-]+)?\.ts$/],
  contractReaders: ["target"],
  lazyPackages: [/^@aws-sdk\//],
};

/** Rules breached by the imports of one file. */
function directionOf(path: string, text: string): string[] {
  return checkDirection(readModule(path, text), LAYERS).map((finding) => `${finding.line} ${finding.rule}`);
}

const root = fileURLToPath(new URL("../", import.meta.url));

function assertLawful(folder: string): void {
  const { stdout, status } = spawnSync(process.execPath, ["scripts/check-architecture.ts"], { cwd: folder, encoding: "utf8" });
  assert.equal(status, 0, stdout);
  assert.match(stdout, /architecture: \d{2,} modules, 0 findings/);
}

test("the repository keeps its own law", () => assertLawful(root));

test("the law lets gates and checks be added: a file beside the others, and its place in the list", () => {
  const copy = mkdtempSync(join(tmpdir(), "pghaul-conditions-"));
  try {
    for (const folder of ["src", "bin", "scripts", "demo", "bench", "test"]) cpSync(root + folder, join(copy, folder), { recursive: true });
    symlinkSync(join(root, "node_modules"), join(copy, "node_modules"));
    // As many as no folder of parts may hold.
    for (const number of Array(16).keys()) {
      plant(copy, { like: "lagGate", as: `plantedGate${number}`, line: /^ {2}lagGate,$/m });
      plant(copy, { like: "publicationsCheck", as: `plantedCheck${number}`, line: /^ {2}publicationsCheck,$/m });
    }
    assertLawful(copy);
  } finally {
    rmSync(copy, { recursive: true });
  }
});

interface Planted {
  /** Name of an export. */
  readonly like: string;
  readonly as: string;
  /** Its line in the list. */
  readonly line: RegExp;
}

/** A file beside the one that exports `like`, and a line in the list that holds it. */
function plant(copy: string, { like, as, line }: Planted): void {
  const textOf = (file: string) => readFileSync(join(copy, file), "utf8");
  const files = globSync("src/**/*.ts", { cwd: copy });
  const own = files.find((file) => textOf(file).includes(`export const ${like}: `));
  const list = files.find((file) => textOf(file).includes(`import { ${like} }`) && line.test(textOf(file)));
  assert.ok(own !== undefined && list !== undefined, like);
  const planted = join(dirname(own), `${as.toLowerCase()}.ts`);
  writeFileSync(join(copy, planted), textOf(own).replaceAll(like, as));
  const from = relative(dirname(list), planted);
  const listed = textOf(list).replace(line, `  ${as},\n$&`);
  writeFileSync(join(copy, list), `import { ${as} } from "${from.startsWith(".") ? from : `./${from}`}";\n${listed}`);
}

test("every package that users install is imported, and one module asks questions", () => {
  const { dependencies } = JSON.parse(readFileSync(`${root}package.json`, "utf8")) as { dependencies: Record<string, string> };
  const modules = globSync(["src/**/*.ts", "bin/*.js"], { cwd: root }).map((path) => readModule(path, readFileSync(root + path, "utf8")));
  const importers = (name: string) =>
    modules.filter(({ imports }) => imports.some(({ target }) => target === name || target.startsWith(`${name}/`)));
  assert.deepEqual(
    Object.keys(dependencies).filter((name) => importers(name).length === 0),
    [],
  );
  assert.deepEqual(
    importers("inquirer").map(({ path }) => path),
    ["src/cli/ask.ts"],
  );
});

test("an import against the direction is found, with its line", () => {
  assert.deepEqual(directionOf("src/engine/fold.ts", 'import { a } from "../model/a.ts";\nimport { b } from "../source/b.ts";\n'), [
    "2 direction",
  ]);
  assert.deepEqual(directionOf("src/engine/fold.ts", 'import type { B } from "../source/b.ts";'), ["1 direction"]);
  assert.deepEqual(directionOf("src/engine/fold.ts", 'const b = await import("../source/b.ts");'), ["1 direction"]);
  assert.deepEqual(directionOf("src/engine/fold.ts", 'type B = import("../source/b.ts").B;'), ["1 direction"]);
});

test("only readers of contracts may name the contract of another folder, and nothing else of it", () => {
  assert.deepEqual(directionOf("src/target/postgres/apply.ts", 'import type { Target } from "../../engine/ports.ts";'), []);
  assert.deepEqual(
    directionOf("src/target/file/open.ts", 'import type { VersionTarget } from "../../engine/ports/version-target.ts";'),
    [],
  );
  assert.deepEqual(directionOf("src/target/postgres/apply.ts", 'import type { Fold } from "../../engine/fold.ts";'), ["1 direction"]);
  assert.deepEqual(directionOf("src/source/slot.ts", 'import type { Source } from "../engine/ports.ts";'), ["1 direction"]);
});

test("adapters do not import one another, but share what lies above them", () => {
  assert.deepEqual(directionOf("src/target/sharded/apply.ts", 'import { x } from "../postgres/apply.ts";'), ["1 adapter"]);
  assert.deepEqual(directionOf("src/target/sharded/apply.ts", 'import { x } from "../target.ts";\nimport { y } from "./rows/y.ts";'), []);
});

test("a folder that nobody put into the table is found", () => {
  assert.deepEqual(directionOf("src/utils/pad.ts", 'import { a } from "../model/a.ts";'), ["1 unknown-folder"]);
});

test("tests are imported by tests alone; demo and bench may start the servers of test/support", () => {
  assert.deepEqual(directionOf("src/model/a.ts", 'import { x } from "../../test/support/random.ts";'), ["1 no-test-import"]);
  assert.deepEqual(directionOf("scripts/a.ts", 'import { x } from "../test/support/random.ts";'), ["1 no-test-import"]);
  assert.deepEqual(directionOf("demo/run.ts", 'import { x } from "../test/support/pg-server.ts";'), []);
  assert.deepEqual(directionOf("demo/run.ts", 'import { x } from "../test/cli/x.ts";'), ["1 no-test-import"]);
});

test("a heavy package is imported lazily or as types", () => {
  assert.deepEqual(directionOf("src/model/a.ts", 'import { Signer } from "@aws-sdk/rds-signer";'), ["1 lazy-import"]);
  assert.deepEqual(
    directionOf("src/model/a.ts", 'import type { Signer } from "@aws-sdk/rds-signer";\nawait import("@aws-sdk/rds-signer");'),
    [],
  );
});

test("a circle is found once, whatever closes it", () => {
  const a = readModule("src/model/a.ts", 'import { b } from "./b.ts"; export const a = b;');
  const b = readModule("src/model/b.ts", 'import type { C } from "./c.ts"; export const b: C = 1;');
  const c = readModule("src/model/c.ts", 'import { a } from "./a.ts"; export type C = typeof a;');
  assert.deepEqual(
    findCycles([a, b, c]).map((finding) => finding.message),
    ["src/model/a.ts -> src/model/b.ts -> src/model/c.ts -> src/model/a.ts"],
  );
  assert.deepEqual(findCycles([b, readModule("src/model/c.ts", "export type C = 1;")]), []);
});

test("a re-export is a barrel", () => {
  for (const text of ['export { a } from "./a.ts";', 'export * from "./a.ts";', 'export type { A } from "./a.ts";']) {
    assert.deepEqual(
      readModule("src/model/all.ts", text).findings.map((finding) => finding.rule),
      ["no-barrel"],
    );
  }
});

/** Messages about dead exports of `src/model/a.ts` beside the other files given. */
function deadExports(text: string, others: Readonly<Record<string, string>> = {}): string[] {
  const modules = [["src/model/a.ts", text] as const, ...Object.entries(others)].map(([path, source]) => readModule(path, source));
  return findDeadExports(modules)
    .filter((finding) => finding.path === "src/model/a.ts")
    .map((finding) => finding.message);
}

test("an export that nobody needs is found", () => {
  assert.deepEqual(deadExports("export function gone() {}"), ["gone is used nowhere"]);
  assert.deepEqual(deadExports("export function inner() {}\ninner();"), ["inner need not be exported"]);
  assert.deepEqual(deadExports("export interface Lost {}"), ["Lost is used nowhere"]);
  assert.deepEqual(deadExports("export const key = 1;\nconst o = { key: 2 };\no.key;"), ["key is used nowhere"]);
  assert.deepEqual(deadExports("export function tested() {}", { "test/a.test.ts": 'import { tested } from "../src/model/a.ts";' }), [
    "tested is used by tests only",
  ]);
});

test("an export that somebody needs is left alone", () => {
  assert.deepEqual(deadExports("export const used = 1;", { "src/model/b.ts": 'import { used } from "./a.ts";' }), []);
  assert.deepEqual(deadExports("export const used = 1;", { "src/model/b.ts": 'import * as a from "./a.ts";' }), []);
  assert.deepEqual(deadExports("export const used = 1;", { "src/model/b.ts": 'const a = await import("./a.ts");' }), []);
  assert.deepEqual(deadExports("export const used = 1;", { "demo/run.ts": 'import { used } from "../src/model/a.ts";' }), []);
  // The type of a parameter, and a function that is in use and tested by itself.
  assert.deepEqual(deadExports("export interface P {}\nfunction f(p: P) {}"), []);
  assert.deepEqual(
    deadExports("export function part() {}\npart();", { "test/a.test.ts": 'import { part } from "../src/model/a.ts";' }),
    [],
  );
});

test("commands are entry points", () => {
  const command = readModule("src/commands/cdc/start.ts", "export default class Start {}");
  assert.deepEqual(findDeadExports([command]), []);
});

test("an export that is built ahead of its use is left alone until then", () => {
  const [ahead, user] = [readModule("src/model/a.ts", "export const a = 1;"), readModule("src/model/b.ts", 'import { a } from "./a.ts";')];
  const awaited = { "src/model/a.ts": "the next step" };
  assert.deepEqual(findDeadExports([ahead], awaited), []);
  assert.deepEqual(
    findDeadExports([ahead, user], awaited).map(({ message }) => message),
    ["awaits no use any more: take it off the list"],
  );
});

function sizeRules(path: string, text: string): string[] {
  return checkSizes([readModule(path, text)]).map((finding) => `${finding.line} ${finding.rule}`);
}

test("files, functions and parameter lists have limits", () => {
  const lines = (count: number): string => "const a = 1;\n".repeat(count);
  assert.deepEqual(sizeRules("src/model/a.ts", lines(400)), []);
  assert.deepEqual(sizeRules("src/model/a.ts", lines(401)), ["400 file-length"]);
  assert.deepEqual(sizeRules("src/commands/a.ts", lines(121)), ["120 file-length"]);
  assert.deepEqual(sizeRules("src/model/a.ts", `\nfunction f() {\n${"x();\n".repeat(58)}}\n`), []);
  assert.deepEqual(sizeRules("src/model/a.ts", `\nfunction f() {\n${"x();\n".repeat(59)}}\n`), ["2 function-length"]);
  assert.deepEqual(sizeRules("src/model/a.ts", "class A { m(a, b, c, d) {} }"), []);
  assert.deepEqual(sizeRules("src/model/a.ts", "class A { m(a, b, c, d, e) {} }"), ["1 max-params"]);
});

test("a folder has a limit", () => {
  const files = (count: number) => Array.from({ length: count }, (_, index) => readModule(`src/model/f${index}.ts`, ""));
  assert.deepEqual(checkSizes(files(15)), []);
  assert.deepEqual(
    checkSizes(files(16)).map((finding) => `${finding.path} ${finding.rule}`),
    ["src/model folder-size"],
  );
});

test("a file that does not parse is a finding, not a crash", () => {
  assert.deepEqual(
    readModule("src/model/a.ts", "const = ;").findings.map((finding) => finding.rule),
    ["syntax"],
  );
});

/** Lines of bare deadlines in a file. */
function bareDeadlinesOf(path: string, text: string): number[] {
  return checkDeadlines([readModule(path, text)]).map(({ line }) => line);
}

test("a deadline of a test grows with the load", () => {
  const bare = `
test("a", { timeout: 10_000 }, () => {});
describe.only("a", { concurrency: 2, timeout: 10_000 }, () => {});
spawnSync("a", [], { timeout: 10_000 });
AbortSignal.timeout(10_000);
const end = Date.now() + 10_000;
assert.ok(performance.now() - began < 10_000);
setTimeout(() => reject(), 10_000);
`;
  assert.deepEqual(bareDeadlinesOf("test/model/a.test.ts", bare), [2, 3, 4, 5, 6, 7, 8]);
  assert.deepEqual(bareDeadlinesOf("test/model/a.test.ts", bare.replaceAll("10_000", "deadline(10_000)")), []);
  // What waits is no deadline, nor what is expected of the product, nor what the support scales itself.
  const fair = `
setTimeout(resolve, 100);
assert.ok(performance.now() - began >= 900);
assert.deepEqual(hook, { timeout: 10_000 });
const hook = { kind: "hook", timeout: 10_000 };
waitFor(done, { deadlineMs: 10_000, what: "it" });
`;
  assert.deepEqual(bareDeadlinesOf("test/model/a.test.ts", fair), []);
  assert.deepEqual(bareDeadlinesOf("src/model/a.ts", bare), []);
});

const SEAM: Seam = {
  speechless: ["src/workflow/", "src/cutover/"],
  conditions: ["src/cutover/gates/", "src/source/checks/"],
  speakers: /^(?:pg|src\/side\/.*)$/,
  adapter: /^src\/target\/[a-z]+\//,
  registry: "src/workflow/target-kinds.ts",
};

test("no statement is run where a contract stands between", () => {
  const text = 'export const lag = async (client) => (await client.query("select 1")).rows;';
  const breaches = (path: string): string[] => checkSeam(readModule(path, text), SEAM).map(({ rule }) => rule);
  assert.deepEqual(breaches("src/cutover/gates/lag.ts"), ["no-sql"]);
  assert.deepEqual(breaches("src/workflow/run/lag.ts"), ["no-sql"]);
  assert.deepEqual(breaches("src/side/postgres/facts/lag.ts"), []);
});

test("a check and a gate ask typed facts, and have nobody to run a statement with", () => {
  const breaches = (path: string, text: string): string[] => checkSeam(readModule(path, text), SEAM).map(({ rule }) => rule);
  for (const path of ["src/cutover/gates/lag.ts", "src/source/checks/lag.ts"]) {
    assert.deepEqual(breaches(path, 'import { askOf } from "../../side/postgres/catalog/ask.ts";'), ["facts-only"]);
    assert.deepEqual(breaches(path, 'import type pg from "pg";'), ["facts-only"]);
    assert.deepEqual(breaches(path, 'import { pass } from "../../conditions/condition.ts";'), []);
  }
  assert.deepEqual(breaches("src/source/run-checks.ts", 'import type pg from "pg";'), []);
});

test("one file knows the kinds of targets", () => {
  const text = 'import type { Kind } from "../target/file/kind.ts";';
  const breaches = (path: string): string[] => checkSeam(readModule(path, text), SEAM).map(({ rule }) => rule);
  assert.deepEqual(breaches("src/workflow/open-migration.ts"), ["one-registry"]);
  assert.deepEqual(breaches("src/cutover/gate.ts"), ["one-registry"]);
  assert.deepEqual(breaches("src/workflow/target-kinds.ts"), []);
});
