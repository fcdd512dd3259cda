import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { missingPackages } from "../../scripts/ensure-installed.js";

const root = fileURLToPath(new URL("../../", import.meta.url));

test("what is installed in the pinned version is not missing; optional and linked packages never are", () => {
  const lock = { packages: { "": {}, "node_modules/a": { version: "1.0.0" }, "node_modules/b": { version: "2.0.0", optional: true } } };
  assert.deepEqual(missingPackages(lock, { packages: { "node_modules/a": { version: "1.0.0" } } }), []);
});

test("an absent package and another version are missing", () => {
  const lock = { packages: { "": {}, "node_modules/a": { version: "1.0.1" }, "node_modules/a/node_modules/@x/b": { version: "2.0.0" } } };
  assert.deepEqual(missingPackages(lock, { packages: { "node_modules/a": { version: "1.0.0" } } }), ["a@1.0.1", "@x/b@2.0.0"]);
  assert.deepEqual(missingPackages(lock, { packages: {} }), ["a@1.0.1", "@x/b@2.0.0"]);
});

test("an optional package is missing where it is for this platform, and nowhere else", () => {
  const of = (os: string, cpu: string, more: object = {}) => ({ version: "1.0.0", optional: true, os: [os], cpu: [cpu], ...more });
  const lock = {
    packages: {
      "": {},
      "test/support/x": { version: "0.0.0" },
      "node_modules/x": { link: true },
      "node_modules/pg-a": of("linux", "x64"),
      "node_modules/pg-b": of("darwin", "arm64"),
      "node_modules/c": of("linux", "x64", { libc: ["musl"] }),
      "node_modules/d": { version: "1.0.0", optional: true },
    },
  };
  assert.deepEqual(missingPackages(lock, { packages: {} }, { os: "linux", cpu: "x64" }), ["pg-a@1.0.0"]);
  assert.deepEqual(missingPackages(lock, { packages: {} }, { os: "darwin", cpu: "arm64" }), ["pg-b@1.0.0"]);
  assert.deepEqual(missingPackages(lock, { packages: {} }, { os: "linux", cpu: "arm64" }), []);
});

/** A checkout with its own script, where npm only notes how it was called and, for `ci`, does what `effect` says. */
function checkout(context: { after(task: () => void): void }, effect: string): { folder: string; run(): ReturnType<typeof spawnSync> } {
  const folder = mkdtempSync(join(tmpdir(), "pghaul-ensure-"));
  context.after(() => rmSync(folder, { recursive: true }));
  for (const name of ["scripts", "node_modules/.bin"]) mkdirSync(join(folder, name), { recursive: true });
  cpSync(`${root}scripts/ensure-installed.js`, join(folder, "scripts/ensure-installed.js"));
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
  writeFileSync(join(folder, "package-lock.json"), JSON.stringify({ packages: { "node_modules/a": { version: "1.0.0" } } }));
  writeFileSync(join(folder, "scripts/target.js"), 'console.log("ran", process.argv.slice(2).join(" ")); process.exitCode = 7;');
  writeFileSync(join(folder, "npm.cjs"), `require("fs").appendFileSync("npm.log", process.argv.slice(2).join(" ") + "\\n");\n${effect}`);
  const env = { ...process.env, npm_execpath: join(folder, "npm.cjs") };
  return {
    folder,
    run: () =>
      spawnSync(process.execPath, ["scripts/ensure-installed.js", "scripts/target.js", "x", "y"], { cwd: folder, env, encoding: "utf8" }),
  };
}

test("with everything there the script runs at once, its arguments and exit code pass through", (context) => {
  const { folder, run } = checkout(context, "process.exit(1)");
  writeFileSync(join(folder, "node_modules/.package-lock.json"), JSON.stringify({ packages: { "node_modules/a": { version: "1.0.0" } } }));
  symlinkSync(process.execPath, join(folder, "node_modules/.bin/node"));
  const { status, stdout, stderr } = run();
  assert.deepEqual([status, stdout, stderr], [7, "ran x y\n", ""]);
  assert.equal(existsSync(join(folder, "npm.log")), false);
});

test("what is missing is installed from the lockfile without install scripts, then the Node, then the script runs", (context) => {
  const { run } = checkout(
    context,
    `if (process.argv[2] === "rebuild") require("fs").symlinkSync(${JSON.stringify(process.execPath)}, "node_modules/.bin/node");
     console.error("npm", ...process.argv.slice(2));`,
  );
  const { status, stdout, stderr } = run();
  assert.deepEqual([status, stdout], [7, "ran x y\n"]);
  assert.match(
    String(stderr),
    /^Installing from package-lock\.json: a@1\.0\.0\nnpm ci --ignore-scripts .*\nInstalling the pinned Node\nnpm rebuild node /,
  );
});

test("when npm fails, so does the script, and says which step it was", (context) => {
  const { status, stdout, stderr } = checkout(context, "process.exit(1)").run();
  assert.deepEqual([status, stdout], [1, ""]);
  assert.match(String(stderr), /Error: `npm ci --ignore-scripts` failed/);
});
