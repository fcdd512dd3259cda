// Holds the source to the shape that CONTRIBUTING.md describes: direction of imports, no cycles, no barrels, no dead exports,
// small files, and no deadlines in tests that do not grow with the load. Prints `file:line rule message` and ends with 1 when there is a finding.
import { globSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { findCycles } from "./architecture/cycles.ts";
import { type AwaitedUse, findDeadExports } from "./architecture/dead-exports.ts";
import { checkDeadlines } from "./architecture/deadlines.ts";
import { checkDirection, type Layers } from "./architecture/direction.ts";
import type { Finding } from "./architecture/finding.ts";
import { readModule } from "./architecture/read-module.ts";
import { checkSeam, type Seam } from "./architecture/seam.ts";
import { checkSizes } from "./architecture/sizes.ts";

/** Folders below src/, and what each may import beside itself. */
const ALLOWED: Layers["allowed"] = {
  // leaves
  errors: [],
  model: ["errors"],
  observe: ["model", "errors"],
  postgres: ["model", "errors", "observe"],
  pgoutput: ["model", "errors"],
  s3: ["model", "errors"],
  config: ["model", "errors", "observe", "postgres"],
  // the exactness core: knows no driver
  engine: ["model", "errors"],
  // the shape of checks and gates, and what they may ask of a side
  conditions: ["model", "errors"],
  // what a server answers and does whichever end of the migration it is
  side: ["model", "errors", "observe", "postgres", "engine", "conditions"],
  // the world, which never imports itself sideways
  source: ["model", "errors", "observe", "postgres", "pgoutput", "side", "conditions"],
  log: ["model", "errors", "observe", "postgres", "pgoutput", "s3"],
  target: ["model", "errors", "observe", "postgres", "side", "conditions"],
  state: ["model", "errors", "observe", "postgres", "s3"],
  transform: ["model", "errors", "observe", "postgres"],
  // procedures over contracts
  plan: ["model", "errors", "observe", "engine"],
  verify: ["model", "errors", "observe", "engine"],
  cutover: ["model", "errors", "observe", "engine", "conditions"],
  routing: ["model", "errors", "observe", "engine"],
  throttle: ["model", "errors", "observe", "engine"],
  report: ["model", "errors", "observe"],
  // the only place that wires parts together
  workflow: [
    ...[
      "errors",
      "model",
      "observe",
      "postgres",
      "pgoutput",
      "config",
      "s3",
      "engine",
      "conditions",
      "side",
      "source",
      "log",
      "target",
      "state",
      "transform",
    ],
    ...["plan", "verify", "cutover", "routing", "throttle", "report"],
  ],
  // the terminal
  cli: ["errors", "observe", "config", "model"],
  commands: ["cli", "workflow", "config", "errors", "model"],
};

const LAYERS: Layers = {
  allowed: ALLOWED,
  // Their adapters, one folder each, never import one another.
  adapters: ["target"],
  // Whoever implements a contract, or is handed its implementation, may name it.
  contracts: [
    /^src\/[a-z]+\/ports(?:\/[a-z-]+)?\.ts$/,
    /^src\/cutover\/switch-outline\.ts$/,
    /^src\/target\/(?:kind|restorable|target)\.ts$/,
  ],
  contractReaders: ["side", "source", "log", "target", "state", "transform", "plan", "verify", "cutover", "routing", "throttle"],
  // Slow to load, or needed by one target only: `import()` where they are used, so that --help stays fast.
  lazyPackages: [/^@aws-sdk\//, /^inquirer$/, /^listr2$/, /^snowflake-sdk$/, /^@duckdb\//, /^kafkajs$/, /^@confluentinc\//],
};

/** Built ahead of what will use it: the exports of these files may be dead until that step. An entry that is used, or gone, is a finding. */
const AWAITED: AwaitedUse = {};

const SEAM: Seam = {
  speechless: ["src/workflow/", "src/cutover/", "src/verify/", "src/conditions/", "src/source/checks/"],
  conditions: ["src/conditions/", "src/cutover/gates/", "src/source/checks/"],
  speakers: /^(?:pg|src\/side\/.*|src\/source\/queries\/.*|src\/postgres\/(?:queryable|connect|open-session)\.ts)$/,
  adapter: /^src\/target\/[a-z]+\//,
  registry: "src/workflow/target-kinds.ts",
};

const root = fileURLToPath(new URL("../", import.meta.url));
const files = ["src", "bin", "scripts", "demo", "bench", "test"]
  .flatMap((folder) => globSync(`${folder}/**/*.{ts,js}`, { cwd: root }))
  .sort();
const modules = files.map((path) => readModule(path, readFileSync(root + path, "utf8")));
const findings: readonly Finding[] = [
  ...modules.flatMap((module) => [...checkDirection(module, LAYERS), ...checkSeam(module, SEAM), ...module.findings]),
  ...findCycles(modules),
  ...findDeadExports(modules, AWAITED),
  ...checkSizes(modules),
  ...checkDeadlines(modules),
];
for (const finding of findings) console.log(`${finding.path}:${finding.line} ${finding.rule} ${finding.message}`);
console.log(`architecture: ${modules.length} modules, ${findings.length} findings`);
process.exitCode = findings.length === 0 ? 0 : 1;
