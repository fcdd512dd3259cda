import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { loadConfigText } from "../../src/config/load-config.ts";
import { type Kind, targetSchema } from "../../src/config/targets/targets.ts";
import { sidesOf } from "../../src/workflow/open-migration.ts";
import { canSwitch } from "../../src/workflow/target-kinds.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** An URL of each kind that there is; the compiler asks for one of a kind that is added. */
const URLS: Readonly<Record<Kind, string>> = { postgres: "postgresql://t.example/b", file: "file:///srv/b" };

/** All names that `target.kind` may have, those of a later version too. */
const NAMES = targetSchema.options.map(({ shape }) => (shape.kind as unknown as { readonly value: string }).value);

/** Where a kind may be named: its own folder and keys, and the two lists. */
const OWN = /^src\/(?:target\/[a-z]+\/|config\/targets\/|workflow\/target-kinds\.ts$)/;

/** Something called a kind, and of a target, is compared with a name or given one. */
function namesKind(text: string): string | undefined {
  const names = NAMES.join("|");
  return new RegExp(
    `(?:target|Target)\\w*(?:\\??\\.kind|: \\{ kind)[^\\n"]{0,8}"(?:${names})"|kind: "(?:${names})", (?:url|connection|directory)`,
  ).exec(text)?.[0];
}

test("nobody names a kind of target but its folder, its keys and the two lists", () => {
  const found = globSync("src/**/*.ts", { cwd: root })
    .filter((path) => !OWN.test(path))
    .flatMap((path) => namesKind(readFileSync(root + path, "utf8")) ?? []);
  assert.deepEqual(found, []);
});

test("the law sees a kind that is asked for by name", () => {
  assert.ok(NAMES.includes("postgres") && NAMES.includes("file") && NAMES.includes("sharded"), NAMES.join());
  assert.ok(namesKind('if (config.target.kind === "file") return;') !== undefined);
  assert.ok(namesKind('openTargetSide({ kind: "postgres", connection, schema }, context)') !== undefined);
  assert.equal(namesKind('explicit.push({ kind: "file", path: settings.passwordFile });'), undefined);
});

test("a kind says of itself what its targets have", () => {
  for (const kind of Object.keys(URLS) as Kind[]) {
    const text = `version: 1\nmigration: any\nsource: { url: "postgresql://s.example/a" }\ntarget: { kind: ${kind}, url: "${URLS[kind]}" }\n`;
    const { target } = sidesOf(loadConfigText({ file: "pghaul.yaml", environment: {} }, text));
    assert.equal(target.switching !== null, canSwitch(kind), kind);
    assert.ok(target.destinations.length > 0, kind);
    assert.equal(new Set(target.destinations.map(({ name }) => name)).size, target.destinations.length, kind);
  }
  assert.equal(canSwitch("sharded"), false);
});
