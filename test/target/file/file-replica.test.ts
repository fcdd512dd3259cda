import assert from "node:assert/strict";
import { test } from "node:test";
import { FileReplica } from "../../../src/target/file/file-replica.ts";
import { waitForPosition } from "../../../src/verify/wait-for-position.ts";
import { deadline } from "../../support/deadline.ts";
import { openTarget, TemporaryDirectory } from "./bench.ts";

test("files that the stream does not bring further are waited for as long as is told, and no longer", {
  timeout: deadline(10_000),
}, async () => {
  using directory = new TemporaryDirectory();
  await openTarget(directory.path);
  let now = 0;
  const startWait = waitForPosition({
    sleep: async (millis) => {
      now += millis;
    },
    nudge: async () => {},
    waiting: () => {},
    maxWaitMillis: 5_000,
    now: () => now,
  });
  const replica = new FileReplica({ directory: directory.path, scratch: directory.path, startWait });
  await assert.rejects(replica.reach(0x200n, new AbortController().signal), {
    code: "STREAM_NOT_RUNNING",
    message: /did not reach 0\/200 at the target within 5 s \(verify\.maxWait\): it has no position/,
  });
  assert.equal(now, 5_000);
});
