import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { query } from "../support/database.ts";
import { type Bench, openBench } from "./migration-bench.ts";

describe("check and plan", () => {
  let bench: Bench;
  before(async () => {
    bench = await openBench({ from: 14, to: 15, rows: 2_000 });
  });
  after(() => bench[Symbol.asyncDispose]());

  it("check passes between fit servers, and says what it saw", async () => {
    const { code, stdout, json } = await bench.run(["check", "--json"]);
    assert.equal(code, 0, stdout);
    const { checks, failed } = json().result;
    assert.equal(failed, 0);
    assert.ok(checks.length >= 40, `${checks.length} checks`);
    for (const check of checks)
      assert.ok(check.id !== "" && check.evidence !== "" && ["pass", "warn"].includes(check.status), JSON.stringify(check));
  });

  it("a failing check: exit 10, and the statement that mends it, which mends it", async () => {
    await query(bench.sourceDb.url, "create table no_key (a int)");
    const failing = await bench.run(["check", "--json"]);
    assert.equal(failing.code, 10);
    const { checks } = failing.json().result;
    const failed = checks.filter((check: { status: string }) => check.status === "fail");
    assert.equal(failed.length, 1, JSON.stringify(failed));
    assert.match(failed[0].evidence, /no_key/);
    assert.equal(failing.json().error?.code, "CHECK_FAILED");
    await query(bench.sourceDb.url, failed[0].fix);
    assert.equal((await bench.run(["check"])).code, 0);
    await query(bench.sourceDb.url, "drop table no_key");
  });

  it("an unreachable side is a failed check, not a crash", async () => {
    const { code, stdout } = await bench.run(["check", "--config", "pghaul.yaml"], { PGCONNECT_TIMEOUT: "2" });
    assert.equal(code, 0, stdout);
    await bench.target.stop();
    const away = await bench.run(["check", "--json"]);
    await bench.target.start();
    assert.equal(away.code, 10);
    const last = away.json().result.checks.at(-1);
    assert.deepEqual([last.id, last.status], ["target-connection", "fail"]);
  });

  it("plan changes nothing, and its digest names tables and settings, not rows", async () => {
    const first = (await bench.run(["plan", "--json"])).json().result;
    assert.ok(first.tables.length >= 12);
    assert.ok(first.steps.some((step: { pointOfNoReturn: boolean }) => step.pointOfNoReturn));
    assert.ok(first.forecast.loadHours.low <= first.forecast.loadHours.high);
    await query(bench.sourceDb.url, "insert into ledger select * from ledger where false; analyze accounts");
    assert.equal((await bench.run(["plan", "--json"])).json().result.digest, first.digest);
    await query(bench.sourceDb.url, "create table one_more (id int primary key)");
    assert.notEqual((await bench.run(["plan", "--json"])).json().result.digest, first.digest);
    await query(bench.sourceDb.url, "drop table one_more");
    assert.deepEqual(await query(bench.sourceDb.url, "select 1 from pg_replication_slots"), []);
    assert.deepEqual(await query(bench.sourceDb.url, "select 1 from pg_namespace where nspname = 'pghaul'"), []);
  });

  it("plan as text and as Markdown", async () => {
    const text = await bench.run(["plan"]);
    assert.match(text.stdout, /POINT OF NO RETURN/);
    assert.match(text.stdout, /chunks by id/);
    const markdown = await bench.run(["plan", "--format", "markdown"]);
    assert.match(markdown.stdout, /^\| table \| strategy \|/m);
    assert.doesNotMatch(markdown.stdout + text.stdout, /\n\n\n\n|undefined|NaN/);
  });
});
