import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { runFixture } from "./fixture-cli.ts";
import { assertGolden } from "./golden.ts";

test("the envelope of a result: versioned, 64-bit numbers whole, secrets gone, nothing on stderr", async () => {
  const { code, stdout, stderr } = await runFixture(["cdc", "start", "--json"]);
  assert.equal(code, 0);
  assert.equal(stderr, "");
  assertGolden("envelope-result.json", stdout);
});

test("the envelope of an error", async () => {
  const { stdout, stderr } = await runFixture(["fail", "--code", "SLOT_LOST", "--json"]);
  assert.equal(stderr, "");
  assertGolden("envelope-error.json", stdout);
});

test("an error in text: what, where, why, and what to do on the last line", async () => {
  const { stdout, stderr } = await runFixture(["fail", "--code", "SLOT_LOST"]);
  assert.equal(stdout, "");
  assertGolden("error.txt", stderr);
});

test("the stack is for DEBUG=pghaul only", async () => {
  const usual = await runFixture(["fail", "--plain"]);
  assert.doesNotMatch(usual.stderr, /^ {4}at /m);
  const debug = await runFixture(["fail", "--plain"], { env: { DEBUG: "pghaul" } });
  assert.match(debug.stderr, /^ {4}at .*fail\.ts/m);
  assert.doesNotMatch(debug.stderr, /hunter2/);
});

test("help: flags by group, examples, exit codes, environment", async () => {
  assertGolden("help-command.txt", (await runFixture(["cdc", "start", "--help"], { env: { COLUMNS: "120" } })).stdout);
  assertGolden("help-topic.txt", (await runFixture(["cdc", "--help"], { env: { COLUMNS: "120" } })).stdout);
});

test("without a terminal progress is one greppable line an update, on stderr, never past 100 per cent", async () => {
  const { stdout, stderr } = await runFixture(["cdc", "start"]);
  assert.equal(stdout, "applied up to 0/16B3748\n");
  assertGolden("progress-lines.txt", stderr);
  assert.match(stderr, / percent=99 /);
});

test("a reader that goes away early is no failure", async () => {
  const bin = fileURLToPath(new URL("fixtures/pghaul.ts", import.meta.url));
  const child = spawn(process.execPath, [bin, "flood"], { stdio: ["ignore", "pipe", "pipe"] });
  let stderr = "";
  child.stderr.on("data", (text) => {
    stderr += text;
  });
  await once(child.stdout, "data");
  child.stdout.destroy();
  const [code] = await once(child, "close");
  assert.equal(stderr, "");
  assert.equal(code, 0);
});

test("everything printed arrives when the reader is slow", async () => {
  const { stdout } = await runFixture(["flood"]);
  assert.equal(
    stdout.length,
    Array.from({ length: 100_000 }, (_, line) => `line ${line}\n`.length).reduce((a, b) => a + b),
  );
  assert.ok(stdout.endsWith("line 99999\n"));
});
