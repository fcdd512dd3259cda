// Makes sure that what package-lock.json pins is installed, then runs a script on the Node that it pins:
//   node scripts/ensure-installed.js SCRIPT [ARGS...]
// So `npm test` and `npm run demo` are all a fresh clone needs. Runs on Node 18 and newer, with nothing installed.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const root = fileURLToPath(new URL("../", import.meta.url));

/**
 * What of the lockfile is not installed in the pinned version. npm writes down what it installed in a lockfile of its own. Of optional packages
 * those are wanted that name this platform: npm leaves one out in silence when it could not be fetched.
 */
export function missingPackages(lockfile, installed, { os, cpu } = { os: process.platform, cpu: process.arch }) {
  const missing = [];
  for (const [path, wanted] of Object.entries(lockfile.packages)) {
    if (!path.startsWith("node_modules/") || wanted.peer || wanted.link) continue;
    // Which libc a machine has only npm knows.
    if (wanted.optional && (wanted.libc || !wanted.os?.includes(os) || !wanted.cpu?.includes(cpu))) continue;
    if (installed.packages[path]?.version !== wanted.version) missing.push(`${path.replace(/^.*node_modules\//, "")}@${wanted.version}`);
  }
  return missing;
}

/** The pinned Node, when it is there and starts. */
function findNode(folder) {
  const path = join(folder, "node_modules", ".bin", "node");
  return existsSync(path) && spawnSync(path, ["--version"]).status === 0 ? path : undefined;
}

function readLock(path) {
  return existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : { packages: {} };
}

function install(missing) {
  const shown = missing.length > 5 ? `${missing.slice(0, 5).join(", ")} and ${missing.length - 5} more` : missing.join(", ");
  console.error(`Installing from package-lock.json: ${shown}`);
  // Without install scripts: the only one that is needed is the next function's; the others build what is there prebuilt.
  npm("ci", "--ignore-scripts");
}

/** The package `node` fetches the binary of this platform in its install script. */
function installNode() {
  console.error("Installing the pinned Node");
  npm("rebuild", "node");
}

function npm(...args) {
  // npm tells its scripts where it is; started by hand, the one in PATH will do.
  const command = process.env.npm_execpath ? [process.execPath, process.env.npm_execpath] : ["npm"];
  const { status } = spawnSync(command[0], [...command.slice(1), ...args, "--no-audit", "--no-fund"], {
    cwd: root,
    stdio: ["ignore", 2, 2],
  });
  if (status !== 0) fail(`\`npm ${args.join(" ")}\` failed; its output is above.`);
}

function fail(message) {
  console.error(`Error: ${message}`);
  process.exit(1);
}

function main([script, ...args]) {
  if (script === undefined) fail("usage: node scripts/ensure-installed.js SCRIPT [ARGS...]");
  const missing = missingPackages(readLock(join(root, "package-lock.json")), readLock(join(root, "node_modules", ".package-lock.json")));
  if (missing.length > 0) install(missing);
  if (findNode(root) === undefined) installNode();
  const node = findNode(root);
  if (node === undefined) fail("the pinned Node is not installed. Delete node_modules and try again.");
  const child = spawn(node, [join(root, script), ...args], { stdio: "inherit" });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  child.on("exit", (code, signal) => process.exit(signal === null ? code : 1));
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) main(process.argv.slice(2));
