import assert from "node:assert/strict";
import { test } from "node:test";
import { ERROR_CODES, type ErrorCode, type ErrorKind } from "../../src/errors/codes.ts";
import { EXIT_CODES } from "../../src/errors/policy.ts";
import { runFixture } from "./fixture-cli.ts";

test("each kind of error ends the process with its own exit code", async () => {
  const oneOfEach = new Map<ErrorKind, ErrorCode>();
  for (const [code, { kind }] of Object.entries(ERROR_CODES)) oneOfEach.set(kind, code as ErrorCode);
  assert.equal(oneOfEach.size, Object.keys(EXIT_CODES).length);
  for (const [kind, code] of oneOfEach) {
    const [text, json] = await Promise.all([runFixture(["fail", "--code", code]), runFixture(["fail", "--code", code, "--json"])]);
    assert.equal(text.code, EXIT_CODES[kind], `${kind} in text: ${text.stderr}`);
    assert.equal(json.code, EXIT_CODES[kind], `${kind} in JSON`);
    assert.equal(json.json().error?.exit, EXIT_CODES[kind]);
  }
});

test("anything that is not ours is a bug: 1", async () => {
  assert.equal((await runFixture(["fail", "--plain"])).code, 1);
  assert.equal((await runFixture(["fail", "--plain", "--json"])).code, 1);
});

test("an error that nobody awaited is shown and ends with 1", async () => {
  const { code, stderr } = await runFixture(["fail", "--late"]);
  assert.equal(code, 1);
  assert.match(stderr, /^Error: late trouble password=\[redacted\]\nCode: BUG\n/);
  const json = await runFixture(["fail", "--late", "--json"]);
  assert.deepEqual([json.code, json.json().error?.code], [1, "BUG"]);
});

test("an answer that is a failure prints its result and ends with its code", async () => {
  const text = await runFixture(["differ"]);
  assert.equal(text.code, 12);
  assert.equal(text.stdout, "verdict: different\n");
  assert.match(text.stderr, /Code: DIFFERENCES_FOUND/);
  const json = await runFixture(["differ", "--json"]);
  assert.equal(json.code, 12);
  assert.equal(json.stderr, "");
  assert.equal(json.json().ok, false);
  assert.deepEqual(json.json().result, { verdict: "different" });
  assert.equal(json.json().error?.code, "DIFFERENCES_FOUND");
});

test("help and version end with 0", async () => {
  for (const args of [[], ["--help"], ["help"], ["help", "cdc", "start"], ["cdc"], ["cdc", "start", "--help"], ["--version"]]) {
    assert.equal((await runFixture(args)).code, 0, args.join(" "));
  }
});
