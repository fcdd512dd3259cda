import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { TTL_MILLIS } from "../../../src/s3/remote-lease.ts";
import { BUCKET_POINTS } from "../../crash/crash-lives.ts";
import { assertEqualDatabases } from "../../support/compare.ts";
import { deadline } from "../../support/deadline.ts";
import { startWriters } from "../../support/writers.ts";
import { type BucketBench, openBucketBench } from "./bucket-bench.ts";

const ROWS = 3_000;

/** Runs under writers through `deaths`, each of which may lose the machine; then the next machine catches up and everything is equal. */
async function survive(deaths: (one: BucketBench) => Promise<void>, last: string, seed: string): Promise<void> {
  await using one = await openBucketBench({ rows: ROWS });
  const writers = startWriters(one.bench.sourceDb.url, { writers: 4, seed, rows: ROWS, asyncCommits: false });
  try {
    await deaths(one);
  } finally {
    await writers.stop();
  }
  const end = await one.run(last, ["run", "--until", "caught-up"]);
  assert.equal(end.code, 0, end.stderr);
  await assertEqualDatabases(one.bench.sourceDb.url, one.bench.targetDb.url);
  assert.deepEqual(await writers.ledgerProblems(one.bench.targetDb.url), []);
}

/** The server's clock: the lost holder's time is over. */
function timePasses({ s3 }: BucketBench): void {
  s3.clockAhead += TTL_MILLIS + 1_000;
}

describe("a machine that is lost", () => {
  it("is replaced by run on an empty directory, in the middle of the load and of the stream", { timeout: deadline(240_000) }, () =>
    survive(
      async (one) => {
        const first = one.start("a", ["run"], { PGHAUL_CRASH_AT: "after-merge-before-record:3" });
        assert.equal((await first.done).signal, "SIGKILL");
        one.lose("a");
        timePasses(one);
        const second = one.start("b", ["run"]);
        await second.waitFor(/caught up|streaming/i, 120_000);
        await new Promise((resolve) => setTimeout(resolve, 3_000));
        await second.kill("SIGKILL");
        one.lose("b");
        timePasses(one);
      },
      "c",
      "lost machine",
    ),
  );

  it("loses nothing wherever between upload, record and acknowledgement it dies", { timeout: deadline(300_000) }, () =>
    survive(
      async (one) => {
        // Those of the load first, for it ends.
        const load = ["before-chunks-kept", "after-chunks-kept", "after-state-copied:2"];
        const points = [...load, ...BUCKET_POINTS.map((point) => `${point}:2`), "before-acknowledge:2"];
        for (const [index, point] of points.entries()) {
          const killed = await one.run(`m${index}`, ["run"], { PGHAUL_CRASH_AT: point });
          assert.equal(killed.signal, "SIGKILL", `${point}: ${killed.stderr}`);
          one.lose(`m${index}`);
          timePasses(one);
        }
      },
      "last",
      "upload points",
    ),
  );

  it("is not needed for a bucket that was away: the slot waits, the load waits, nothing is lost", { timeout: deadline(180_000) }, () =>
    survive(
      async (one) => {
        const running = one.start("a", ["run"]);
        await running.waitFor(/phase=loading/, 60_000);
        one.s3.fault = () => "away";
        await running.waitFor(/BUCKET_UNREACHABLE|did not answer/, 60_000);
        await new Promise((resolve) => setTimeout(resolve, 4_000));
        one.s3.fault = () => null;
        await new Promise((resolve) => setTimeout(resolve, 3_000));
        await running.kill("SIGKILL");
        one.lose("a");
        timePasses(one);
      },
      "b",
      "bucket away",
    ),
  );
});

describe("two operators", () => {
  it("are told of each other; who was taken for gone ends at its next write, and its directory is behind", {
    timeout: deadline(180_000),
  }, async (context) => {
    await using one = await openBucketBench({ rows: 500 });
    const first = one.start("a", ["run"]);
    // A stopped process would outlive a test that fails.
    context.after(() => first.child.kill("SIGKILL"));
    await first.waitFor(/phase=streaming/, 90_000);
    const second = await one.run("b", ["run", "--json"]);
    assert.equal(second.code, 22, second.stderr);
    assert.match(second.json().error?.message ?? "", /is held by pid \d+ \(pghaul run\) on /);
    const shown = await one.run("b", ["state", "show", "--json"]);
    assert.equal(shown.json().result.holder.pid, first.child.pid);
    assert.equal(shown.json().result.here, "empty");
    // A machine that is paused: alive, and silent for longer than the lease.
    first.child.kill("SIGSTOP");
    timePasses(one);
    // What the servers do by themselves once they notice, after minutes: end its sessions.
    for (const database of [one.bench.sourceDb, one.bench.targetDb]) {
      const admin = await database.connect();
      await admin.query(
        "select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and application_name like 'pghaul%'",
      );
      await admin.end();
    }
    const third = one.start("c", ["run"]);
    await third.waitFor(/phase=streaming/, 90_000);
    first.child.kill("SIGCONT");
    const fenced = await first.done;
    assert.equal(fenced.code, 22, fenced.stderr);
    assert.match(fenced.stderr, /STATE_LOCKED/);
    const behind = await one.run("a", ["state", "show", "--json"]);
    assert.equal(behind.json().result.here, "behind");
    await third.kill("SIGINT");
    const stale = await one.run("a", ["run", "--json"]);
    assert.equal(stale.json().error?.code, "STATE_STALE");
    const pulled = await one.run("d", ["state", "pull", "--json"]);
    assert.equal(pulled.code, 0, pulled.stderr);
    assert.equal(pulled.json().result.here, "current");
    const last = await one.run("d", ["run", "--until", "caught-up"]);
    assert.equal(last.code, 0, last.stderr);
    await assertEqualDatabases(one.bench.sourceDb.url, one.bench.targetDb.url);
    assert.equal((await one.run("d", ["state", "push"])).code, 0);
    const plan = await one.run("d", ["state", "unlock", "--json", "--no-input"]);
    assert.deepEqual(plan.json().result, { planDigest: plan.json().result.planDigest, unlocked: false });
  });
});
