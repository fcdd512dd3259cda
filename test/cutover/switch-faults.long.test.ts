import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { after, before, describe, it } from "node:test";
import { parseLsn } from "../../src/model/lsn.ts";
import { query, waitFor } from "../support/database.ts";
import { openSwitchBench, type SwitchBench, takesWrites } from "./switch-bench.ts";

/** One migration, one fault after the other; after each the writers go on, and at the end nothing is missing. */
describe("cutover when something goes wrong", { timeout: 900_000 }, () => {
  let stage: SwitchBench;
  before(async () => {
    stage = await openSwitchBench({ seed: "faults", from: 13, to: 18 });
    const verified = await stage.bench.run(["verify", "run", "--json"]);
    assert.equal(verified.code, 0, verified.stdout);
  });
  after(() => stage[Symbol.asyncDispose]());

  async function assertStays(side: "source" | "target"): Promise<void> {
    assert.equal(stage.route(), side);
    assert.equal(stage.isPaused(), false);
    assert.equal(await takesWrites(stage.url(side)), true);
    await stage.writesAgain(5_000);
    assert.equal((await stage.status()).state, side === "source" ? "source-primary" : "writes-on-target");
  }

  for (const [name, verb, script] of [
    ["hangs, with a child", "switch", "sleep 6173"],
    ["lies", "switch", "exit 0"],
  ] as const) {
    it(`a hook that ${name}: cancelled, the source takes writes`, async () => {
      stage.breakHook(verb, script);
      const result = await stage.switchFails("target", /"code":"ROUTE_FAILED"/);
      stage.breakHook(verb, null);
      assert.equal(result.code, 11);
      await assertStays("source");
      assert.equal(await takesWrites(stage.url("target")), false, "the guard stays: nobody should write there");
      assert.deepEqual(processesNamed("sleep 6173"), []);
    });
  }

  it("a transaction that holds a table: the fence misses its deadline and names it", async () => {
    const client = await stage.bench.sourceDb.connect();
    await client.query("set application_name = 'nightly'; begin; update seats set holder = 'x' where id = 1");
    try {
      const result = await stage.switchFails("target", /"code":"CUTOVER_DEADLINE".*"step":"fence"/);
      assert.equal(result.code, 75, result.stdout);
      const { error } = result.json();
      assert.match(JSON.stringify(error?.context), /nightly/);
      assert.equal(await takesWrites(stage.url("source")), true);
    } finally {
      await client.query("rollback");
      await client.end();
    }
    await assertStays("source");
  });

  it("the streaming process killed in the pause: the drain misses its deadline, the source takes writes", async () => {
    stage.breakHook("pause", `kill -9 ${stage.stream.child.pid}`);
    await stage.switchFails("target", /"code":"CUTOVER_DEADLINE".*"step":"drain"/);
    stage.breakHook("pause", null);
    await assertStays("source");
    await stage.restartStream();
  });

  it("killed behind the fence: the streaming process lets the writers go on within seconds", async () => {
    const killed = await stage.switchAtLast("target", { PGHAUL_CRASH_AT: "cutover-after-fence" });
    assert.equal(killed.signal, "SIGKILL", killed.stdout);
    assert.equal(await takesWrites(stage.url("source")), false);
    const began = performance.now();
    await waitFor(() => takesWrites(stage.url("source")), { deadlineMs: 20_000, what: "the watchdog to cancel", everyMs: 100 });
    console.log(`writers waited ${(performance.now() - began).toFixed(0)} ms after the kill`);
    await waitFor(async () => (await stage.status()).attempt?.outcome === "cancelled", {
      deadlineMs: 5_000,
      what: "the attempt to be cancelled",
    });
    await assertStays("source");
  });

  it("killed behind the point of no return: the streaming process finishes it", async () => {
    const killed = await stage.switchAtLast("target", { PGHAUL_CRASH_AT: "cutover-before-resume" });
    assert.equal(killed.signal, "SIGKILL", killed.stdout);
    assert.equal(stage.isPaused(), true);
    await waitFor(async () => (await stage.status()).attempt?.outcome === "switched", {
      deadlineMs: 20_000,
      what: "the watchdog to finish",
    });
    await assertStays("target");
  });

  it("the log shows a write that passed the fence, and none of ours", async () => {
    await using cutover = await stage.open();
    const from = parseLsn(cutover.store.load()?.fence?.lsn ?? "0/0");
    await stage.writesAgain(5_000);
    const clean = await cutover.stream.foreignWrites("source", from);
    assert.equal(clean.count, 0, "what the way back writes is ours");
    await query(
      stage.url("source"),
      "begin; set local pghaul.applier = 'x'; alter table seats disable trigger all; update seats set holder = holder where id = 2; alter table seats enable trigger all; rollback",
    );
    assert.equal((await cutover.stream.foreignWrites("source", from)).count, 0, "rolled back is not written");
    // As a superuser who takes the trigger away; the row keeps its value, so both sides stay equal.
    const [{ name }] = (await query(
      stage.url("source"),
      "select tgname as name from pg_trigger where tgrelid = 'parents'::regclass and tgname like 'pghaul_fence%' and tgenabled = 'A'",
    )) as [{ name: string }];
    await query(
      stage.url("source"),
      `alter table parents disable trigger "${name}"; update parents set name = name where id = (select min(id) from parents); alter table parents enable always trigger "${name}"`,
    );
    assert.equal((await cutover.stream.foreignWrites("source", from)).count, 1);
  });

  it("killed in a rollback, the next one settles it first", async () => {
    const killed = await stage.switchAtLast("source", { PGHAUL_CRASH_AT: "cutover-after-route" });
    assert.equal(killed.signal, "SIGKILL", killed.stdout);
    const done = await stage.switchAtLast("source");
    assert.equal((await stage.status()).state, "source-primary", done.stdout);
    await assertStays("source");
  });

  it("and nothing is missing", async () => {
    await stage.assertNothingLost();
  });
});

function processesNamed(pattern: string): readonly string[] {
  try {
    return execFileSync("ps", ["-eo", "args"], { encoding: "utf8" })
      .split("\n")
      .filter((line) => line.startsWith(pattern));
  } catch {
    return [];
  }
}
