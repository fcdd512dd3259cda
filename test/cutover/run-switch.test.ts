import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { primaryOf } from "../../src/cutover/machine.ts";
import { isUnsettled } from "../../src/cutover/watch-switch.ts";
import { PghaulError } from "../../src/errors/pghaul-error.ts";
import { FakeWorld, Killed } from "./fake-switch.ts";

/** What must hold whenever nobody is inside a switch: exactly one side takes writes, the route leads to it, nobody is paused. */
function assertSettled(world: FakeWorld, primary: "source" | "target"): void {
  const other = primary === "source" ? "target" : "source";
  assert.equal(world.route.side, primary, "the route leads to the primary");
  assert.equal(world.route.paused, false, "nobody waits at the route");
  assert.equal(world[primary].fenced, false, "the primary takes writes");
  if (world.attempt?.outcome === "switched") assert.equal(world[other].fenced, true, "the other side refuses them");
  assert.equal(world.source.bothOpen || world.target.bothOpen, false, "never were both sides open");
}

describe("run switch", () => {
  it("switches, and back, with sequences ahead and the old side fenced", async () => {
    const world = new FakeWorld();
    const there = await world.run("target");
    assert.equal(there.outcome, "switched");
    assertSettled(world, "target");
    assert.equal(world.target.sequence, 1041);
    assert.ok((there.stallMillis ?? -1) > 0);
    const back = await world.run("source");
    assert.equal(back.id, 2);
    assertSettled(world, "source");
  });

  it("gives the resume its own deadline, and without one as long as any call of the route", async () => {
    const world = new FakeWorld();
    await world.run("target");
    assert.equal(world.route.resumeMillis, 100);
    world.deadlines = { resume: 77 };
    await world.run("source");
    assert.equal(world.route.resumeMillis, 77);
  });

  it("cancels when the marker does not arrive, and the source takes writes again", async () => {
    const world = new FakeWorld();
    world.source.streams = false;
    await assert.rejects(world.run("target"), (error: PghaulError) => error.code === "CUTOVER_DEADLINE");
    assert.equal(world.attempt?.outcome, "cancelled");
    assertSettled(world, "source");
  });

  it("cancels when the fence misses its locks", async () => {
    const world = new FakeWorld();
    world.source.failFence = new PghaulError("CUTOVER_DEADLINE", "locks");
    await assert.rejects(world.run("target"), (error: PghaulError) => error.code === "CUTOVER_DEADLINE");
    assertSettled(world, "source");
    assert.ok(!world.passed.includes("cutover-before-route"));
  });

  it("cancels when the route refuses and still leads to the source", async () => {
    const world = new FakeWorld();
    world.route.failSwitch = new PghaulError("ROUTE_FAILED", "exit 1");
    await assert.rejects(world.run("target"), (error: PghaulError) => error.code === "ROUTE_FAILED");
    assert.equal(world.attempt?.outcome, "cancelled");
    assertSettled(world, "source");
  });

  it("keeps the source closed when a rollback is cancelled", async () => {
    const world = new FakeWorld();
    await world.run("target");
    world.route.failSwitch = new PghaulError("ROUTE_FAILED", "exit 1");
    await assert.rejects(world.run("source"));
    assertSettled(world, "target");
    assert.equal(world.source.fenced, true, "the source must not take writes while the target is primary");
  });

  it("goes on when the route fails and has moved all the same", async () => {
    const world = new FakeWorld();
    world.route.failSwitch = new PghaulError("ROUTE_FAILED", "exit 1");
    world.route.movesAllTheSame = true;
    const attempt = await world.run("target");
    assert.equal(attempt.outcome, "switched");
    assertSettled(world, "target");
  });

  it("lets nobody in at the target when a route that cannot tell fails half way", async () => {
    const world = new FakeWorld();
    world.route.failSwitch = new PghaulError("ROUTE_FAILED", "killed");
    world.route.movesAllTheSame = true;
    world.route.tells = false;
    await assert.rejects(
      world.run("target"),
      (error: PghaulError) =>
        error.code === "CUTOVER_UNSETTLED" &&
        /^killed; the switch was cancelled, but the route could not be switched back/.test(error.message),
    );
    assert.equal(world.attempt?.outcome, "cancelled");
    assert.equal(world.source.fenced, false, "the source takes writes again");
    assert.equal(world.target.fenced, true, "the target does not");
    assert.ok(world.journal.includes("undo-failed"), "and the journal says that the route is unsettled");
  });

  it("does not wait for a target that has frozen", async () => {
    const world = new FakeWorld();
    world.maxStallMillis = 50;
    world.target.frozen = true;
    await assert.rejects(world.run("target"), (error: PghaulError) => error.code === "CUTOVER_DEADLINE");
    assertSettled(world, "source");
  });

  it("stops with a breach, without going back, when a write passed the fence", async () => {
    const world = new FakeWorld();
    world.foreign = 1;
    await assert.rejects(world.run("target"), (error: PghaulError) => error.code === "FENCE_BREACH");
    assertSettled(world, "target");
    assert.equal(world.attempt?.outcome, "switched", "so that a rollback is possible");
    world.foreign = 0;
    await world.run("source");
    assertSettled(world, "source");
  });

  it("behind the opening the old side is not needed: the switch is done, and says that its proof is still to come", async () => {
    const world = new FakeWorld();
    world.route.resumed = () => {
      world.source.away = true;
    };
    await assert.rejects(
      world.run("target"),
      (error: PghaulError) =>
        error.code === "CUTOVER_UNSETTLED" &&
        /^the switch to the target is done, but the fence at the source is not proved yet: away$/.test(error.message),
    );
    assert.equal(world.attempt?.outcome, "switched");
    assert.equal(world.attempt?.steps.prove?.state, "left");
    assertSettled(world, "target");
    await assert.rejects(world.settle(), (error: PghaulError) => error.code === "CUTOVER_UNSETTLED", "the watchdog goes on");
    assert.equal(world.journal.filter((kind) => kind === "step-left").length, 1, "and journals it once");
    world.source.away = false;
    const settled = await world.settle();
    assert.equal(settled?.steps.prove?.state, "done");
    assert.equal(isUnsettled(settled), false);
  });

  it("killed behind the opening, with the old side dead, it is finished forward without it", async () => {
    for (const point of (await crashPointsOf("target")).filter((name) => /-(open|resume|tidy|prove)$/.test(name))) {
      if (point === "cutover-before-open") continue;
      const world = new FakeWorld();
      world.killAt = point;
      await assert.rejects(world.run("target"), Killed, point);
      world.revive();
      world.source.away = true;
      await assert.rejects(world.settle(), (error: PghaulError) => error.code === "CUTOVER_UNSETTLED", point);
      assert.equal(world.attempt?.outcome, "switched", point);
      assertSettled(world, "target");
    }
  });

  it("a proof that is still to come and finds a breach tells it once, and holds up no rollback", async () => {
    const world = new FakeWorld();
    world.route.resumed = () => {
      world.source.away = true;
    };
    await assert.rejects(world.run("target"));
    world.source.away = false;
    world.foreign = 1;
    await assert.rejects(world.settle(), (error: PghaulError) => error.code === "FENCE_BREACH");
    assert.equal(isUnsettled(world.attempt), false, "a person has to judge it: nobody tries again");
    world.foreign = 0;
    await world.run("source");
    assertSettled(world, "source");
  });

  it("a route that cannot be resumed says who is the primary, and that there is only forward", async () => {
    const world = new FakeWorld();
    world.route.failResume = new PghaulError("ROUTE_FAILED", "exit 3");
    await assert.rejects(
      world.run("target"),
      (error: PghaulError) =>
        error.code === "CUTOVER_UNSETTLED" &&
        /^the target takes writes, but the switch could not be finished yet: exit 3$/.test(error.message),
    );
    assert.equal(primaryOf(world.attempt), "target");
    assert.equal(world.attempt?.outcome, "running");
    world.route.failResume = null;
    assert.equal((await world.settle())?.outcome, "switched");
    assertSettled(world, "target");
  });

  it("a row that is refused after the gates were asked cancels the switch, though the marker arrives", async () => {
    const world = new FakeWorld();
    world.held = ["public.payments"];
    await assert.rejects(
      world.run("target"),
      (error: PghaulError) => error.code === "TABLE_HELD" && /public\.payments/.test(error.message),
    );
    assertSettled(world, "source");
    assert.equal(world.attempt?.outcome, "cancelled");
    world.held = [];
    await world.run("target");
    assertSettled(world, "target");
  });

  it("refuses to guess when record and route disagree", async () => {
    const world = new FakeWorld();
    world.killAt = "cutover-before-resume";
    await assert.rejects(world.run("target"), Killed);
    world.revive();
    world.target.markers.clear();
    await assert.rejects(world.run("target"), (error: PghaulError) => error.code === "REALITY_DIFFERS");
  });

  for (const to of ["target", "source"] as const) {
    it(`killed at any step on the way to the ${to}, the next run completes it`, async () => {
      const all = await crashPointsOf(to);
      assert.ok(all.length >= 20, `only ${all.length} crash points`);
      for (const point of all) {
        const world = await worldBefore(to);
        world.killAt = point;
        await assert.rejects(world.run(to), Killed, point);
        world.revive();
        const attempt = await world.run(to);
        assert.equal(attempt.outcome, "switched", point);
        assertSettled(world, to);
      }
    });
  }

  it("killed at any step of a rollback that then cannot go on, leaves the source closed", async () => {
    for (const point of await crashPointsOf("source")) {
      const world = await worldBefore("source");
      world.killAt = point;
      await assert.rejects(world.run("source"), Killed, point);
      world.revive();
      if (!world.source.fenced) continue;
      world.target.streams = false;
      await assert.rejects(world.run("source"), (error: PghaulError) => error.code === "CUTOVER_DEADLINE", point);
      assertSettled(world, "target");
      assert.equal(world.source.fenced, true, point);
    }
  });

  it("killed at any step, the watchdog settles it one way or the other, and starts nothing new", async () => {
    for (const to of ["target", "source"] as const) for (const point of await crashPointsOf(to)) await assertSettles(point, to);
  });

  it("finished hours later, it tells the stall of the switch, not the hours", async () => {
    for (const point of ["cutover-after-tidy", "cutover-before-prove", "cutover-after-prove"]) {
      const world = new FakeWorld();
      world.killAt = point;
      await assert.rejects(world.run("target"), Killed);
      world.revive();
      world.hoursPass();
      const { outcome, stallMillis } = await world.run("target");
      assert.equal(outcome, "switched");
      assert.ok(stallMillis !== null && stallMillis < 1_000, `${point}: ${stallMillis} ms`);
    }
    const world = new FakeWorld();
    world.killAt = "cutover-before-resume";
    await assert.rejects(world.run("target"), Killed);
    world.revive();
    world.hoursPass();
    assert.ok(((await world.run("target")).stallMillis ?? 0) > 3_600_000, "a route that was never resumed did hold its clients");
  });

  it("refuses to turn round in the middle", async () => {
    const world = await worldBefore("source");
    world.killAt = "cutover-after-open";
    await assert.rejects(world.run("source"), Killed);
    world.revive();
    await assert.rejects(world.run("target"), (error: PghaulError) => error.code === "CUTOVER_STATE");
  });

  it("killed at any step of a cancel, the next run still settles", async () => {
    for (const point of ["cutover-undo-route", "cutover-undo-fence", "cutover-undo-pause", "cutover-undo-guard"]) {
      const world = new FakeWorld();
      world.route.failSwitch = new PghaulError("ROUTE_FAILED", "exit 1");
      world.killAt = point;
      await assert.rejects(world.run("target"), Killed, point);
      world.revive();
      world.route.failSwitch = null;
      await world.run("target");
      assertSettled(world, "target");
    }
  });
});

async function assertSettles(point: string, to: "source" | "target"): Promise<void> {
  const world = await worldBefore(to);
  world.killAt = point;
  await assert.rejects(world.run(to), Killed, point);
  world.revive();
  const attempt = await world.settle();
  assert.notEqual(attempt?.outcome, "running", point);
  const from = to === "target" ? "source" : "target";
  assertSettled(world, attempt?.outcome === "switched" ? to : from);
  assert.equal(world.attempt?.id, attempt?.id, "no new switch was begun");
}

async function worldBefore(to: "source" | "target"): Promise<FakeWorld> {
  const world = new FakeWorld();
  if (to === "source") await world.run("target");
  return world;
}

async function crashPointsOf(to: "source" | "target"): Promise<string[]> {
  const world = await worldBefore(to);
  world.passed.length = 0;
  await world.run(to);
  return [...new Set(world.passed)];
}
