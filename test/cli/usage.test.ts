import assert from "node:assert/strict";
import { test } from "node:test";
import { runFixture } from "./fixture-cli.ts";

/** The error of a command line that cannot be understood, in JSON and in text; both end with 2. */
async function usageError(args: readonly string[], env: Record<string, string> = {}): Promise<{ message: string; suggestion: string }> {
  const text = await runFixture(args, { env });
  assert.equal(text.code, 2, text.stderr);
  assert.match(text.stderr, /\nCode: USAGE\n/);
  assert.equal(text.stdout, "");
  const json = await runFixture([...args, "--json"], { env });
  assert.equal(json.code, 2);
  assert.equal(json.stderr, "");
  const { error } = json.json();
  assert.ok(error !== undefined && error.code === "USAGE");
  assert.deepEqual(error.context, {});
  return error;
}

test("an unknown flag is named with its nearest neighbour", async () => {
  const { message, suggestion } = await usageError(["cdc", "start", "--taget", "x"]);
  assert.equal(message, "unknown flag --taget; did you mean --target?");
  assert.equal(suggestion, "pghaul cdc start --help");
  assert.equal((await usageError(["cdc", "start", "--confg=a.yaml"])).message, "unknown flag --confg; did you mean --config?");
  assert.equal((await usageError(["cdc", "start", "--zzzzzz"])).message, "unknown flag --zzzzzz");
});

test("an unknown command is named with its nearest neighbour and never run", async () => {
  assert.match((await usageError(["cdc", "strat"])).message, /^unknown command: cdc strat; did you mean cdc start\?$/);
  assert.match((await usageError(["diffe"])).message, /did you mean differ\?/);
  assert.match((await usageError(["frobnicate"])).message, /^unknown command: frobnicate$/);
});

test("values, options and arguments that do not fit are usage errors", async () => {
  assert.match(
    (await usageError(["cdc", "start", "--until", "tomorrow"])).message,
    /^Expected --until=tomorrow to be one of: loaded, caught-up$/,
  );
  assert.match((await usageError(["cdc", "start", "--workers", "many"])).message, /^--workers: Expected an integer/);
  assert.match((await usageError(["cdc", "start", "--target"])).message, /^Flag --target expects a value$/);
  assert.match((await usageError(["cdc", "start", "--log-level", "loud"])).message, /to be one of: error, warn, info, debug$/);
  assert.match((await usageError(["cdc", "start"], { PGHAUL_WORKERS: "0" })).message, /^--workers: Expected an integer/);
});

test("what stands beside a mistake is not repeated: it may be a secret", async () => {
  for (const args of [
    ["cdc", "start", "--pasword", "canary-7431"],
    ["cdc", "start", "--pasword=canary-7431"],
    ["cdc", "start", "canary-7431"],
    ["cdc", "start", "--no-input", "canary-7431"],
    ["cdc", "start", "--target", "a", "--until", "postgresql://u:canary-7431@h/db"],
  ]) {
    for (const extra of [[], ["--json"]]) {
      const { code, stdout, stderr } = await runFixture([...args, ...extra], { env: { HOME: "/home/canary-7431" } });
      assert.equal(code, 2, args.join(" "));
      assert.doesNotMatch(stdout + stderr, /canary-7431/);
    }
  }
});

test("every global flag has an environment variable that works", async () => {
  const debug = await runFixture(["cdc", "start"], { env: { PGHAUL_LOG_LEVEL: "debug", PGHAUL_LOG_FORMAT: "json" } });
  const lines = debug.stderr.trim().split("\n");
  assert.ok(lines.map((line) => JSON.parse(line)).some((line) => line.event === "chunk_done" && line.table === "public.a"));
  const quiet = await runFixture(["cdc", "start"], { env: { PGHAUL_LOG_LEVEL: "error" } });
  assert.equal(quiet.stderr, "");
});
