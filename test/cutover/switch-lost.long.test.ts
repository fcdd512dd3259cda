/** A switch whose driver dies, or whose servers go away or freeze, in the moments in which nobody can say at once what is so. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { waitFor } from "../support/database.ts";
import { deadline } from "../support/deadline.ts";
import type { PgServer } from "../support/pg-server.ts";
import { openSwitchBench, type SwitchBench, takesWrites } from "./switch-bench.ts";

describe("a switch that is lost sight of", { timeout: deadline(600_000) }, () => {
  let stage: SwitchBench;
  before(async () => {
    stage = await openSwitchBench({ seed: "lost", from: 13, to: 18 });
    const verified = await stage.bench.run(["verify", "run", "--json"]);
    assert.equal(verified.code, 0, verified.stdout);
  });
  after(() => stage[Symbol.asyncDispose]());

  const settled = (what: string) =>
    waitFor(async () => (await stage.status()).unsettled === null && (await stage.status()).attempt?.outcome !== "running", {
      deadlineMs: 60_000,
      what,
      everyMs: 200,
    });

  async function assertOnSource(): Promise<void> {
    assert.equal((await stage.status()).state, "source-primary");
    assert.equal(await takesWrites(stage.url("source")), true);
    assert.equal(await takesWrites(stage.url("target")), false);
    assert.equal(stage.route(), "source");
    assert.equal(stage.isPaused(), false);
    await stage.writesAgain(30_000);
  }

  it("killed behind the fence, the target away: the source takes writes all the same", async () => {
    const killed = await stage.switchAtLast("target", { PGHAUL_CRASH_AT: "cutover-after-drain" });
    assert.equal(killed.signal, "SIGKILL", killed.stdout);
    await stage.bench.target.stop("immediate");
    await settled("the watchdog to cancel without the target");
    assert.equal(await takesWrites(stage.url("source")), true);
    await stage.writesAgain(30_000);
    await stage.bench.target.start();
    await assertOnSource();
  });

  it("killed where it cannot know whether the target was opened, the target away: status shouts, and it is settled when the target is back", async () => {
    const killed = await stage.switchAtLast("target", { PGHAUL_CRASH_AT: "cutover-before-open" });
    assert.equal(killed.signal, "SIGKILL", killed.stdout);
    await stage.bench.target.stop("immediate");
    await waitFor(async () => ((await stage.status()).unsettled?.tries ?? 0) >= 2, {
      deadlineMs: 60_000,
      what: "the watchdog to fail twice",
    });
    for (const command of [["status"], ["cutover", "status"]]) {
      const { stdout } = await stage.bench.run(command);
      assert.match(stdout, /^CUTOVER NOT SETTLED: .* stopped at "open"\. Both sides may refuse writes\.$/m);
      assert.match(stdout, /^pghaul run tries to settle it every few seconds; \d+ tries failed/m);
    }
    assert.equal(await takesWrites(stage.url("source")), false, "it may have been opened: nobody guesses");
    await stage.bench.target.start();
    await settled("the watchdog to settle it at last");
    await assertOnSource();
  });

  it("a driver killed by its own hook: the hook ends with it, and the route stays where it is said to be", async () => {
    stage.breakHook("switch", "kill -9 $PPID; sleep 6271");
    const killed = await stage.switchAtLast("target");
    assert.equal(killed.signal, "SIGKILL", killed.stdout);
    stage.breakHook("switch", null);
    await settled("the watchdog to cancel");
    assert.equal(commands().filter((line) => line.startsWith("sleep 6271")).length, 0, "the hook is gone");
    await assertOnSource();
  });

  it("the target frozen in the pause: cancelled at the deadline, and not waited for", async () => {
    stage.breakHook("pause", freezing(stage.bench.target));
    try {
      const began = performance.now();
      const result = await stage.switchFails("target", /"code":"CUTOVER_DEADLINE".*"step":"drain"/);
      console.log(`the target frozen: ended after ${(performance.now() - began).toFixed(0)} ms, ${result.json().error?.message}`);
      assert.equal(result.code, 75, result.stdout);
      assert.equal(await takesWrites(stage.url("source")), true);
      await stage.writesAgain(10_000);
    } finally {
      stage.breakHook("pause", null);
      signal(stage.bench.target, "SIGCONT");
    }
    await settled("the target to go on");
    await assertOnSource();
  });

  it("the source frozen in the pause: given up at the deadline, said to be unsettled, and opened when it goes on", async () => {
    stage.breakHook("pause", freezing(stage.bench.source));
    try {
      const result = await stage.switchFails("target", /"code":"CUTOVER_UNSETTLED"/);
      assert.equal(result.code, 75, result.stdout);
      const entries = (await stage.bench.run(["cutover", "log", "--json"])).json().result.entries as { kind: string; at: string }[];
      const paused = entries.findLast(({ kind }) => kind === "attempt-started");
      const given = entries.findLast(({ kind }) => kind === "unsettled");
      console.log(`the source frozen: given up ${Date.parse(given?.at ?? "") - Date.parse(paused?.at ?? "")} ms after the begin`);
    } finally {
      stage.breakHook("pause", null);
      signal(stage.bench.source, "SIGCONT");
    }
    await settled("the source to go on");
    await assertOnSource();
  });

  it("the source frozen once the target is open: the switch is done without it, and its proof is had when it goes on", async () => {
    // An attempt that a busy machine cancels resumes, too; what is to be frozen is the source of a switch that is done.
    stage.breakHook("resume", `if [ "$(cat route)" = target ]; then ${freezing(stage.bench.source)}; fi`);
    try {
      const result = await stage.switchFails("target", /the switch to the target is done, but the fence at the source is not proved yet/);
      assert.equal(result.code, 75, result.stdout);
      const { primary, state, unsettled } = await stage.status();
      assert.deepEqual([primary, state, unsettled?.stage], ["target", "writes-on-target", "switched"]);
      assert.equal(await takesWrites(stage.url("target")), true);
      assert.equal(stage.route(), "target");
      assert.equal(stage.isPaused(), false);
      await stage.writesAgain(30_000);
    } finally {
      stage.breakHook("resume", null);
      signal(stage.bench.source, "SIGCONT");
    }
    await settled("the proof to be had");
    // What came meanwhile is applied in one go, TRUNCATEs too, and nobody plans beside their locks.
    await waitFor(async () => (await stage.bench.run(["cutover", "plan", "--rollback"])).code === 0, {
      deadlineMs: 120_000,
      what: "the way back to have caught up",
      everyMs: 500,
    });
    const back = await stage.switchAtLast("source");
    assert.equal(back.code, 0, back.stdout);
    await assertOnSource();
  });

  it("and nothing is missing, there and back", async () => {
    const there = await stage.switchAtLast("target");
    assert.equal(there.code, 0, there.stdout);
    await stage.writesAgain(30_000);
    const back = await stage.switchAtLast("source");
    assert.equal(back.code, 0, back.stdout);
    await stage.writesAgain(30_000);
    await stage.assertNothingLost();
  });
});

function postmasterOf(server: PgServer): number {
  return Number(readFileSync(join(server.dataDir, "postmaster.pid"), "utf8").split("\n")[0]);
}

/** Shell for a hook: stops every process of the server. */
function freezing(server: PgServer): string {
  const pid = postmasterOf(server);
  return `kill -STOP ${pid} $(ps -eo pid=,ppid= | awk '$2 == ${pid} { print $1 }')`;
}

function signal(server: PgServer, name: NodeJS.Signals): void {
  const pid = postmasterOf(server);
  const children = execFileSync("ps", ["-eo", "pid=,ppid="], { encoding: "utf8" })
    .split("\n")
    .map((line) => line.trim().split(/\s+/).map(Number))
    .flatMap(([child, parent]) => (parent === pid && child !== undefined ? [child] : []));
  for (const each of [pid, ...children]) process.kill(each, name);
}

function commands(): readonly string[] {
  return execFileSync("ps", ["-eo", "args="], { encoding: "utf8" }).split("\n");
}
