/**
 * No key of pghaul.yaml may be accepted and ignored: each is refused by this version, or read by the product outside of `src/config`. Read is
 * `section.key`, or `{ key }` taken out of a `section`, as the syntax tree has it; a word in a comment or another object's key is not.
 */
import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { parseSync } from "oxc-parser";
import { type AstNode, children, isNode } from "../../scripts/architecture/syntax.ts";
import { loadConfigText } from "../../src/config/load-config.ts";
import { configJsonSchema } from "../../src/config/schema.ts";
import { MINIMAL } from "./temporary-config.ts";

/** Keys that this version refuses, each with a text that has it. */
const REFUSED: Readonly<Record<string, string>> = {
  "source.replicaUrl": MINIMAL.replace('orders" }', 'orders", replicaUrl: "postgresql://r/a" }'),
  "columns.*.tokenize.key": `${MINIMAL}columns: { public.a.b: { tokenize: { key: k } } }\n`,
  "cutover.reads": `${MINIMAL}cutover: { reads: [10] }\n`,
  "cutover.soak": `${MINIMAL}cutover: { soak: 24h }\n`,
  ...Object.fromEntries(
    ["aurora", "snowflake", "iceberg"].map((kind) => [`target(${kind})`, MINIMAL.replace("kind: postgres", `kind: ${kind}`)]),
  ),
  "target(sharded)": MINIMAL.replace(/target: .*/, 'target: { kind: sharded, shards: [{ name: a, url: "postgresql://t/a" }] }'),
  "cutover.routing[](pgbouncer)": `${MINIMAL}cutover: { routing: [{ kind: pgbouncer, admin: a, config: c }] }\n`,
  "cutover.routing[](haproxy)": `${MINIMAL}cutover: { routing: [{ kind: haproxy, socket: s, backend: b }] }\n`,
  "cutover.routing[](envoy)": `${MINIMAL}cutover: { routing: [{ kind: envoy, admin: a, config: c }] }\n`,
};

/** What a section is called by those that are handed it whole. */
const NAMES: Readonly<Record<string, readonly string[]>> = {
  "": ["config"],
  source: ["settings"],
  "source.rdsIam": ["rdsIam"],
  state: ["state", "settings"],
  target: ["target", "settings", "keys"],
  "target.rdsIam": ["rdsIam"],
  "tables.overrides.*": ["overrides"],
  "cutover.gates": ["limits"],
  "cutover.routing[]": ["route"],
};

