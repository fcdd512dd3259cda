#!/usr/bin/env node
// Starts pghaul on a Node that is new enough. This file must parse on any Node since 12, so that an old one can say what is
// missing instead of showing a syntax error: no top-level await, no static import of our own code.
import { spawn } from "child_process";
import { existsSync, readFileSync } from "fs";
import { dirname, join } from "path";
import { fileURLToPath } from "url";
import { setFlagsFromString } from "v8";

const NEEDED = [22, 18];
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"];
const STREAMS = /^(?:run|cdc start|snapshot run)(?: |$)/;
const YOUNG_SIZE = "--max-semi-space-size";
/** Of each of its two halves: a third of what it would be. Smaller ones cost more time than they spare memory. */
const YOUNG_MEGABYTES = 16;
const GROWTH = "--heap-growing-percent";
/** Of what lives after a collection; what comes on top of it is garbage. By default the heap grows several times over before it is collected. */
const GROWTH_PERCENT = 40;
const root = dirname(dirname(fileURLToPath(import.meta.url)));

function isNewEnough(version) {
  const parts = version.split(".").map(Number);
  return parts[0] > NEEDED[0] || (parts[0] === NEEDED[0] && parts[1] >= NEEDED[1]);
}

/** The `node` of the npm package `node`, in the nearest node_modules from the package upward. */
function findBundledNode() {
  for (let folder = root; ; folder = dirname(folder)) {
    const candidate = join(folder, "node_modules", ".bin", "node");
    if (existsSync(candidate)) return candidate;
    if (folder === dirname(folder)) return null;
  }
}

/**
 * Hands over to another Node, signals and exit included. The parent must outlive Ctrl-C, which the terminal sends to both; the
 * child takes the two copies of one signal for one (src/cli/frame/stop.ts).
 */
function handOver(node) {
  const env = Object.assign({}, process.env, { PGHAUL_HANDED_OVER: "1" });
  const child = spawn(node, process.argv.slice(1), { stdio: "inherit", env: env });
  SIGNALS.forEach(function (signal) {
    process.on(signal, function () {
      child.kill(signal);
    });
  });
  child.on("error", refuse);
  child.on("exit", function (code, signal) {
    SIGNALS.forEach(function (name) {
      process.removeAllListeners(name);
    });
    if (signal) process.kill(process.pid, signal);
    else process.exit(code);
  });
}

function refuse() {
  process.stderr.write(
    "Error: pghaul needs Node " +
      NEEDED.join(".") +
      " or newer; this is " +
      process.versions.node +
      " (" +
      process.execPath +
      ")\n" +
      "Try this: npm install --global node@24\n",
  );
  process.exitCode = 2;
}

/**
 * Commands that stream run for days, and on a large machine V8 lets their young generation grow to 128 MB however little of it lives. Its
 * size can only be said at the start, so the process begins anew in its own place: the same id, the same terminal, one process.
 */
function boundMemory() {
  if (!STREAMS.test(process.argv.slice(2).join(" "))) return;
  const given = process.execArgv.join(" ") + " " + process.env.NODE_OPTIONS;
  if (given.indexOf(YOUNG_SIZE) < 0 && process.execve && process.platform !== "win32") {
    const args = process.execArgv.concat(YOUNG_SIZE + "=" + YOUNG_MEGABYTES, process.argv.slice(1));
    process.execve(process.execPath, [process.execPath].concat(args), process.env);
  }
  if (given.indexOf(GROWTH) < 0) setFlagsFromString(GROWTH + "=" + GROWTH_PERCENT);
}

/** A checkout has src/ and runs it as it is; an installed package has dist/ only. */
function start() {
  const packageJson = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const fromSource = existsSync(join(root, "src", "cli", "main.ts"));
  if (fromSource)
    packageJson.oclif = JSON.parse(
      JSON.stringify(packageJson.oclif)
        .replace(/\.\/dist\//g, "./src/")
        .replace(/\.js"/g, '.ts"'),
    );
  return import(fromSource ? "../src/cli/main.ts" : "../dist/cli/main.js").then(function (cli) {
    return cli.main(process.argv.slice(2), { root: root, packageJson: packageJson, fromSource: fromSource });
  });
}

const handedOver = process.env.PGHAUL_HANDED_OVER;
delete process.env.PGHAUL_HANDED_OVER;
if (isNewEnough(process.versions.node)) {
  boundMemory();
  void start();
} else {
  const node = handedOver ? null : findBundledNode();
  if (node) handOver(node);
  else refuse();
}
