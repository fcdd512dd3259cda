import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { configJsonSchema } from "../../src/config/schema.ts";

interface SchemaNode {
  readonly description?: string;
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly items?: SchemaNode;
  readonly additionalProperties?: SchemaNode | boolean;
  readonly anyOf?: readonly SchemaNode[];
  readonly oneOf?: readonly SchemaNode[];
}

function* nodes(node: SchemaNode, name: string): Generator<readonly [string, SchemaNode]> {
  yield [name, node];
  for (const [key, child] of Object.entries(node.properties ?? {})) yield* nodes(child, `${name}.${key}`);
  for (const child of [...(node.anyOf ?? []), ...(node.oneOf ?? [])]) yield* nodes(child, name);
  if (node.items !== undefined) yield* nodes(node.items, `${name}[]`);
  if (typeof node.additionalProperties === "object") yield* nodes(node.additionalProperties, `${name}.*`);
}

test("the JSON Schema is the reviewed one (UPDATE_GOLDEN=1 writes it anew)", () => {
  const file = path.join(import.meta.dirname, "golden", "pghaul.schema.json");
  const text = `${JSON.stringify(configJsonSchema(), null, 2)}\n`;
  if (process.env.UPDATE_GOLDEN === "1") writeFileSync(file, text);
  assert.equal(text, readFileSync(file, "utf8"));
});

test("it is draft-07: the YAML language server reads no later one", () => {
  assert.equal(Reflect.get(configJsonSchema(), "$schema"), "http://json-schema.org/draft-07/schema#");
  assert.doesNotMatch(JSON.stringify(configJsonSchema()), /\$defs|prefixItems|unevaluated/);
});

test("every key is described and every object is closed", () => {
  let properties = 0;
  for (const [name, node] of nodes(configJsonSchema() as SchemaNode, "")) {
    if (node.properties !== undefined) assert.equal(node.additionalProperties, false, name);
    for (const [key, child] of Object.entries(node.properties ?? {})) {
      properties += 1;
      assert.match(child.description ?? "", /^\S.{8,}\.$/, `${name}.${key}`);
    }
  }
  assert.ok(properties > 70, String(properties));
});
