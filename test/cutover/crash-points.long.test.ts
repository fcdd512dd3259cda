/** Every named point of a switch and of a rollback, killed there once under writers; then the same command again. */

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { waitFor } from "../support/database.ts";
import { deadline } from "../support/deadline.ts";
import { openSwitchBench, type Primary, type SwitchBench, takesWrites } from "./switch-bench.ts";

const STEPS = ["way-back", "guard", "round-trips", "pause", "fence", "drain", "sequences", "route", "open", "resume", "tidy", "prove"];
/** Inside the acts: a statement is on its way and nobody will hear its answer; it was done, and nobody has written that down. */
const INSIDE = ["cutover-fence-sent", "cutover-fence-answered", "cutover-open-sent"];
const POINTS = [...STEPS.flatMap((step) => [`cutover-before-${step}`, `cutover-after-${step}`]), ...INSIDE];
/** Later switches find the guard there. Each life leaves some tables for the next. */
const GUARDING = ["cutover-guard-sent", "cutover-guard-answered", "cutover-guard-sent:2"];
const MAKING_THE_WAY_BACK = ["way-back-before-slot", "way-back-after-slot", "way-back-before-milestone"];
const UNDOING = ["cutover-undo-route", "cutover-undo-fence", "cutover-open-sent", "cutover-undo-pause", "cutover-undo-guard"];

describe("a cutover killed at every point", { timeout: deadline(1_800_000) }, () => {
  let stage: SwitchBench;
  before(async () => {
    stage = await openSwitchBench({ seed: "crash-points", from: 14, to: 18 });
    assert.equal((await stage.bench.run(["verify", "run"])).code, 0);
  });
  after(() => stage[Symbol.asyncDispose]());

  async function killedAndRepeated(to: Primary, point: string): Promise<void> {
    const killed = await stage.switchAtLast(to, { PGHAUL_CRASH_AT: point });
    assert.equal(killed.signal, "SIGKILL", `${point}: ${killed.stdout}`);
    await stage.switchTo(to);
    // Settled by the watchdog or by us; where it was cancelled, by a switch of its own.
    await waitFor(async () => (await stage.status()).attempt?.outcome !== "running", { deadlineMs: 30_000, what: `${point} to settle` });
    if ((await stage.status()).primary !== to) assert.equal((await stage.switchAtLast(to)).code, 0, point);
    const other = to === "source" ? "target" : "source";
    assert.equal(await takesWrites(stage.url(to)), true, point);
    assert.equal(await takesWrites(stage.url(other)), false, point);
    assert.equal(stage.route(), to, point);
    assert.equal(stage.isPaused(), false, point);
    await stage.writesAgain(10_000);
  }

  it("while the way back is made, and the target guarded", async () => {
    for (const point of [...MAKING_THE_WAY_BACK, ...GUARDING]) {
      const killed = await stage.switchAtLast("target", { PGHAUL_CRASH_AT: point });
      assert.equal(killed.signal, "SIGKILL", `${point}: ${killed.stdout}`);
      assert.equal(await takesWrites(stage.url("source")), true, point);
    }
  });

  for (const [verb, script] of [
    ["switch", "echo no such pool >&2; exit 3"],
    ["pause", "touch paused; sleep 6173"],
  ] as const) {
    it(`not killed at all, but with a hook that cannot ${verb}`, async () => {
      stage.breakHook(verb, script);
      await stage.switchFails("target", /"code":"ROUTE_FAILED"/);
      stage.breakHook(verb, null);
      assert.equal((await stage.status()).state, "source-primary");
      assert.equal(stage.isPaused(), false);
      await stage.writesAgain(10_000);
    });
  }

  it("while a cancel undoes it", async () => {
    stage.breakHook("switch", "exit 3");
    for (const point of UNDOING) {
      const killed = await stage.switchAtLast("target", { PGHAUL_CRASH_AT: point });
      assert.equal(killed.signal, "SIGKILL", `${point}: ${killed.stdout}`);
      await waitFor(async () => (await stage.status()).attempt?.outcome === "cancelled", {
        deadlineMs: 30_000,
        what: `${point} to settle`,
      });
      assert.equal(await takesWrites(stage.url("source")), true, point);
      assert.equal(stage.isPaused(), false, point);
    }
    stage.breakHook("switch", null);
  });

  for (const [index, point] of POINTS.entries()) {
    const to = index % 2 === 0 ? "target" : "source";
    it(`${point}, on the way to the ${to}`, () => killedAndRepeated(to, point));
  }

  for (const [index, point] of POINTS.entries()) {
    const to = index % 2 === 0 ? "source" : "target";
    it(`${point}, on the way to the ${to}`, async () => {
      if ((await stage.status()).primary === to) assert.equal((await stage.switchAtLast(to === "source" ? "target" : "source")).code, 0);
      await killedAndRepeated(to, point);
    });
  }

  it("the streaming process killed as well: the next one settles what it finds", async () => {
    const { primary } = await stage.status();
    const to = primary === "source" ? "target" : "source";
    const killed = await stage.switchAtLast(to, { PGHAUL_CRASH_AT: "cutover-after-drain" });
    assert.equal(killed.signal, "SIGKILL");
    await stage.stream.kill();
    await stage.restartStream();
    await waitFor(() => takesWrites(stage.url(primary)), { deadlineMs: 30_000, what: "the old primary to open" });
    await stage.writesAgain(10_000);
  });

  it("and nothing is missing", async () => {
    await stage.assertNothingLost();
  });
});
