import assert from "node:assert/strict";
import { test } from "node:test";
import { isSameQuery } from "../../../src/side/postgres/catalog/same-query.ts";

const SAME: readonly (readonly [string, string])[] = [
  [" SELECT t.id,\n    t.note\n   FROM public.t;", " SELECT id,\n    note\n   FROM public.t;"],
  [' SELECT "T ""q""".t FROM "T ""q"""', ' SELECT t FROM "T ""q"""'],
  ["SELECT t.t, t.*::t AS w FROM t", "SELECT t, t.*::t AS w FROM t"],
];

const OTHERWISE: readonly (readonly [string, string])[] = [
  ["SELECT a.id FROM a", "SELECT id FROM b"],
  ["SELECT a.id, b.id FROM a, b", "SELECT b.id, a.id FROM a, b"],
  ["SELECT 't.id' FROM t", "SELECT 'id' FROM t"],
  ["SELECT t.id AS t FROM t", "SELECT id AS id FROM t"],
  ["SELECT s.f(id) FROM t", "SELECT r.f(id) FROM t"],
  ["SELECT id FROM t", "SELECT id FROM t LIMIT 1"],
  ["SELECT id FROM a.t", "SELECT id FROM b.t"],
];

test("a column with its table's name and the column alone are the same", () => {
  for (const [one, other] of SAME) assert.deepEqual([isSameQuery(one, other), isSameQuery(other, one)], [true, true], one);
});

test("every other word counts", () => {
  for (const [one, other] of OTHERWISE) assert.deepEqual([isSameQuery(one, other), isSameQuery(other, one)], [false, false], one);
});
