import assert from "node:assert/strict";
import { test } from "node:test";
import { changesName, parseChangesName, parseReadName, tablePart } from "../../../src/target/file/storage/layout.ts";

test("a table's directory is told apart by any file system", () => {
  assert.equal(tablePart("public.orders"), "public.orders");
  assert.equal(tablePart("public.Orders"), "public.%4Frders");
  assert.equal(tablePart('public."a/b"'), "public.%22a%2Fb%22");
  assert.equal(tablePart(".."), "%2E.");
  const long = ["\u00e9".repeat(31), "\u00e8".repeat(31)].map((name) => tablePart(`${"s".repeat(63)}.${name}`));
  assert.equal(new Set(long).size, 2);
  for (const part of long) assert.ok(part.length <= 200);
});

test("names say what is in the file, in the order of positions", () => {
  const names = [changesName(0x10n, 0x200n), changesName(0x200n, 1n << 63n)];
  assert.deepEqual(names.toSorted(), names);
  assert.deepEqual(parseChangesName(`${names[0]}.json`), { from: 0x10n, to: 0x200n });
  assert.deepEqual(parseReadName("keys-12.json"), { kind: "keys", number: 12 });
  for (const name of ["keys-12.copy", ".keys-12.json.partial", "table.json"]) assert.equal(parseReadName(name), null);
});
