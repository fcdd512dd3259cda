import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { shellWord } from "../../src/model/shell-word.ts";
import { tableId } from "../../src/model/table.ts";
import { tablePattern } from "../../src/source/catalog/table-pattern.ts";

test("ordinary names stay as they are", () => {
  assert.equal(tableId({ schema: "public", name: "orders" }), "public.orders");
  assert.equal(tableId({ schema: "Größe", name: "Order Items" }), "Größe.Order Items");
});

test("what would read as something else is quoted", () => {
  assert.equal(tableId({ schema: "shop", name: "v1.items" }), 'shop."v1.items"');
  assert.equal(tableId({ schema: "shop.v1", name: "items" }), '"shop.v1".items');
  assert.equal(tableId({ schema: "a", name: 'odd "one' }), 'a."odd ""one"');
  assert.equal(tableId({ schema: "a", name: " b*" }), 'a." b*"');
});

const part = fc.string({ minLength: 1, maxLength: 4, unit: fc.constantFrom("a", "b", ".", '"', "*", "?", " ", "\n", "é") });
const table = fc.record({ schema: part, name: part });

test("two tables never share an id, and an id selects its own table alone", () => {
  fc.assert(
    fc.property(table, table, (one, other) => {
      const same = one.schema === other.schema && one.name === other.name;
      assert.equal(tableId(one) === tableId(other), same);
      assert.equal(tablePattern(tableId(one)).matches(other.schema, other.name), same);
      assert.ok(tablePattern(tableId(one)).matches(one.schema, one.name));
    }),
    { numRuns: 2_000 },
  );
});

test("a word for the shell is quoted where it must be", () => {
  assert.equal(shellWord("public.orders"), "public.orders");
  assert.equal(shellWord(`shop."it's"`), `'shop."it'\\''s"'`);
});
