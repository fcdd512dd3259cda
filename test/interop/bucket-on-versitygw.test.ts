import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { checkBucket } from "../../src/s3/check-bucket.ts";
import { type OpenBucket, openBucket } from "../../src/s3/open-bucket.ts";
import { RemoteLease } from "../../src/s3/remote-lease.ts";
import { openBench } from "../scenario/migration-bench.ts";
import { assertEqualDatabases } from "../support/compare.ts";
import { deadline } from "../support/deadline.ts";
import { startProxy } from "../support/proxy.ts";
import { startWriters } from "../support/writers.ts";
import { type S3Server, startVersitygw, versitygw } from "./versitygw.ts";

const found = versitygw();
const skip = "missing" in found ? found.missing : false;
const binary = "binary" in found ? found.binary : "";

function open({ environment }: S3Server, endpoint: string): Promise<OpenBucket> {
  Object.assign(process.env, environment);
  return openBucket({ bucket: "bucket", prefix: "p", endpoint, region: null, pathStyle: true, kmsKey: null }, "orders");
}

describe("a bucket on versitygw", { skip }, () => {
  it("has one winner of each object that many create, and of each head that many replace", async () => {
    await using server = await startVersitygw(binary);
    const bucket = await open(server, server.endpoint);
    for (let n = 0; n < 10; n += 1) {
      const wins = await Promise.all(Array.from({ length: 8 }, (_, writer) => bucket.create(`race/${n}`, Buffer.from(`writer ${writer}`))));
      assert.equal(wins.filter(Boolean).length, 1);
    }
    await bucket.create("counter", Buffer.from("0:begin"));
    let won = 0;
    const increment = async (writer: number): Promise<void> => {
      for (let n = 0; n < 10; n += 1) {
        const { body, etag } = (await bucket.get("counter")) ?? assert.fail("no counter");
        const next = Number(body.toString().split(":")[0]) + 1;
        if ((await bucket.replace("counter", Buffer.from(`${next}:${writer}.${n}`), etag)) !== null) won += 1;
      }
    };
    await Promise.all(Array.from({ length: 8 }, (_, writer) => increment(writer)));
    assert.equal(Number((await bucket.get("counter"))?.body.toString().split(":")[0]), won);
  });

  it("is the same after connections that are cut in the middle of requests and answers", {
    timeout: deadline(180_000),
  }, async () => {
    await using server = await startVersitygw(binary);
    await using proxy = await startProxy({ to: server.port, seed: 7 });
    const bucket = await open(server, proxy.through(server.endpoint).replace(/\/$/, ""));
    const holder = { host: "a", pid: 1, command: "run", since: "2026-01-01T00:00:00Z" };
    const claim = {
      migration: "orders",
      holder,
      directory: "a",
      hasState: false,
      waiting: () => undefined,
      sleep: () => Promise.resolve(),
    };
    const lease = await RemoteLease.take(bucket, claim);
    proxy.cutRandomly({ minBytes: 100, maxBytes: 60_000 });
    const body = Buffer.alloc(40_000, 3);
    for (let n = 0; n < 20; n += 1) {
      const key = `chunks/${n}`;
      for (let left = 50; left > 0; left -= 1) {
        const isDone = await bucket
          .create(key, Buffer.concat([body, Buffer.from(String(n))]))
          .then(() => lease.commit((head) => (head.chunks.includes(key) ? head : { ...head, chunks: [...head.chunks, key] })))
          .then(
            () => true,
            (error: { code?: string }) => (error.code === "BUCKET_UNREACHABLE" ? false : Promise.reject(error)),
          );
        if (isDone) break;
      }
    }
    proxy.cutRandomly(null);
    const after = await lease.commit((head) => head);
    assert.deepEqual(
      after.chunks,
      Array.from({ length: 20 }, (_, n) => `chunks/${n}`),
    );
    for (const key of after.chunks) assert.equal((await bucket.get(key))?.body.length, body.length + key.length - "chunks/".length);
  });

  it("passes the checks that decide", async () => {
    await using server = await startVersitygw(binary);
    const bucket = await open(server, server.endpoint);
    const results = new Map<string, string>();
    for await (const { id, status } of checkBucket(bucket)) results.set(id, status);
    assert.equal(results.get("bucket-access"), "pass");
    assert.equal(results.get("bucket-conditional-writes"), "pass");
    assert.equal(results.get("bucket-clock"), "pass");
    assert.ok(![...results.values()].includes("fail"));
  });

  it("carries a migration from a machine that is killed and lost to an empty one, equal at the end", {
    timeout: deadline(300_000),
  }, async () => {
    await using server = await startVersitygw(binary);
    const config = `state: { s3: "s3://bucket/p", endpoint: "${server.endpoint}" }\nlog: { segmentBytes: 64KB }\n`;
    await using bench = await openBench({ from: 14, to: 15, rows: 3_000, config });
    const writers = startWriters(bench.sourceDb.url, { writers: 4, seed: "versitygw", rows: 3_000, asyncCommits: false });
    try {
      for (const [machine, wanted] of [
        ["a", /phase=loading/],
        ["b", /phase=streaming/],
      ] as const) {
        const running = bench.start(["run", "--state-dir", machine], server.environment);
        await running.waitFor(wanted, 120_000);
        await new Promise((resolve) => setTimeout(resolve, 2_500));
        await running.kill("SIGKILL");
        rmSync(join(bench.dir, machine), { recursive: true, force: true });
      }
    } finally {
      await writers.stop();
    }
    const last = await bench.run(["run", "--until", "caught-up", "--state-dir", "c"], server.environment);
    assert.equal(last.code, 0, last.stderr);
    await assertEqualDatabases(bench.sourceDb.url, bench.targetDb.url);
    assert.deepEqual(await writers.ledgerProblems(bench.targetDb.url), []);
  });
});