/** Keys that are read in another way; each must still be found where it says. */
const ELSEWHERE: Readonly<Record<string, readonly [file: string, text: RegExp]>> = {
  "state.s3": ["src/config/resolve-config.ts", /exec\(s3\)/],
  version: ["src/config/schema.ts", /version: z\.literal\(1\)/],
  "source.urlFile": ["src/config/resolve-config.ts", /readUrlFile\(path\.resolve\(folder, keys\.urlFile/],
  "target.urlFile": ["src/config/resolve-config.ts", /readUrlFile\(path\.resolve\(folder, keys\.urlFile/],
  "tables.overrides.*.strategy": ["src/source/catalog/table-overrides.ts", /\{ strategy \}\]\) => [\s\S]*strategy !== "key"/],
  "target.kind": ["src/config/available.ts", /isAvailableKind\(config\.target\.kind\)/],
  ...Object.fromEntries(
    ["pause", "fence", "drain", "sequences", "route"].map((step) => [
      `cutover.deadlines.${step}`,
      ["src/cutover/switch-steps.ts", new RegExp(`budget\\.(limitOf|within)\\("${step}"`)] as const,
    ]),
  ),
};

interface SchemaNode {
  readonly const?: unknown;
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly items?: SchemaNode;
  readonly additionalProperties?: SchemaNode | boolean;
  readonly oneOf?: readonly SchemaNode[];
}

/** Every key that holds a value: `throttle.workers`, `tables.overrides.*.strategy`, `cutover.routing[](hook).command`. */
function* leaves(node: SchemaNode, path: string): Generator<string> {
  const inner = [
    ...Object.entries(node.properties ?? {}).map(([key, child]) => [path === "" ? key : `${path}.${key}`, child] as const),
    ...(node.oneOf ?? []).map((branch) => [`${path}(${String(branch.properties?.kind?.const)})`, branch] as const),
    ...(node.items?.properties !== undefined || node.items?.oneOf !== undefined ? [[`${path}[]`, node.items] as const] : []),
    ...(typeof node.additionalProperties === "object" ? [[`${path}.*`, node.additionalProperties] as const] : []),
  ];
  if (inner.length === 0) yield path;
  for (const [at, child] of inner) yield* leaves(child, at);
}

const root = fileURLToPath(new URL("../../", import.meta.url));

/** Every `owner.key` that the product reads outside of src/config. */
function readPairs(): ReadonlySet<string> {
  const files = globSync("src/**/*.ts", { cwd: root }).filter((file) => !file.startsWith("src/config/"));
  return new Set(files.flatMap((file) => [...pairsOf(parseSync(file, readFileSync(root + file, "utf8")).program)]));
}

function* pairsOf(program: unknown): Generator<string> {
  for (const node of children(program)) {
    if (node.type === "MemberExpression" && node.computed !== true) yield pair(nameOf(node.object), node.property);
    if (node.type === "VariableDeclarator") yield* taken(node.id, nameOf(node.init));
    if (node.type === "Property") yield* taken(node.value, nameOf(node.key));
    // `({ cutover }: Config)`: the type says what is taken apart.
    if (node.type === "ObjectPattern") yield* taken(node, typeName(node));
  }
}

function* taken(pattern: unknown, owner: string): Generator<string> {
  if (!isNode(pattern) || pattern.type !== "ObjectPattern") return;
  for (const property of pattern.properties as AstNode[]) if (property.type === "Property") yield pair(owner, property.key);
}

function pair(owner: string, key: unknown): string {
  return `${owner}.${nameOf(key)}`;
}

/** The last name of `a.b.c`, `b[i]` and `b?.c`. */
function nameOf(node: unknown): string {
  if (!isNode(node)) return "";
  if (node.type === "Identifier") return String(node.name);
  if (node.type === "MemberExpression") return nameOf(node.computed === true ? node.object : node.property);
  return "expression" in node ? nameOf(node.expression) : "";
}

function typeName({ typeAnnotation }: AstNode): string {
  const [reference, indexed] = ["TSTypeReference", "TSIndexedAccessType"].map((kind) =>
    [...children(typeAnnotation)].find(({ type }) => type === kind),
  );
  // `Config["cutover"]`
  if (indexed !== undefined && nameOf((indexed.objectType as AstNode).typeName) === "Config") {
    return String(((indexed.indexType as AstNode).literal as AstNode).value);
  }
  return nameOf(reference?.typeName) === "Config" ? "config" : "";
}

function isRead(path: string, pairs: ReadonlySet<string>): boolean {
  const plain = path.replaceAll(/\(\w+\)/g, "");
  const at = plain.lastIndexOf(".");
  const [section, key] = [plain.slice(0, Math.max(0, at)), plain.slice(at + 1)];
  const elsewhere = ELSEWHERE[plain];
  if (elsewhere !== undefined) return elsewhere[1].test(readFileSync(root + elsewhere[0], "utf8"));
  const owners = [...(NAMES[section] ?? []), section.slice(section.lastIndexOf(".") + 1)];
  return owners.some((owner) => pairs.has(`${owner}.${key}`));
}

const all = [...leaves(configJsonSchema() as SchemaNode, "")];

test("every key that can be written is refused, or read by the product", () => {
  const pairs = readPairs();
  assert.ok(all.length > 60 && pairs.size > 1000, `${all.length} keys, ${pairs.size} reads`);
  const refused = Object.keys(REFUSED);
  const ignored = all.filter((path) => !refused.some((prefix) => path.startsWith(prefix)) && !isRead(path, pairs));
  assert.deepEqual(ignored, []);
});

test("a key that nothing reads is found, also where another object has one of its name", () => {
  const pairs = readPairs();
  for (const path of ["throttle.nobodyReadsThis", "log.dir", "throttle.include", "cutover.gates.maxStall", "tables.overrides.*.workers"])
    assert.equal(isRead(path, pairs), false, path);
});

for (const [path, text] of Object.entries(REFUSED)) {
  test(`${path} is refused`, () => {
    assert.ok(
      all.some((leaf) => leaf.startsWith(path)),
      "a key of the schema",
    );
    assert.throws(() => loadConfigText({ file: "/anywhere/pghaul.yaml", environment: {} }, text), /is not yet available in this version$/);
  });
}

test("what is said to be read elsewhere, or by another name, is a key of the schema", () => {
  const plain = new Set(all.map((path) => path.replaceAll(/\(\w+\)/g, "")));
  for (const path of Object.keys(ELSEWHERE)) assert.ok(plain.has(path), path);
  for (const section of Object.keys(NAMES))
    assert.ok(
      [...plain].some((path) => path.startsWith(section)),
      section,
    );
});
