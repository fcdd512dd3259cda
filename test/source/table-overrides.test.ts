import assert from "node:assert/strict";
import { test } from "node:test";
import { PghaulError } from "../../src/errors/pghaul-error.ts";
import type { Table } from "../../src/model/table.ts";
import { overrideFaults, refuseOverrides } from "../../src/source/catalog/table-overrides.ts";

function table(id: string, key: readonly number[] | null): Table {
  const [schema = "", name = ""] = id.split(".");
  return { id, schema, name, oid: 1, columns: [], key, partitioned: false, leaves: [] };
}

const tables = [table("public.events", [0]), table("public.notes", null)];
const catalog = { tables, leftOut: [] };

test("settings of tables that are moved, and a key where there is one, are in order", () => {
  assert.deepEqual(overrideFaults({ "public.events": { strategy: "key" }, "public.notes": { strategy: "auto" } }, catalog), []);
});

test("a name that no table has is refused, with the nearest one", () => {
  assert.deepEqual(overrideFaults({ "public.evnts": {}, "other.thing": {} }, catalog), [
    "tables.overrides.public.evnts does not name a table that is moved; did you mean public.events?",
    "tables.overrides.other.thing does not name a table that is moved",
  ]);
});

test("chunks by key are refused for a table that has none", () => {
  assert.throws(
    () => refuseOverrides({ "public.notes": { strategy: "key" } }, catalog),
    (error) => error instanceof PghaulError && error.code === "CONFIG_INVALID" && /public\.notes\.strategy is key/.test(error.message),
  );
});

test("a table that cannot be moved: the one that stops the run tells so itself, of the others it is said", () => {
  const leftOut = (["no-identity", "unlogged"] as const).map((reason) => ({
    id: `public.${reason}`,
    reason,
    detail: `${reason}.`,
    fix: null,
  }));
  assert.deepEqual(overrideFaults({ "public.no-identity": { strategy: "key" }, "public.unlogged": {} }, { tables, leftOut }), [
    "tables.overrides.public.unlogged: it is not moved; unlogged.",
  ]);
});
