import assert from "node:assert/strict";
import { test } from "node:test";
import type { Config } from "../../src/config/config.ts";
import { switchOutline } from "../../src/cutover/switch-outline.ts";
import { type PlanSubject, planDigest } from "../../src/plan/migration-plan.ts";
import { migrationSteps } from "../../src/plan/migration-steps.ts";
import { plannedSwitch } from "../../src/workflow/cutover/switch-settings.ts";
import { FakeWorld } from "../cutover/fake-switch.ts";

const SUBJECT: PlanSubject = {
  migration: "orders-move",
  source: "mover@db1:5432/orders",
  target: "mover@db2:5432/orders",
  tablesFingerprint: "f0",
  leftOut: ["public.cache"],
  configDigest: "c0",
};

const MOVED = { takes: "rows", schema: "moved" } as const;

function outline(route: string) {
  return Object.values(
    switchOutline({ from: "source", to: "target", route, maxStallMillis: 250, roundTripMillis: 125, sequenceMargin: 1000 }),
  );
}

test("the digest changes with everything that was reviewed, and with nothing else", () => {
  const steps = migrationSteps({ target: MOVED, switch: outline("hook") });
  const digest = planDigest(SUBJECT, steps);
  assert.match(digest, /^[0-9a-f]{16}$/);
  assert.equal(planDigest({ ...SUBJECT }, migrationSteps({ target: MOVED, switch: outline("hook") })), digest);
  const backwards = Object.fromEntries(Object.entries(SUBJECT).reverse()) as unknown as PlanSubject;
  assert.equal(planDigest(backwards, steps), digest, "the order of keys is an accident");
  for (const key of ["migration", "source", "target", "tablesFingerprint", "configDigest"] as const)
    assert.notEqual(planDigest({ ...SUBJECT, [key]: "another" }, steps), digest, key);
  assert.notEqual(planDigest({ ...SUBJECT, leftOut: [] }, steps), digest);
  assert.notEqual(planDigest(SUBJECT, migrationSteps({ target: { ...MOVED, schema: "existing" }, switch: outline("hook") })), digest);
  assert.notEqual(planDigest(SUBJECT, migrationSteps({ target: MOVED, switch: outline("document") })), digest);
});

test("the digest is what it was in earlier releases: reviews outlive an upgrade", () => {
  const steps = [{ id: "slot", title: "create", undo: "drop", pointOfNoReturn: false }];
  assert.equal(planDigest(SUBJECT, steps), "e5b5c642e4768711");
});

test("the steps of the cutover are those that a switch walks, in its order, taken back in its way", () => {
  const planned = migrationSteps({ target: MOVED, switch: outline("hook") }).filter(({ id }) => id.startsWith("cutover-"));
  const [gates, ...steps] = planned;
  assert.equal(gates?.id, "cutover-gates");
  const walked = new FakeWorld().steps("target");
  assert.deepEqual(
    steps.map(({ id }) => id),
    walked.map(({ id }) => `cutover-${id}`),
  );
  const words = outline("hook");
  for (const [place, { id, undo, title }] of walked.entries()) {
    const step = steps[place];
    assert.equal(step?.undo === "forward only", undo === "forward-only", id);
    // Who undoes something does it when the switch is cancelled, or says that it stays; what is not undone was nothing, or stays.
    const told = words[place]?.undo ?? "";
    assert.ok(typeof undo === "function" ? ["undone", "stays"].includes(told) : [undo, "stays"].includes(told), id);
    assert.equal(step?.pointOfNoReturn, title.startsWith("POINT OF NO RETURN"), id);
  }
});

test("there is one point of no return, and nothing before it is forward only", () => {
  for (const schema of ["moved", "existing"] as const) {
    const steps = migrationSteps({ target: { ...MOVED, schema }, switch: outline("hook") });
    const at = steps.findIndex(({ pointOfNoReturn }) => pointOfNoReturn);
    assert.equal(steps.filter(({ pointOfNoReturn }) => pointOfNoReturn).length, 1);
    assert.ok(steps.slice(0, at).every(({ undo }) => undo !== "forward only"));
    assert.equal(new Set(steps.map(({ id }) => id)).size, steps.length);
    assert.equal(steps[0]?.id, "schema");
    assert.equal(steps.at(-1)?.id, "rollback-window");
  }
});

test("an existing schema is compared, not made", () => {
  const existing = migrationSteps({ target: { ...MOVED, schema: "existing" }, switch: outline("hook") });
  assert.ok(!existing.some(({ id }) => id === "indexes"));
  assert.match(existing[0]?.title ?? "", /^compare/);
});

test("a cutover without a route is told of before it is due", () => {
  const pause = (routing: readonly { readonly kind: string }[]): string => {
    const cutover = { maxStall: 250, sequenceMargin: 1000, deadlines: {}, routing } as unknown as Config["cutover"];
    return plannedSwitch(cutover).find(({ id }) => id === "pause")?.title ?? "";
  };
  assert.match(pause([]), /not configured yet: cutover\.routing/);
  assert.match(pause([{ kind: "hook" }, { kind: "document" }]), /\(hook, document\)/);
});

test("a target that cannot become the primary has no steps of a switch", () => {
  const steps = migrationSteps({ target: { takes: "versions", schema: "described" }, switch: null });
  assert.deepEqual(
    steps.map(({ id }) => id),
    ["schema", "slot", "barrier", "load", "publish", "catch-up", "verify"],
  );
});
