import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));
const PAGES = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "docs/recipes.md", ".github/pull_request_template.md"];

test("every file that the handbook names or links is there", () => {
  for (const page of PAGES) {
    const text = readFileSync(root + page, "utf8");
    const named = [...text.matchAll(/`((?:src|test|scripts|docs|bench|demo|schema)\/[\w./-]+)`/g)].map(([, path]) => path as string);
    const linked = [...text.matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map(([, path]) => normalize(join(dirname(page), path as string)));
    for (const path of [...named, ...linked]) assert.ok(existsSync(root + path), `${page} names ${path}`);
  }
});

test("the recipes name the exports that they speak of", () => {
  const words = {
    "src/conditions/condition.ts": "interface Condition<",
    "src/cutover/gate.ts": "GateFacts",
    "src/source/checks/check.ts": "CheckContext",
    "src/side/postgres/facts/names-of.ts": "const GIVEN",
    "src/engine/ports.ts": "interface ChangeLog",
    "src/target/target.ts": "OpenTarget",
  };
  for (const [path, word] of Object.entries(words)) assert.ok(readFileSync(root + path, "utf8").includes(word), `${path}: ${word}`);
});

test("recipes and reference are found from README, the recipes from CONTRIBUTING", () => {
  const readme = readFileSync(`${root}README.md`, "utf8");
  for (const page of ["docs/recipes.md", "docs/configuration.md", "SECURITY.md"]) assert.ok(readme.includes(`](${page})`), page);
  assert.ok(readFileSync(`${root}CONTRIBUTING.md`, "utf8").includes("](docs/recipes.md)"));
});

test(".node-version is the Node that the tests run on, and every dependency is pinned to the letter", () => {
  const manifest = JSON.parse(readFileSync(`${root}package.json`, "utf8")) as Record<string, Record<string, string>>;
  assert.equal(readFileSync(`${root}.node-version`, "utf8").trim(), manifest.devDependencies?.node);
  for (const group of ["dependencies", "devDependencies"] as const) {
    for (const [name, range] of Object.entries(manifest[group] ?? {})) assert.match(range, /^(?:npm:.+@)?\d+\.\d+\.\d+[\w.-]*$/, name);
  }
});
