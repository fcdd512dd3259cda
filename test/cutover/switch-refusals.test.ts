/** What a switch refuses to do at the last moment, each with a world in which nothing else would stop it. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Attempt } from "../../src/cutover/ports.ts";
import { settle } from "../../src/cutover/run-switch.ts";
import { type Step, walkBack } from "../../src/cutover/walk-steps.ts";
import { SwitchWatch } from "../../src/cutover/watch-switch.ts";
import type { PghaulError } from "../../src/errors/pghaul-error.ts";
import { FakeWorld, Killed } from "./fake-switch.ts";

const hasCode = (code: string) => (error: PghaulError) => error.code === code;

/** An attempt whose driver ended while it opened the new primary. */
function beginningToOpen(): Attempt {
  const at = new Date(0).toISOString();
  return {
    id: 1,
    to: "target",
    planDigest: "",
    marker: "m",
    startedAt: at,
    outcome: "running",
    steps: { fence: { state: "done", at }, open: { state: "started", at } },
    fence: null,
    stallMillis: null,
  };
}

describe("a switch refuses", () => {
  it("to open the new primary when the time that clients may wait is over, though every step was done", async () => {
    const world = new FakeWorld();
    // The last question before the opening takes hours.
    Object.defineProperty(world, "held", {
      get: () => {
        world.hoursPass();
        return [];
      },
    });
    await assert.rejects(world.run("target"), hasCode("CUTOVER_DEADLINE"));
    assert.ok(world.passed.includes("cutover-before-open"));
    assert.deepEqual([world.attempt?.outcome, world.source.fenced, world.target.fenced], ["cancelled", false, true]);
  });

  it("to believe a route that says it has changed and still leads to the old primary", async () => {
    const world = new FakeWorld();
    world.route.switchTo = async () => undefined;
    await assert.rejects(world.run("target"), hasCode("ROUTE_FAILED"));
    assert.deepEqual([world.attempt?.outcome, world.source.fenced, world.target.fenced], ["cancelled", false, true]);
  });

  it("to call a fence proven while a table behind it takes writes", async () => {
    const world = new FakeWorld();
    world.source.leaks = ["public.orders"];
    await assert.rejects(
      world.run("target"),
      (error: PghaulError) => error.code === "FENCE_BREACH" && /1 tables take writes/.test(error.message),
    );
    assert.equal(world.attempt?.outcome, "switched", "so that a rollback is possible");
  });

  it("to undo what lies before a step that has taken effect for good", async () => {
    const world = new FakeWorld();
    const undone: string[] = [];
    const step = (id: string, undo: Step["undo"]): Step => ({ id, title: id, check: async () => true, act: async () => ({}), undo });
    const steps = [step("fence", async () => void undone.push("fence")), step("open", "forward-only")];
    world.attempt = beginningToOpen();
    await assert.rejects(walkBack(steps, world.context()), hasCode("CUTOVER_STATE"));
    assert.deepEqual(undone, []);
  });

  it("to cancel an attempt whose opening is still under way at the new primary", async () => {
    const world = new FakeWorld();
    const done: string[] = [];
    // The killed driver's transaction commits while it is waited for.
    let isOpen = false;
    const steps: readonly Step[] = [
      { id: "fence", title: "", check: async () => true, act: async () => ({}), undo: async () => void done.push("undone") },
      {
        id: "open",
        title: "",
        check: async () => isOpen,
        takeOver: async () => {
          isOpen = true;
        },
        act: async () => ({}),
        undo: "forward-only",
      },
    ];
    world.attempt = beginningToOpen();
    assert.equal((await settle(steps, world.context()))?.outcome, "switched");
    assert.deepEqual(done, []);
  });

  it("to be settled by the watchdog while a process drives it", async () => {
    const world = new FakeWorld();
    world.killAt = "cutover-after-fence";
    await assert.rejects(world.run("target"), Killed);
    world.revive();
    let isDriven = true;
    let now = 0;
    const watch = new SwitchWatch({
      attempt: () => world.attempt,
      isDriven: async () => isDriven,
      settle: async () => void (await world.settle()),
      failed: (_, __, why) => assert.fail(String(why)),
      now: () => now,
    });
    for (now = 0; now < 60_000; now += 250) await watch.look();
    assert.equal(world.attempt?.outcome, "running");
    isDriven = false;
    for (const until = now + 5_000; now < until; now += 250) await watch.look();
    assert.equal(world.attempt?.outcome, "cancelled");
  });
});
