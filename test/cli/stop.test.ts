import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { startFixture } from "./fixture-cli.ts";

/** Longer than the time within which two copies of one signal count as one. */
const DELIBERATE_MS = 400;

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  test(`the first ${signal} lets the chunk end, then 130`, async () => {
    const handle = startFixture(["work"]);
    await handle.waitFor(/working/);
    const { code, stderr } = await handle.kill(signal);
    assert.equal(code, 130);
    assert.match(stderr, new RegExp(`${signal}: finishing the current work`));
    assert.match(stderr, /Error: finished the chunk\nCode: INTERRUPTED/);
  });

  test(`the second ${signal} does not wait for the chunk; 130 as well`, async () => {
    const handle = startFixture(["work", "--long"]);
    await handle.waitFor(/working/);
    handle.child.kill(signal);
    await handle.waitFor(/chunk in hand/);
    await pause(DELIBERATE_MS);
    const { code, stderr } = await handle.kill(signal);
    assert.equal(code, 130);
    assert.match(stderr, /Error: dropped the chunk/);
  });
}

test("two copies of one Ctrl-C are one wish", async () => {
  const handle = startFixture(["work", "--long"]);
  await handle.waitFor(/working/);
  handle.child.kill("SIGINT");
  handle.child.kill("SIGTERM");
  await handle.waitFor(/chunk in hand/);
  await pause(DELIBERATE_MS);
  assert.doesNotMatch(handle.stderr(), /stopping at once/);
  await handle.kill("SIGINT");
});

test("work that hears nothing is ended by the third signal", async () => {
  const handle = startFixture(["work", "--deaf"]);
  await handle.waitFor(/working/);
  handle.child.kill("SIGINT");
  await handle.waitFor(/chunk in hand/);
  await pause(DELIBERATE_MS);
  handle.child.kill("SIGINT");
  await handle.waitFor(/stopping at once/);
  await pause(DELIBERATE_MS);
  const { code } = await handle.kill("SIGINT");
  assert.equal(code, 130);
});
