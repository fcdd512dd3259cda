import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { runCli } from "../support/run-cli.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const project = mkdtempSync(join(tmpdir(), "pghaul-package-"));
const installed = join(project, "node_modules/pghaul");

function npm(args: readonly string[], cwd: string): string {
  const { status, stdout, stderr } = spawnSync("npm", [...args, "--no-audit", "--no-fund"], { cwd, encoding: "utf8" });
  assert.equal(status, 0, `npm ${args.join(" ")}\n${stdout}${stderr}`);
  return stdout;
}

before(() => {
  npm(["pack", "--pack-destination", project], root);
  const tarball = readdirSync(project).find((name) => name.endsWith(".tgz"));
  assert.ok(tarball !== undefined);
  writeFileSync(join(project, "package.json"), '{ "name": "empty", "private": true }');
  npm(["install", "--omit=dev", join(project, tarball)], project);
});

after(() => rmSync(project, { recursive: true, force: true }));

test("the package holds what runs and what a user reads, and no sources, tests or secrets", () => {
  const files = readdirSync(installed, { recursive: true, encoding: "utf8" });
  for (const name of [
    "bin/pghaul.js",
    "dist/cli/main.js",
    "LICENSE",
    "README.md",
    "CHANGELOG.md",
    "schema/pghaul.schema.json",
    "oclif.manifest.json",
    "man/pghaul.1",
  ]) {
    assert.ok(files.includes(name), name);
  }
  assert.deepEqual(
    files.filter(
      (name) => !/^(?:bin|dist|man|schema)(?:\/|$)|^(?:LICENSE|README\.md|CHANGELOG\.md|package\.json|oclif\.manifest\.json)$/.test(name),
    ),
    [],
  );
});

test("every pinned library is installed in exactly the version that was tested", () => {
  const { dependencies } = JSON.parse(readFileSync(`${root}package.json`, "utf8")) as { dependencies: Record<string, string> };
  for (const [name, version] of Object.entries(dependencies)) {
    const path = [join(project, "node_modules", name), join(installed, "node_modules", name)].find((folder) => existsSync(folder));
    assert.ok(path !== undefined, name);
    assert.equal((JSON.parse(readFileSync(join(path, "package.json"), "utf8")) as { version: string }).version, version, name);
  }
});

test("it runs there: version, help of every command, and the exit code of a mistake", async () => {
  const bin = join(project, "node_modules/.bin/pghaul");
  const version = await runCli(["--version"], { bin, cwd: project });
  assert.deepEqual([version.code, version.stderr], [0, ""]);
  const manifest = JSON.parse(readFileSync(join(installed, "oclif.manifest.json"), "utf8")) as { commands: Record<string, unknown> };
  const ids = Object.keys(manifest.commands).map((id) => id.split(":"));
  assert.ok(ids.length > 0);
  for (const id of ids) {
    const help = await runCli([...id, "--help"], { bin, cwd: project });
    assert.equal(help.code, 0, `${id.join(" ")}: ${help.stderr}`);
    assert.match(help.stdout, /EXIT CODES/);
    // The manifest answers --help without the command's module; a mistyped flag loads it.
    const mistake = await runCli([...id, "--zzzzzz", "--json"], { bin, cwd: project });
    assert.equal(mistake.code, 2, `${id.join(" ")}: ${mistake.stderr}`);
    assert.equal(mistake.json().error?.code, "USAGE");
  }
});
