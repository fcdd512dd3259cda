import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { copyFileSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { test } from "node:test";
import { PghaulError } from "../../src/errors/pghaul-error.ts";
import type { Lsn } from "../../src/model/lsn.ts";
import { pgoutput } from "../pgoutput/encode.ts";
import { ALL, hasCode, insertInto, lsnOf, numbersOf, openLog, RELATION_A, RELATION_B, readAll, START, tempDir } from "./bench.ts";
import { type Disk, ForgetfulDisk } from "./forgetful-disk.ts";

/** A log of one open segment with three flushes, two transactions each; and its size after each. */
async function threeBlocks(
  dir: string,
): Promise<{ readonly path: string; readonly sizes: readonly number[]; readonly ends: readonly Lsn[] }> {
  const log = await openLog(dir);
  const path = join(dir, readdirSync(dir)[0] as string);
  const sizes = [statSync(path).size];
  const ends = [START];
  for (const n of [1, 3, 5]) {
    log.append(
      Buffer.concat([
        n === 1 ? pgoutput.transaction(lsnOf(1), 701, RELATION_A, pgoutput.insert(1, ["1", "x"])) : insertInto(n),
        insertInto(n + 1),
      ]),
    );
    await log.flush();
    sizes.push(statSync(path).size);
    ends.push(lsnOf(n + 1) + 8n);
  }
  await log.close();
  return { path, sizes, ends };
}

test("a torn tail, at any byte of the last block, is cut off and written again", async () => {
  using dir = tempDir();
  const { path, sizes, ends } = await threeBlocks(dir.path);
  const whole = readFileSync(path);
  const [, , before = 0, after = 0] = sizes;
  for (let size = before; size < after; size++) {
    writeFileSync(path, whole.subarray(0, size));
    const log = await openLog(dir.path, { durable: { lsn: ends[2] as Lsn, xidReference: 704n } });
    assert.deepEqual(numbersOf(await readAll(log)), [1, 2, 3, 4], `cut at ${size}`);
    assert.equal(statSync(path).size, before);
    log.append(Buffer.concat([insertInto(5), insertInto(6)]));
    await log.flush();
    assert.deepEqual(numbersOf(await readAll(log)), [1, 2, 3, 4, 5, 6]);
    await log.close();
  }
});

test("a flipped bit, anywhere in what was not on record, ends the log there", async () => {
  using dir = tempDir();
  const { path, sizes, ends } = await threeBlocks(dir.path);
  const whole = readFileSync(path);
  const [, , before = 0, after = 0] = sizes;
  for (let at = before; at < after; at++) {
    const damaged = Buffer.from(whole);
    damaged[at] = (damaged[at] as number) ^ (1 << (at % 8));
    writeFileSync(path, damaged);
    const log = await openLog(dir.path, { durable: { lsn: ends[2] as Lsn, xidReference: 704n } });
    assert.deepEqual(numbersOf(await readAll(log)), [1, 2, 3, 4], `flipped at ${at}`);
    await log.close();
  }
});

test("a flipped bit in what is on record as durable stops the open, names file and offset, and touches nothing", async () => {
  using dir = tempDir();
  const { path, sizes, ends } = await threeBlocks(dir.path);
  const whole = readFileSync(path);
  const [, first = 0, second = 0] = sizes;
  for (let at = first; at < second; at++) {
    const damaged = Buffer.from(whole);
    damaged[at] = (damaged[at] as number) ^ (1 << (at % 8));
    writeFileSync(path, damaged);
    await assert.rejects(openLog(dir.path, { durable: { lsn: ends[3] as Lsn, xidReference: 706n } }), (error) => {
      assert.ok(error instanceof PghaulError && error.code === "LOG_CORRUPT");
      assert.equal(error.context.file, basename(path));
      assert.equal(error.context.offset, first);
      return true;
    });
    assert.deepEqual(readFileSync(path), damaged);
  }
});

test("a file that is shorter than the record says is refused, not shortened further", async () => {
  using dir = tempDir();
  const { path, sizes, ends } = await threeBlocks(dir.path);
  truncateSync(path, sizes[2]);
  await assert.rejects(openLog(dir.path, { durable: { lsn: ends[3] as Lsn, xidReference: 706n } }), hasCode("LOG_CORRUPT"));
  assert.equal(statSync(path).size, sizes[2]);
});

test("a log that is gone altogether is refused once something was on record", async () => {
  using dir = tempDir();
  await assert.rejects(openLog(dir.path, { durable: { lsn: START + 1n, xidReference: 700n } }), hasCode("LOG_CORRUPT"));
  const log = await openLog(dir.path, { durable: { lsn: START, xidReference: 700n } });
  await log.close();
});

test("a flipped bit in the header is noticed", async () => {
  using dir = tempDir();
  const { path, sizes } = await threeBlocks(dir.path);
  const whole = readFileSync(path);
  for (let at = 0; at < (sizes[0] as number); at++) {
    const damaged = Buffer.from(whole);
    damaged[at] = (damaged[at] as number) ^ 1;
    writeFileSync(path, damaged);
    await assert.rejects(openLog(dir.path, { durable: { lsn: lsnOf(6) + 8n, xidReference: 706n } }), (error) => {
      return error instanceof PghaulError && ["LOG_CORRUPT", "STATE_NEWER"].includes(error.code);
    });
  }
});

test("a crash while sealing, at any byte of the trailer, loses nothing", async () => {
  using dir = tempDir();
  const sealing = await openLog(dir.path, { segmentBytes: 1 });
  const path = join(dir.path, readdirSync(dir.path)[0] as string);
  sealing.append(Buffer.concat([pgoutput.transaction(lsnOf(1), 701, RELATION_A, pgoutput.insert(1, ["1", "x"])), insertInto(2)]));
  const durable = await sealing.flush();
  await sealing.close();
  const sealed = readFileSync(path);
  const next = readdirSync(dir.path).find((name) => name !== basename(path)) as string;
  for (let size = sealed.length; size > sealed.length - 200; size--) {
    using copy = tempDir();
    writeFileSync(join(copy.path, basename(path)), sealed.subarray(0, size));
    const log = await openLog(copy.path, { durable });
    log.append(insertInto(3));
    await log.flush();
    assert.deepEqual(numbersOf(await readAll(log)), [1, 2, 3], `cut at ${size}`);
    await log.close();
  }
  // The footer reached the disk, the index in front of it did not.
  using copy = tempDir();
  const torn = Buffer.from(sealed);
  torn.fill(0, sealed.length - 60, sealed.length - 20);
  writeFileSync(join(copy.path, basename(path)), torn);
  const log = await openLog(copy.path, { durable });
  assert.deepEqual(numbersOf(await readAll(log)), [1, 2]);
  await log.close();
  // The next segment's name was not there yet, only what it was to become.
  copyFileSync(join(dir.path, next), join(copy.path, `${next}.new`));
  await (await openLog(copy.path, { durable })).close();
  assert.ok(!readdirSync(copy.path).some((name) => name.endsWith(".new")));
});

test("a damaged block of a sealed segment is found when it is read, and names file and offset", async () => {
  using dir = tempDir();
  const log = await openLog(dir.path, { segmentBytes: 1 });
  const path = join(dir.path, readdirSync(dir.path)[0] as string);
  const frontLength = statSync(path).size;
  log.append(pgoutput.transaction(lsnOf(1), 701, RELATION_A, pgoutput.insert(1, ["1", "x"])));
  const durable = await log.flush();
  await log.close();
  const damaged = readFileSync(path);
  damaged[frontLength + 30] = (damaged[frontLength + 30] as number) ^ 4;
  writeFileSync(path, damaged);
  const again = await openLog(dir.path, { durable });
  await assert.rejects(readAll(again), (error) => {
    assert.ok(error instanceof PghaulError && error.code === "LOG_CORRUPT");
    assert.equal(error.context.file, basename(path));
    assert.equal(error.context.offset, frontLength);
    return true;
  });
  await again.close();
});

test("a damaged trailer of an older segment is found when it is read", async () => {
  using dir = tempDir();
  const log = await openLog(dir.path, { segmentBytes: 1 });
  const path = join(dir.path, readdirSync(dir.path)[0] as string);
  log.append(pgoutput.transaction(lsnOf(1), 701, RELATION_A, pgoutput.insert(1, ["1", "x"])));
  await log.flush();
  log.append(insertInto(2));
  const durable = await log.flush();
  await log.close();
  const whole = readFileSync(path);
  for (let at = whole.length - 40; at < whole.length; at++) {
    const damaged = Buffer.from(whole);
    damaged[at] = (damaged[at] as number) ^ 1;
    writeFileSync(path, damaged);
    const again = await openLog(dir.path, { durable });
    await assert.rejects(readAll(again), hasCode("LOG_CORRUPT"), `flipped at ${at}`);
    await again.close();
  }
});

test("a segment missing in the middle is noticed", async () => {
  using dir = tempDir();
  const log = await openLog(dir.path, { segmentBytes: 1 });
  for (const frames of [pgoutput.transaction(lsnOf(1), 701, RELATION_A, pgoutput.insert(1, ["1", "x"])), insertInto(2), insertInto(3)]) {
    log.append(frames);
    await log.flush();
  }
  await log.close();
  rmSync(join(dir.path, readdirSync(dir.path).sort()[1] as string));
  await assert.rejects(openLog(dir.path), hasCode("LOG_CORRUPT"));
});

test("the unfinished part of a large transaction is cut off on open, and taken back on reconnect", async () => {
  using dir = tempDir();
  const log = await openLog(dir.path);
  const path = join(dir.path, readdirSync(dir.path)[0] as string);
  log.append(pgoutput.transaction(lsnOf(1), 701, RELATION_A, RELATION_B, pgoutput.insert(1, ["1", "x"])));
  const durable = await log.flush();
  const size = statSync(path).size;
  const rows = Array.from({ length: 5_000 }, (_, n) => pgoutput.insert(1, [String(n), `${Math.random()}`.repeat(10)]));
  log.append(pgoutput.frames(pgoutput.begin(lsnOf(2), 702), ...rows));
  assert.equal(await log.flush(), null);
  assert.ok(statSync(path).size > size, "parts of it are in the file");
  await log.startStream();
  assert.equal(statSync(path).size, size);
  log.append(pgoutput.frames(pgoutput.begin(lsnOf(2), 702), ...rows));
  await log.flush();
  await log.close();
  const again = await openLog(dir.path, { durable });
  assert.equal(statSync(path).size, size);
  again.append(
    Buffer.concat([
      pgoutput.frames(pgoutput.begin(lsnOf(2), 702), ...rows),
      pgoutput.frames(pgoutput.commit(lsnOf(2), lsnOf(2) + 8n)),
      insertInto(3, 2),
    ]),
  );
  await again.flush();
  const pieces = await readAll(again);
  assert.deepEqual([...new Set(numbersOf(pieces))], [1, 2, 3]);
  assert.equal(
    pieces.reduce((sum, { changes }) => sum + changes.length, 0),
    1 + 5_000 + 1,
  );
  await again.close();
});

test("a failed write reports a full disk, and the log goes on from its last good block after it is opened again", async () => {
  using dir = tempDir();
  const { path, ends } = await threeBlocks(dir.path);
  const durable = { lsn: ends[3] as Lsn, xidReference: 706n };
  // A limit on the file's size stands in for a full disk: the write is cut short, then refused.
  const child = new URL("full-disk-child.ts", import.meta.url).pathname;
  const run = spawnSync("/bin/sh", ["-c", `ulimit -f 64; exec "$0" "$1" "$2"`, process.execPath, child, dir.path], { encoding: "utf8" });
  assert.equal(run.stdout, "STATE_DISK_FULL STATE_DISK_FULL waiter:STATE_DISK_FULL\n", run.stderr);
  assert.ok(statSync(path).size > 0);
  const log = await openLog(dir.path, { durable });
  const held = numbersOf(await readAll(log));
  assert.deepEqual(held, [1, 2, 3, 4, 5, 6]);
  log.append(insertInto(7));
  await log.flush();
  assert.deepEqual(numbersOf(await readAll(log)), [1, 2, 3, 4, 5, 6, 7]);
  await log.close();
});

test("segments that were let go may come back after a power cut, in any order, and never leave a hole", async () => {
  using dir = tempDir();
  const outcomes: { readonly what: string; readonly disk: Disk }[] = [];
  const disk = new ForgetfulDisk(dir.path, (what) => {
    for (const kept of disk.keptInAnyOrder()) outcomes.push({ what, disk: kept });
  });
  const log = await openLog(dir.path, { files: disk, segmentTransactions: 1 });
  log.append(pgoutput.transaction(lsnOf(1), 701, RELATION_A, pgoutput.insert(1, ["1", "x"])));
  await log.flush();
  for (let n = 2; n <= 5; n++) {
    log.append(insertInto(n));
    await log.flush();
  }
  outcomes.length = 0;
  await log.release(lsnOf(3));
  await log.release(lsnOf(5));
  await log.close();
  assert.ok(outcomes.length > 4, "each removal was seen");
  for (const { what, disk: left } of outcomes) {
    using after = tempDir();
    for (const [name, content] of left) writeFileSync(join(after.path, name), content);
    const again = await openLog(after.path, { durable: { lsn: lsnOf(5) + 8n, xidReference: 705n } }).catch((error: unknown) =>
      assert.fail(`after ${what}, with ${[...left.keys()].join(", ")} left: ${error}`),
    );
    assert.deepEqual(numbersOf(await readAll(again, ALL, lsnOf(5))), [5], what);
    await again.close();
  }
});
