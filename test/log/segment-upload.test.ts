import assert from "node:assert/strict";
import { readdirSync, readFileSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { openClosedLog } from "../../src/log/remote/closed-log.ts";
import { restoreSegments } from "../../src/log/remote/restore-segments.ts";
import { SegmentUpload } from "../../src/log/remote/segment-upload.ts";
import { formatLsn, type Lsn } from "../../src/model/lsn.ts";
import { openBucket } from "../../src/s3/open-bucket.ts";
import { RemoteLease } from "../../src/s3/remote-lease.ts";
import { systemClock } from "../../src/workflow/system-clock.ts";
import { pgoutput } from "../pgoutput/encode.ts";
import { S3Double } from "../support/s3-double.ts";
import { lsnOf, openLog, RELATION_A, readAll, tempDir } from "./bench.ts";

async function bench() {
  const double = await S3Double.start();
  Object.assign(process.env, double.environment);
  const settings = { bucket: "bucket", prefix: "", endpoint: double.endpoint, region: null, pathStyle: true, kmsKey: null };
  const bucket = await openBucket(settings, "orders");
  const take = (directory: string, hasState = false): Promise<RemoteLease> => {
    const holder = { host: directory, pid: 1, command: "run", since: "2026-01-01T00:00:00Z" };
    return RemoteLease.take(bucket, {
      migration: "orders",
      holder,
      directory,
      hasState,
      waiting: () => undefined,
      sleep: () => Promise.resolve(),
    });
  };
  const uploadTo = (lease: RemoteLease, crashPoint: (name: string) => void = () => undefined): SegmentUpload =>
    new SegmentUpload({ bucket, lease, stream: "forward", clock: systemClock, crashPoint, pieceBytes: 200 });
  return { double, bucket, take, uploadTo, [Symbol.asyncDispose]: () => double[Symbol.asyncDispose]() };
}

type Log = Awaited<ReturnType<typeof openLog>>;

/** Transactions `from` to `to`, a group commit each. */
async function grow(log: Log, from: number, to: number): Promise<void> {
  for (let n = from; n <= to; n += 1) {
    log.append(pgoutput.transaction(lsnOf(n), 700 + n, RELATION_A, pgoutput.insert(1, [String(n), "x".repeat(90)])));
    await log.flush();
  }
}

/** The files there are those here, up to where they end: a trailer, or the front of the next segment, goes up with the next transaction. */
function assertSame(there: string, here: string): void {
  const [copies, files] = [filesOf(there), filesOf(here)];
  assert.ok(copies.size >= files.size - 1);
  for (const [name, bytes] of copies) assert.ok(files.get(name)?.subarray(0, bytes.length).equals(bytes), name);
}

function filesOf(dir: string): Map<string, Buffer> {
  return new Map(
    readdirSync(dir)
      .sort()
      .map((name) => [name, readFileSync(join(dir, name))]),
  );
}

async function restored(one: Awaited<ReturnType<typeof bench>>, lease: RemoteLease, dir: string): Promise<{ lsn: Lsn }> {
  const head = lease.head.logs.forward;
  assert.ok(head !== undefined);
  return restoreSegments({ bucket: one.bucket, stream: "forward", head, dir });
}

describe("the log in the bucket", () => {
  it("is the same files, byte for byte, up to what was uploaded", async () => {
    await using one = await bench();
    using here = tempDir();
    using there = tempDir();
    const lease = await one.take("a");
    const log = await openLog(here.path, { segmentBytes: 1_000 });
    const upload = one.uploadTo(lease);
    for (let n = 0; n < 5; n += 1) {
      await grow(log, n * 7 + 1, n * 7 + 7);
      await upload.step(log);
    }
    assert.equal(upload.durable().lsn, log.durable().lsn);
    assert.ok(readdirSync(here.path).length > 2);
    // Half a transaction is in nobody's log.
    log.append(pgoutput.frames(pgoutput.begin(lsnOf(40), 740), pgoutput.insert(1, ["40", "half"])));
    await log.flush();
    await upload.step(log);
    assert.equal((await restored(one, lease, there.path)).lsn, lsnOf(35) + 8n);
    assertSame(there.path, here.path);
    await log.close();
    const again = await openLog(there.path, { segmentBytes: 1_000 });
    assert.equal((await readAll(again)).length, 35);
    await again.close();
  });

  it("counts nothing of a writer that was fenced, and goes on at the same place", async () => {
    await using one = await bench();
    using here = tempDir();
    using there = tempDir();
    using third = tempDir();
    const old = await one.take("a");
    const log = await openLog(here.path, { segmentBytes: 1_000 });
    const upload = one.uploadTo(old);
    await grow(log, 1, 3);
    await upload.step(log);
    one.double.clockAhead = 60_000;
    const next = await one.take("b");
    await restored(one, next, there.path);
    // The old one does not know yet. It puts objects there, and can acknowledge nothing of them.
    const before = upload.durable().lsn;
    await grow(log, 4, 12);
    await assert.rejects(upload.step(log), { code: "STATE_LOCKED" });
    assert.equal(upload.durable().lsn, before);
    await log.close();
    const other = await openLog(there.path, { segmentBytes: 1_000 });
    await grow(other, 4, 20);
    const goesOn = one.uploadTo(next);
    await goesOn.step(other);
    await other.close();
    assert.equal((await restored(one, next, third.path)).lsn, lsnOf(20) + 8n);
    assertSame(third.path, there.path);
  });

  for (const point of ["before-upload", "after-upload", "after-upload-named"]) {
    it(`survives a crash ${point}: the next life on this machine goes on`, async () => {
      await using one = await bench();
      using here = tempDir();
      using there = tempDir();
      const log = await openLog(here.path, { segmentBytes: 1_000 });
      await grow(log, 1, 4);
      await one.uploadTo(await one.take("a")).step(log);
      await grow(log, 5, 6);
      const dying = one.uploadTo(await one.take("a", true), (name) => {
        if (name === point) throw new Error("killed");
      });
      await assert.rejects(dying.step(log), /killed/);
      await grow(log, 7, 16);
      const lease = await one.take("a", true);
      await one.uploadTo(lease).step(log);
      await log.close();
      assert.equal((await restored(one, lease, there.path)).lsn, lsnOf(16) + 8n);
      assertSame(there.path, here.path);
    });
  }

  it("sends the same piece again where the answer is lost, though the log has grown", async () => {
    await using one = await bench();
    using here = tempDir();
    using there = tempDir();
    const lease = await one.take("a");
    const log = await openLog(here.path);
    const upload = one.uploadTo(lease);
    await grow(log, 1, 1);
    one.double.fault = ({ method, key }) => (method === "PUT" && key.includes("log/") ? "lost-answer" : null);
    await assert.rejects(upload.step(log), { code: "BUCKET_UNREACHABLE" });
    one.double.fault = () => null;
    await grow(log, 2, 9);
    await upload.step(log);
    await log.close();
    await restored(one, lease, there.path);
    assertSame(there.path, here.path);
  });

  it("says nothing durable while the bucket is away for an hour, releases nothing, and catches up", async () => {
    await using one = await bench();
    using here = tempDir();
    using there = tempDir();
    const lease = await one.take("a");
    const upload = one.uploadTo(lease);
    const log = await openLog(here.path, { segmentBytes: 1_000, copiedTo: () => upload.durable().lsn });
    await grow(log, 1, 5);
    await upload.step(log);
    const before = upload.durable().lsn;
    let now = 0;
    one.double.fault = ({ key }) => (key.includes("log/") ? "refuse" : null);
    for (let n = 6; now < 3_600_000; n += 1) {
      if (n <= 60) await grow(log, n, n);
      if (n % 300 === 0) await assert.rejects(upload.step(log));
      now += 10_000;
    }
    assert.equal(upload.durable().lsn, before);
    await log.release(lsnOf(60));
    one.double.fault = () => null;
    await upload.step(log);
    assert.equal(upload.durable().lsn, log.durable().lsn);
    assert.equal((await restored(one, lease, there.path)).lsn, lsnOf(60) + 8n);
    await log.release(lsnOf(60));
    assert.ok(readdirSync(here.path).length < 3);
    await log.close();
  });

  it("refuses to be put together where a piece is missing or was cut", async () => {
    await using one = await bench();
    using here = tempDir();
    using there = tempDir();
    const lease = await one.take("a");
    const log = await openLog(here.path, { segmentBytes: 1_000 });
    await grow(log, 1, 20);
    await one.uploadTo(lease).step(log);
    await log.close();
    const pieces = [...one.double.objects.keys()].filter((key) => key.includes("log/"));
    const victim = pieces[3] as string;
    const whole = one.double.objects.get(victim);
    assert.ok(whole !== undefined);
    one.double.objects.delete(victim);
    await assert.rejects(restored(one, lease, there.path), { code: "BUCKET_DAMAGED" });
    one.double.objects.set(victim, { ...whole, body: whole.body.subarray(1) });
    await assert.rejects(restored(one, lease, there.path), { code: "BUCKET_DAMAGED" });
  });

  it("uploads a log that nobody writes, without what a crash left of a transaction", async () => {
    await using one = await bench();
    using here = tempDir();
    using there = tempDir();
    const log = await openLog(here.path);
    await grow(log, 1, 6);
    await log.close();
    const [name = ""] = readdirSync(here.path);
    truncateSync(join(here.path, name), readFileSync(join(here.path, name)).length - 3);
    const lease = await one.take("a");
    const closed = await openClosedLog(here.path);
    assert.ok(closed !== null);
    await one.uploadTo(lease).step(closed);
    assert.equal(formatLsn((await restored(one, lease, there.path)).lsn), formatLsn(lsnOf(5) + 8n));
    assert.equal(await openClosedLog(join(here.path, "none")), null);
  });
});
