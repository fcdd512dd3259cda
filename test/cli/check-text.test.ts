import assert from "node:assert/strict";
import { test } from "node:test";
import { type CheckView, checkSummary, checkText, pluginAnswer, pluginUnknown } from "../../src/cli/check-text.ts";
import { temporaryFiles } from "../config/temporary-config.ts";
import { runCli } from "../support/run-cli.ts";
import { assertGolden } from "./golden.ts";

const PASSED: CheckView = { id: "source-version", status: "pass", evidence: "PostgreSQL 14", fix: null };
const WARNED: CheckView = {
  id: "source-long-transactions",
  status: "warn",
  evidence: "slot and load would wait for postgres in report, idle in transaction for 812 s",
  fix: "select pg_terminate_backend(PID);",
};
const FAILED: CheckView = {
  id: "replica-identity",
  status: "fail",
  evidence: "public.events has no primary key",
  fix: 'alter table "public"."events" replica identity full;\nalter table "public"."log" replica identity full;',
};

test("each check is a line, and below it what mends it", () => {
  const checks = [PASSED, WARNED, FAILED];
  assertGolden("check.txt", `${[...checks.map(checkText), checkSummary(checks)].join("\n")}\n`);
});

test("a name with a line break stays on its line", () => {
  assert.equal(checkText({ ...PASSED, evidence: "a\nb" }).split("\n").length, 1);
});

test("a monitor gets one line, the worst state and its exit code", () => {
  assert.deepEqual(pluginAnswer([PASSED]), { line: "PGHAUL OK - 1 checks passed | failed=0 warned=0 checks=1", exit: 0 });
  assert.deepEqual(pluginAnswer([PASSED, WARNED]), {
    line: "PGHAUL WARNING - warnings: source-long-transactions | failed=0 warned=1 checks=2",
    exit: 1,
  });
  assert.deepEqual(pluginAnswer([WARNED, FAILED]), {
    line: "PGHAUL CRITICAL - failed: replica-identity; warnings: source-long-transactions | failed=1 warned=1 checks=2",
    exit: 2,
  });
});

test("what could not be asked is unknown: one line, no secret, no bar that would begin the figures", () => {
  const { line, exit } = pluginUnknown(new Error("no\n  postgres://u:hunter2@h/d | here"));
  assert.equal(exit, 3);
  assert.match(line, /^PGHAUL UNKNOWN - no postgres:\/\/u:\[redacted\]@h\/d \/ here$/);
});

test("without a configuration the plugin says UNKNOWN on standard output and ends with 3", async (t) => {
  const { code, stdout, stderr } = await runCli(["check", "--nagios"], { cwd: temporaryFiles(t, {}) });
  assert.equal(code, 3, stderr);
  assert.match(stdout, /^PGHAUL UNKNOWN - .*pghaul\.yaml.*\n$/);
  assert.equal(stderr, "");
});

test("a plugin line is no JSON", async (t) => {
  const { code } = await runCli(["check", "--nagios", "--json"], { cwd: temporaryFiles(t, {}) });
  assert.equal(code, 2);
});
