import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { describe, it, type TestContext } from "node:test";
import { JournalStore } from "../../src/state/audit/journal.ts";
import { CutoverStore } from "../../src/state/cutover-store.ts";
import { acquireLease } from "../../src/state/lease.ts";
import { openState } from "../../src/state/open-state.ts";
import type { StateDatabase } from "../../src/state/state-database.ts";
import { TableStore } from "../../src/state/table-store.ts";
import { table } from "../cutover/gate-context.ts";
import { temporaryDirectory } from "../state/temporary-state.ts";
import { runCli } from "../support/run-cli.ts";

/** A configuration whose databases do not exist: these commands must not ask them. */
function configured(t: TestContext, cutover = ""): string {
  const directory = temporaryDirectory(t);
  const text = `version: 1
migration: orders-move
source: { url: "\${NOT_SET_SOURCE}" }
target: { kind: postgres, url: "\${NOT_SET_TARGET}" }
${cutover}`;
  writeFileSync(path.join(directory, "pghaul.yaml"), text);
  return directory;
}

async function withState(directory: string, work: (state: StateDatabase) => void): Promise<void> {
  const state = await openState(path.join(directory, ".pghaul"));
  work(state);
  state.close();
}

describe("cutover commands", () => {
  it("status: before anything, without secrets, and creating nothing", async (t) => {
    const result = await runCli(["cutover", "status", "--json"], { cwd: configured(t) });
    assert.equal(result.code, 0, result.stdout);
    const { state, primary, possible, attempt, driver } = result.json().result;
    assert.deepEqual(
      { state, primary, possible, attempt, driver },
      {
        state: "source-primary",
        primary: "source",
        possible: ["pghaul cutover run"],
        attempt: null,
        driver: null,
      },
    );
  });

  it("status: an unfinished switch says what finishes it; a state of a newer version is refused", async (t) => {
    const directory = configured(t);
    const attempt = {
      id: 1,
      to: "target",
      planDigest: "d",
      marker: "m",
      startedAt: "2026-11-21T12:00:00Z",
      outcome: "running",
      fence: null,
      stallMillis: null,
      steps: { pause: { state: "started", at: "2026-11-21T12:00:01Z" } },
    } as const;
    await withState(directory, (state) => new CutoverStore(state).save(attempt));
    const running = await runCli(["cutover", "status", "--json"], { cwd: directory });
    assert.equal(running.json().result.state, "switching-to-target");
    assert.deepEqual(running.json().result.possible, ["pghaul cutover run"]);
    await withState(directory, (state) => {
      const store = new CutoverStore(state);
      store.load();
      store.save({ ...attempt, outcome: "frozen" as "running" });
    });
    const newer = await runCli(["cutover", "status", "--json"], { cwd: directory });
    assert.equal(newer.code, 3);
    assert.equal(newer.json().error?.code, "STATE_NEWER");
  });

  it("both status commands shout while a switch is not settled and nobody drives it", async (t) => {
    const directory = configured(t);
    const attempt = {
      id: 3,
      to: "target",
      planDigest: "d",
      marker: "m",
      startedAt: "2026-11-21T12:00:00Z",
      outcome: "running",
      fence: null,
      stallMillis: null,
      steps: { pause: { state: "done", at: "2026-11-21T12:00:01Z" }, fence: { state: "started", at: "2026-11-21T12:00:01Z" } },
    } as const;
    await withState(directory, (state) => {
      const store = new CutoverStore(state);
      store.save(attempt);
      store.noteSettling({ attempt: 2, tries: 9, why: "of an attempt before", at: "2026-11-21T12:00:02Z" });
      store.noteSettling({ attempt: 3, tries: 4, why: "the target did not answer", at: "2026-11-21T12:00:09Z" });
    });
    for (const command of [["status"], ["cutover", "status"]]) {
      const { stdout } = await runCli(command, { cwd: directory });
      assert.match(stdout, /^CUTOVER NOT SETTLED: attempt 3 to the target, .* stopped at "fence"\. Both sides may refuse writes\.$/m);
      assert.match(
        stdout,
        /^No process is settling it: start pghaul run, or pghaul cutover run; 4 tries failed, .* the target did not answer$/m,
      );
      const { unsettled } = (await runCli([...command, "--json"], { cwd: directory })).json().result;
      assert.deepEqual([unsettled.attempt, unsettled.step, unsettled.isTried, unsettled.tries], [3, "fence", false, 4]);
    }
    const lease = await acquireLease(path.join(directory, ".pghaul"), "stream", "run");
    assert.match(
      (await runCli(["status"], { cwd: directory })).stdout,
      /^pghaul run tries to settle it every few seconds; 4 tries failed/m,
    );
    lease.release();
    const driver = await acquireLease(path.join(directory, ".pghaul"), "cutover", "cutover run");
    assert.doesNotMatch((await runCli(["status"], { cwd: directory })).stdout, /NOT SETTLED/);
    driver.release();
    await withState(directory, (state) => {
      const store = new CutoverStore(state);
      store.load();
      store.save({ ...attempt, outcome: "cancelled", steps: { route: { state: "left", at: "2026-11-21T12:00:01Z" } } });
    });
    assert.match(
      (await runCli(["cutover", "status"], { cwd: directory })).stdout,
      /^CUTOVER NOT SETTLED: .*the route does not point back to the source yet/m,
    );
  });

  it("behind the opening both status commands name the new primary, and what is missing", async (t) => {
    const directory = configured(t);
    const at = "2026-11-21T12:00:01Z";
    const attempt = {
      id: 3,
      to: "target",
      planDigest: "d",
      marker: "m",
      startedAt: "2026-11-21T12:00:00Z",
      outcome: "running",
      fence: null,
      stallMillis: null,
      steps: { pause: { state: "done", at }, open: { state: "done", at }, resume: { state: "failed", at } },
    } as const;
    await withState(directory, (state) => new CutoverStore(state).save(attempt));
    for (const command of [["status"], ["cutover", "status"]]) {
      const { stdout } = await runCli(command, { cwd: directory });
      assert.match(
        stdout,
        /stopped at "resume", after its point of no return: the target takes writes, but the route may still hold clients\.$/m,
      );
      const { primary, unsettled } = (await runCli([...command, "--json"], { cwd: directory })).json().result;
      assert.equal(primary, "target");
      assert.equal(unsettled.stage, "opened");
    }
    const left = "the fence at the source is not proved yet";
    await withState(directory, (state) => {
      const store = new CutoverStore(state);
      store.load();
      store.save({
        ...attempt,
        outcome: "switched",
        steps: { ...attempt.steps, prove: { state: "left", at, evidence: { left, error: "away" } } },
      });
    });
    const { stdout } = await runCli(["cutover", "status"], { cwd: directory });
    assert.match(
      stdout,
      /^CUTOVER NOT SETTLED: attempt 3 to the target is done and the target takes writes, but the fence at the source is not proved yet\.$/m,
    );
  });

  it("behind the opening the plan is the one that was confirmed, and the side that was left is not asked for another", async (t) => {
    const directory = configured(t, 'cutover: { routing: [ { kind: document, file: "./route.json" } ] }');
    const env = { NOT_SET_SOURCE: "postgres://u@127.0.0.1:1/a", NOT_SET_TARGET: "postgres://u@127.0.0.1:1/b" };
    const at = "2026-11-21T12:00:01Z";
    const attempt = {
      id: 3,
      to: "target",
      planDigest: "00000000cafebabe",
      marker: "m",
      startedAt: at,
      outcome: "running",
      fence: null,
      stallMillis: null,
      steps: { open: { state: "started", at } },
    } as const;
    await withState(directory, (state) => {
      new TableStore(state).plan([table("public.t")], ["target"]);
      new CutoverStore(state).save(attempt);
    });
    const before = await runCli(["cutover", "plan", "--json"], { cwd: directory, env });
    assert.equal(before.json().error?.code, "SOURCE_UNREACHABLE", before.stdout);
    await withState(directory, (state) => {
      const store = new CutoverStore(state);
      store.load();
      store.save({ ...attempt, steps: { open: { state: "done", at } } });
    });
    const behind = await runCli(["cutover", "plan", "--json"], { cwd: directory, env });
    assert.equal(behind.code, 0, behind.stdout);
    assert.equal(behind.json().result.digest, attempt.planDigest);
  });

  it("log: prints the journal and verifies its chain", async (t) => {
    const directory = configured(t);
    await withState(directory, (state) => {
      const journal = new JournalStore(state, "orders-move");
      journal.append("step-done", { step: "fence", lsn: "0/1" }, "digest");
      journal.append("switched", { attempt: 1 });
    });
    const intact = await runCli(["cutover", "log", "--json"], { cwd: directory });
    assert.equal(intact.code, 0, intact.stdout);
    assert.equal(intact.json().result.check.entries, 2);
    assert.equal(intact.json().result.entries[0].planDigest, "digest");
    const text = await runCli(["cutover", "log"], { cwd: directory });
    assert.match(text.stdout, /lsn=0\/1 step=fence/);
    assert.match(text.stdout, /2 entries, chain intact; last hash [0-9a-f]{64}/);
    await withState(directory, (state) => {
      state.sqlite.exec('drop trigger journal_refuses_update; update journal set evidence = \'{"step":"other"}\' where seq = 1');
    });
    const broken = await runCli(["cutover", "log", "--json"], { cwd: directory });
    assert.equal(broken.code, 3);
    assert.match(broken.json().error?.message ?? "", /broken at entry 1/);
    assert.equal(broken.json().result.entries.length, 2, "what is there is shown all the same");
  });

  it("log: a person reads what was switched, and then the gates as sentences", async (t) => {
    const directory = configured(t);
    await withState(directory, (state) => {
      const journal = new JournalStore(state, "orders-move");
      const gate = (id: string, open: boolean): void => void journal.append("gate", { to: "target", id, open, evidence: { bytes: 7 } });
      gate("lag", false);
      gate("slot", true);
      gate("lag", true);
      gate("slot", true);
      journal.append("switched", { attempt: 1 });
    });
    const { stdout } = await runCli(["cutover", "log"], { cwd: directory });
    assert.match(stdout, /1 of 2 gates was closed: lag \(bytes=7\)\.\n.*all 2 gates were open\./);
    assert.ok(stdout.indexOf("switched") < stdout.indexOf("gates was closed"), stdout);
    assert.match(stdout, /5 entries, chain intact/);
  });

  it("without a route nothing is planned, and the message says what to write", async (t) => {
    const directory = configured(t);
    const env = { NOT_SET_SOURCE: "postgres://u@127.0.0.1:1/a", NOT_SET_TARGET: "postgres://u@127.0.0.1:1/b" };
    for (const command of ["plan", "check", "run", "rollback"]) {
      const result = await runCli(["cutover", command, "--json"], { cwd: directory, env });
      assert.equal(result.code, 3, `${command}: ${result.stdout}`);
      assert.match(result.json().error?.message ?? "", /cutover\.routing names no route/, command);
      assert.match(result.json().error?.suggestion ?? "", /kind: hook/);
    }
  });

  it("help names exit codes and examples", async () => {
    const help = await runCli(["cutover", "run", "--help"]);
    for (const pattern of [/^ {2}11 /m, /^ {2}30 /m, /--plan-digest/, /--dry-run/, /EXAMPLES/]) assert.match(help.stdout, pattern);
  });
});
