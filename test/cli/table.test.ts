import assert from "node:assert/strict";
import { test } from "node:test";
import { renderTable } from "../../src/cli/table.ts";

const columns = [{ title: "TABLE" }, { title: "ROWS", align: "right" }] as const;
const rows = [
  ["public.orders", "12"],
  ["a\tb\nc", "1,204,332"],
];

test("into a pipe: tabs, one row a line, no colour", () => {
  assert.equal(renderTable(columns, rows, false), "TABLE\tROWS\npublic.orders\t12\na b c\t1,204,332\n");
});

test("on a terminal: aligned, no borders, no colour", () => {
  assert.equal(renderTable(columns, rows, true), "TABLE               ROWS\npublic.orders         12\na b c          1,204,332\n");
});

test("no rows is the head alone", () => {
  assert.equal(renderTable(columns, [], false), "TABLE\tROWS\n");
  assert.equal(renderTable(columns, [], true), "TABLE  ROWS\n");
});
