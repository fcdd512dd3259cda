import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { openBucket } from "../../src/s3/open-bucket.ts";
import { RemoteLease } from "../../src/s3/remote-lease.ts";
import { ChunkStore } from "../../src/state/chunk-store.ts";
import { MilestoneStore } from "../../src/state/milestone-store.ts";
import { StateMirror } from "../../src/state/mirror/state-mirror.ts";
import { openState } from "../../src/state/open-state.ts";
import { TailStore } from "../../src/state/tail-store.ts";
import { restoreState } from "../../src/workflow/bucket/restore-state.ts";
import { S3Double } from "../support/s3-double.ts";

async function bench() {
  const dir = mkdtempSync(join(tmpdir(), "pghaul-mirror-"));
  const double = await S3Double.start();
  Object.assign(process.env, double.environment);
  const settings = { bucket: "bucket", prefix: "p", endpoint: double.endpoint, region: null, pathStyle: true, kmsKey: null };
  const bucket = await openBucket(settings, "orders");
  const holder = { host: "a", pid: 1, command: "run", since: "2026-01-01T00:00:00Z" };
  const claim = { migration: "orders", holder, directory: "a", hasState: false, waiting: () => undefined, sleep: () => Promise.resolve() };
  const lease = await RemoteLease.take(bucket, claim);
  const state = await openState(join(dir, "here"));
  const mirror = new StateMirror(bucket, lease, state, () => undefined);
  const restored = async (name: string) => {
    await restoreState(bucket, lease.head, join(dir, name));
    return openState(join(dir, name));
  };
  return {
    double,
    lease,
    state,
    mirror,
    restored,
    async [Symbol.asyncDispose]() {
      state.close();
      await double[Symbol.asyncDispose]();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

const leaf = (name: string) => ({ leaf: name, from: null, to: null });

test("a state that begins again knows every chunk that may have been merged, and never uses an id twice", async () => {
  await using one = await bench();
  const store = new ChunkStore(one.state, "target", one.mirror);
  const [first] = store.planChunks("public.a", [leaf("public.a")]);
  await one.mirror.copy();
  const rest = store.cutChunk(first?.id ?? 0, ["ä\u00ff'100"]);
  store.planChunks("public.b", [leaf("public.b")]);
  await store.kept();
  const gone = store.planChunks("public.c", [leaf("public.c")]);
  store.forgetTable("public.c");
  store.cutChunk(rest.id, ["200"]);
  await store.kept();
  const again = await one.restored("there");
  const there = new ChunkStore(again, "target");
  for (const table of ["public.a", "public.b", "public.c"]) assert.deepEqual(there.chunks(table), store.chunks(table), table);
  const [next] = there.planChunks("public.d", [leaf("public.d")]);
  assert.ok((next?.id ?? 0) > Math.max(...gone.map(({ id }) => id), rest.id + 1));
  again.close();
});

test("what is decided while the answer of an upload is lost is there in the end, in its order", async () => {
  await using one = await bench();
  await one.mirror.copy();
  const store = new ChunkStore(one.state, "target", one.mirror);
  const [first] = store.planChunks("public.a", [leaf("public.a")]);
  one.double.fault = ({ method }) => (method === "PUT" ? "lost-answer" : null);
  await assert.rejects(store.kept(), { code: "BUCKET_UNREACHABLE" });
  store.cutChunk(first?.id ?? 0, ["7"]);
  one.double.fault = () => null;
  await store.kept();
  const again = await one.restored("there");
  assert.deepEqual(new ChunkStore(again, "target").chunks("public.a"), store.chunks("public.a"));
  again.close();
});

test("a copy is made when something that counts has changed, takes the place of the one before, and of the facts in it", async () => {
  await using one = await bench();
  const store = new ChunkStore(one.state, "target", one.mirror);
  store.planChunks("public.a", [leaf("public.a")]);
  await one.mirror.copyChanges();
  const { state } = one.lease.head;
  await one.mirror.copyChanges();
  assert.equal(one.lease.head.state?.key, state?.key);
  store.planChunks("public.b", [leaf("public.b")]);
  await store.kept();
  assert.equal(one.lease.head.chunks.length, 1);
  new MilestoneStore(one.state).reach("barrier-passed");
  await one.mirror.copyChanges();
  assert.notEqual(one.lease.head.state?.key, state?.key);
  assert.deepEqual(one.lease.head.chunks, []);
  // The head, and the copy that it names.
  assert.equal(one.double.objects.size, 2);
  const again = await one.restored("there");
  assert.ok(new MilestoneStore(again).has("barrier-passed"));
  assert.equal(new ChunkStore(again, "target").chunks("public.b").length, 1);
  again.close();
});

test("a log of which nothing was uploaded begins again where the slot does", async () => {
  await using one = await bench();
  const tails = new TailStore(one.state);
  tails.create("forward", { name: "slot", startLsn: 100n, xidReference: 7n });
  tails.advance("forward", { durableLsn: 900n, xidReference: 9n, lastCommitMicros: null, transactions: 1, changes: 1, bytes: 1 });
  await one.mirror.copy();
  const again = await one.restored("there");
  const { durableLsn, startLsn } = new TailStore(again).get("forward") ?? assert.fail("no tail");
  assert.deepEqual([startLsn, durableLsn], [100n, 100n]);
  again.close();
});

test("a copy that is damaged is refused, and leaves no state behind", async () => {
  await using one = await bench();
  await one.mirror.copy();
  const key = `p/orders/${one.lease.head.state?.key}`;
  const found = one.double.objects.get(key);
  assert.ok(found !== undefined);
  one.double.objects.set(key, { ...found, body: found.body.subarray(9) });
  await assert.rejects(one.restored("there"), { code: "BUCKET_DAMAGED" });
});
