import assert from "node:assert/strict";
import { test } from "node:test";
import type { LocalLog } from "../../src/log/local-log.ts";
import type { ReplicationStream } from "../../src/source/replication-stream.ts";
import { runTail } from "../../src/workflow/stream/run-tail.ts";
import { systemClock } from "../../src/workflow/system-clock.ts";

test("a server that does not answer is told of once, and once more when it has answered between", async () => {
  const silences = [0, 29_000, 31_000, 45_000, 0, 31_000];
  const stop = new AbortController();
  let at = -1;
  const stream = {
    get silentMillis(): number {
      return silences[at] ?? 0;
    },
    next: async () => {
      at += 1;
      if (at === silences.length) stop.abort(new Error("enough"));
      stop.signal.throwIfAborted();
      return { frames: Buffer.alloc(0), walEnd: null };
    },
    acknowledge: () => undefined,
    close: async () => undefined,
  };
  const log: Partial<LocalLog> = {
    startStream: async () => 1n,
    durable: () => ({ lsn: 1n, xidReference: 1n }),
    append: () => undefined,
    flush: async () => null,
    fail: () => undefined,
  };
  const heard: string[] = [];
  await runTail({
    openStream: async () => stream as unknown as ReplicationStream,
    log: log as LocalLog,
    recordDurable: () => undefined,
    clock: systemClock,
    signal: stop.signal,
    waiting: (why) => heard.push(why),
  });
  assert.equal(heard.length, 2, heard.join("; "));
  assert.match(heard[0] ?? "", /not answered for 30 s/);
});
