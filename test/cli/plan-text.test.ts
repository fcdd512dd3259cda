import assert from "node:assert/strict";
import { test } from "node:test";
import { migrationPlanMarkdown, migrationPlanText } from "../../src/cli/plan-text.ts";
import { switchOutline } from "../../src/cutover/switch-outline.ts";
import { forecast } from "../../src/plan/forecast.ts";
import { type MigrationPlan, type PlannedTable, planDigest } from "../../src/plan/migration-plan.ts";
import { migrationSteps } from "../../src/plan/migration-steps.ts";
import { assertGolden } from "./golden.ts";

const TABLES: readonly PlannedTable[] = [
  { table: "public.orders", strategy: "key", key: ["id"], rows: 1_204_332_000, bytes: 412e9, chunks: 64 },
  { table: "public.order_lines", strategy: "key", key: ["order_id", "line"], rows: 4_800_000, bytes: 1.2e9, chunks: 18 },
  { table: "audit.odd|name", strategy: "whole", key: [], rows: 0, bytes: 8192, chunks: 1 },
];

const LEFT_OUT = [
  {
    table: "public.events",
    why: "public.events has no primary key",
    fix: 'alter table "public"."events" replica identity full;',
    stopsRun: true,
  },
  { table: "public.far", why: "public.far is a foreign table: its rows live on another server", fix: null, stopsRun: false },
  {
    table: "maps.spots",
    why: "maps.spots belongs to the extension maps, and holds your own rows, which are not moved",
    fix: '\\copy (select "id" from only "maps"."spots") to \'maps.spots.copy\'\n\\copy "maps"."spots" ("id") from \'maps.spots.copy\'   -- at the target',
    stopsRun: false,
  },
];

function examplePlan(): MigrationPlan {
  const steps = migrationSteps({
    target: { takes: "rows", schema: "moved" },
    switch: Object.values(
      switchOutline({ from: "source", to: "target", route: "hook", maxStallMillis: 250, roundTripMillis: 125, sequenceMargin: 1000 }),
    ),
  });
  const subject = { migration: "orders-move", source: "mover@db1.example:5432/orders", target: "mover@db2.example:5432/orders" };
  return {
    ...subject,
    digest: planDigest({ ...subject, tablesFingerprint: "f0", leftOut: LEFT_OUT.map(({ table }) => table), configDigest: "c0" }, steps),
    tables: TABLES,
    leftOut: LEFT_OUT,
    notMoved: [{ object: "publication feed", fix: "create publication feed for all tables with (publish = 'insert')" }],
    held: [
      {
        table: "public.orders",
        why: 'public.orders is held: the target refuses a row read by the load: violates check constraint "small"',
        fix: "remove the cause at the target, then run: pghaul snapshot reload --table 'public.orders'",
      },
    ],
    forecast: forecast({
      tables: TABLES.map(({ table, bytes, rows }) => ({ id: table, bytes, rows })),
      reads: [{ table: "public.orders", rows: 300_000, bytes: 64e6, millis: 1_500, writeMillis: 2_500, cpuMillis: 700 }],
      workers: 4,
      walBytesPerSecond: 3.2e6,
    }),
    steps,
  };
}

test("for a terminal", () => {
  assertGolden("plan.txt", `${migrationPlanText(examplePlan(), true)}\n`);
});

test("for a review", () => {
  assertGolden("plan.md", `${migrationPlanMarkdown(examplePlan())}\n`);
});

test("for scripts", () => {
  assertGolden("plan.json", `${JSON.stringify(examplePlan(), null, 2)}\n`);
});

test("into a pipe the table is tabs, one row a line", () => {
  const lines = migrationPlanText(examplePlan(), false).split("\n");
  assert.ok(lines.includes("public.order_lines\tkey (order_id, line)\t4,800,000\t1.2 GB\t18"));
});

test("a name cannot break the review's table", () => {
  const [first] = TABLES;
  const odd = { ...examplePlan(), tables: [{ ...(first as PlannedTable), table: "public.a\n| b" }] };
  assert.match(migrationPlanMarkdown(odd), /^\| public\.a \\\| b \| key \(id\) \|/m);
});

test("nothing selected is a plan all the same", () => {
  const text = migrationPlanMarkdown({ ...examplePlan(), tables: [], leftOut: [], notMoved: [] });
  assert.doesNotMatch(text, /Not moved|undefined|NaN/);
});
