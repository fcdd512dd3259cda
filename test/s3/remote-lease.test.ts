import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { HEAD_KEY } from "../../src/s3/head.ts";
import { openBucket } from "../../src/s3/open-bucket.ts";
import { type LeaseClaim, RemoteLease, TTL_MILLIS } from "../../src/s3/remote-lease.ts";
import { S3Double } from "../support/s3-double.ts";

async function bench() {
  const double = await S3Double.start();
  Object.assign(process.env, double.environment);
  const bucket = await openBucket(
    { bucket: "bucket", prefix: "a", endpoint: double.endpoint, region: null, pathStyle: true, kmsKey: null },
    "orders",
  );
  return { double, bucket, [Symbol.asyncDispose]: () => double[Symbol.asyncDispose]() };
}

function claim(directory: string, hasState = false): LeaseClaim {
  const holder = { host: directory, pid: 1, command: "run", since: "2026-01-01T00:00:00Z" };
  return { migration: "orders", holder, directory, hasState, waiting: () => undefined, sleep: () => Promise.resolve() };
}

describe("the lease in the bucket", () => {
  it("tells the second operator who holds it, as soon as the holder shows", async () => {
    await using one = await bench();
    const lease = await RemoteLease.take(one.bucket, claim("a"));
    const looked = { ...claim("b"), sleep: async () => void (await lease.commit((head) => head)) };
    await assert.rejects(
      RemoteLease.take(one.bucket, looked),
      (error: Error) => /STATE_LOCKED/.test(Reflect.get(error, "code")) && /on a since/.test(error.message),
    );
  });

  it("goes to another after its silence by the server's clock, and fences whoever held it before", async () => {
    await using one = await bench();
    const old = await RemoteLease.take(one.bucket, claim("a"));
    one.double.clockAhead = TTL_MILLIS + 1_000;
    const next = await RemoteLease.take(one.bucket, claim("b"));
    assert.equal(next.epoch, 2);
    await assert.rejects(
      old.commit((head) => ({ ...head, chunks: ["x"] })),
      { code: "STATE_LOCKED" },
    );
    await assert.rejects(
      old.commit((head) => head),
      { code: "STATE_LOCKED" },
    );
    await old.release();
    assert.deepEqual((await next.commit((head) => head)).chunks, []);
    assert.equal(next.head.holder?.host, "b");
  });

  it("refuses a directory with a state that another machine has passed", async () => {
    await using one = await bench();
    await (await RemoteLease.take(one.bucket, claim("a"))).release();
    await (await RemoteLease.take(one.bucket, claim("b"))).release();
    await assert.rejects(RemoteLease.take(one.bucket, claim("a", true)), { code: "STATE_STALE" });
    assert.equal((await RemoteLease.take(one.bucket, claim("a", false))).epoch, 3);
  });

  it("is one holder's when many take it at once", async () => {
    await using one = await bench();
    await (await RemoteLease.take(one.bucket, claim("z"))).release();
    const names = ["a", "b", "c", "d", "e", "f"];
    const taken = await Promise.allSettled(
      names.map((name) => RemoteLease.take(one.bucket, { ...claim(name), sleep: () => Promise.reject(new Error("held")) })),
    );
    assert.equal(taken.filter(({ status }) => status === "fulfilled").length, 1);
  });

  for (const fault of ["lost-answer", "conflict"] as const) {
    it(`survives a ${fault}: what was written is written once, and no holder fences itself`, async () => {
      await using one = await bench();
      const lease = await RemoteLease.take(one.bucket, claim("a"));
      let left = 1;
      one.double.fault = ({ method, key }) => (method === "PUT" && key.endsWith(HEAD_KEY) && left-- > 0 ? fault : null);
      const head = await lease.commit((before) => ({ ...before, chunks: [...before.chunks, "one"] }));
      assert.deepEqual(head.chunks, ["one"]);
      assert.deepEqual((await lease.commit((before) => before)).chunks, ["one"]);
    });
  }

  it("does not know the outcome where every answer is lost, and finds out with the next write", async () => {
    await using one = await bench();
    const lease = await RemoteLease.take(one.bucket, claim("a"));
    one.double.fault = ({ key }) => (key.endsWith(HEAD_KEY) ? "lost-answer" : null);
    const add = (before: typeof lease.head) => ({ ...before, chunks: [...new Set([...before.chunks, "one"])] });
    await assert.rejects(lease.commit(add), { code: "BUCKET_UNREACHABLE" });
    one.double.fault = () => null;
    assert.deepEqual((await lease.commit(add)).chunks, ["one"]);
  });

  it("creates an object once: another content is refused, the same is ours", async () => {
    await using one = await bench();
    assert.equal(await one.bucket.create("x", Buffer.from("1")), true);
    assert.equal(await one.bucket.create("x", Buffer.from("1")), true);
    assert.equal(await one.bucket.create("x", Buffer.from("2")), false);
    let left = 1;
    one.double.fault = ({ method }) => (method === "PUT" && left-- > 0 ? "lost-answer" : null);
    assert.equal(await one.bucket.create("y", Buffer.from("1")), true);
  });

  it("never returns half of an object", async () => {
    await using one = await bench();
    await one.bucket.create("x", Buffer.alloc(100_000, 7));
    one.double.fault = ({ method }) => (method === "GET" ? "cut-body" : null);
    await assert.rejects(one.bucket.get("x"), { code: "BUCKET_UNREACHABLE" });
  });

  it("lists every page, and says no such bucket once and for all", async () => {
    await using one = await bench();
    for (let n = 0; n < 8; n += 1) await one.bucket.create(`p/${n}`, Buffer.from("x"));
    const keys: string[] = [];
    for await (const { key } of one.bucket.list("p/")) keys.push(key);
    assert.equal(keys.length, 8);
    const other = await openBucket({ ...one.bucket.settings, bucket: "missing" }, "orders");
    await assert.rejects(other.create("x", Buffer.from("1")), { code: "BUCKET_REFUSED" });
  });
});
