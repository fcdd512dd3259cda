import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { test } from "node:test";
import { pgoutput } from "../pgoutput/encode.ts";
import {
  ALL,
  collect,
  hasCode,
  insertInto,
  lsnOf,
  NEVER,
  numbersOf,
  openLog,
  RELATION_A,
  RELATION_B,
  readAll,
  START,
  tempDir,
} from "./bench.ts";

const FIRST = pgoutput.transaction(lsnOf(1), 701, RELATION_A, pgoutput.insert(1, ["1", "row 1"]));

test("a transaction is there once it was flushed, not before", async () => {
  using dir = tempDir();
  const log = await openLog(dir.path);
  assert.equal(log.start(), START);
  assert.equal(log.passed(), START);
  log.append(FIRST);
  assert.deepEqual(await readAll(log), []);
  const step = await log.flush();
  assert.deepEqual(step, {
    lsn: lsnOf(1) + 8n,
    xidReference: 701n,
    transactions: 1,
    changes: 1,
    bytes: FIRST.length - 4 * 4,
    lastCommitMicros: 946_684_800_000_000n,
  });
  assert.equal(log.passed(), lsnOf(1) + 8n);
  assert.deepEqual(await readAll(log), [
    {
      header: { xid: 701n, commitLsn: lsnOf(1), endLsn: lsnOf(1) + 8n, commitMicros: 946_684_800_000_000n, origin: null },
      firstOrdinal: 0,
      last: true,
      changes: [{ kind: "insert", table: "public.a", row: ["1", "row 1"] }],
    },
  ]);
  assert.equal(await log.flush(), null);
  await log.close();
});

test("frames may be cut anywhere between messages; half a transaction is never durable", async () => {
  using dir = tempDir();
  const log = await openLog(dir.path);
  log.append(pgoutput.frames(pgoutput.begin(lsnOf(1), 701), RELATION_A));
  assert.equal(await log.flush(), null);
  log.append(pgoutput.frames(pgoutput.insert(1, ["1", "x"])));
  assert.equal(await log.flush(), null);
  assert.equal(log.passed(), START);
  log.append(
    Buffer.concat([
      pgoutput.frames(pgoutput.commit(lsnOf(1), lsnOf(1) + 8n)),
      insertInto(2),
      pgoutput.frames(pgoutput.begin(lsnOf(3), 703)),
    ]),
  );
  assert.equal((await log.flush())?.lsn, lsnOf(2) + 8n);
  log.append(pgoutput.frames(pgoutput.insert(1, ["3", "z"]), pgoutput.commit(lsnOf(3), lsnOf(3) + 8n)));
  assert.equal((await log.flush())?.lsn, lsnOf(3) + 8n);
  assert.deepEqual(numbersOf(await readAll(log)), [1, 2, 3]);
  await log.close();
});

test("after a restart everything flushed is there, and appending goes on", async () => {
  using dir = tempDir();
  const first = await openLog(dir.path);
  first.append(Buffer.concat([FIRST, insertInto(2)]));
  const durable = await first.flush();
  first.append(insertInto(3)); // never flushed: lost with the process, and sent again
  await first.close();
  const second = await openLog(dir.path, { durable });
  assert.equal(second.passed(), lsnOf(2) + 8n);
  assert.deepEqual(second.durable(), { lsn: lsnOf(2) + 8n, xidReference: 702n });
  second.append(Buffer.concat([insertInto(3), insertInto(4)]));
  await second.flush();
  assert.deepEqual(numbersOf(await readAll(second)), [1, 2, 3, 4]);
  assert.deepEqual(
    (await readAll(second)).map(({ header }) => header.xid),
    [701n, 702n, 703n, 704n],
  );
  await second.close();
});

test("what is sent again after a reconnect is left out, an unfinished transaction is taken from its beginning", async () => {
  using dir = tempDir();
  const log = await openLog(dir.path);
  log.append(Buffer.concat([FIRST, insertInto(2), pgoutput.frames(pgoutput.begin(lsnOf(3), 703), pgoutput.insert(1, ["3", "first try"]))]));
  await log.flush();
  assert.equal(await log.startStream(), lsnOf(2) + 8n);
  log.append(Buffer.concat([FIRST, insertInto(2), insertInto(3), insertInto(4)]));
  await log.flush();
  const pieces = await readAll(log);
  assert.deepEqual(numbersOf(pieces), [1, 2, 3, 4]);
  assert.deepEqual(pieces[2]?.changes, [{ kind: "insert", table: "public.a", row: ["3", "row 3"] }]);
  await log.close();
});

test("transactions appended but not flushed survive a reconnect of the same process", async () => {
  using dir = tempDir();
  const log = await openLog(dir.path);
  log.append(Buffer.concat([FIRST, insertInto(2)]));
  await log.startStream();
  log.append(Buffer.concat([FIRST, insertInto(2), insertInto(3)]));
  await log.flush();
  assert.deepEqual(numbersOf(await readAll(log)), [1, 2, 3]);
  await log.close();
});

test("empty transactions are left out, but move the log on", async () => {
  using dir = tempDir();
  const log = await openLog(dir.path);
  log.append(
    Buffer.concat([FIRST, pgoutput.transaction(lsnOf(2), 702), insertInto(3), pgoutput.transaction(lsnOf(4), 704, pgoutput.origin("o"))]),
  );
  const step = await log.flush();
  assert.equal(step?.transactions, 2);
  assert.equal(step?.lsn, lsnOf(3) + 8n);
  assert.equal(log.passed(), lsnOf(4) + 8n);
  assert.equal(log.durable().xidReference, 704n);
  assert.deepEqual(numbersOf(await readAll(log)), [1, 3]);
  await log.close();
});

test("a keepalive moves passed() at once, the durable point within a second, and only between transactions", async () => {
  using dir = tempDir();
  let now = 0;
  const log = await openLog(dir.path, { now: () => now });
  log.keepalive(lsnOf(5));
  assert.equal(log.passed(), START, "what was appended before may not be durable yet");
  assert.equal(await log.flush(), null);
  assert.equal(log.passed(), lsnOf(5));
  assert.equal(log.durable().lsn, START);
  now = 1_001;
  assert.equal((await log.flush())?.lsn, lsnOf(5));
  log.append(pgoutput.frames(pgoutput.begin(lsnOf(6), 701)));
  log.keepalive(lsnOf(9));
  await log.flush();
  assert.equal(log.passed(), lsnOf(5), "a transaction is open");
  await log.close();
  const again = await openLog(dir.path, { durable: { lsn: lsnOf(5), xidReference: 701n } });
  assert.equal(again.passed(), lsnOf(5));
  await again.close();
});

test("waitPassed settles when the log has come so far, rejects on abort and when the tail has failed", async () => {
  using dir = tempDir();
  const log = await openLog(dir.path);
  await log.waitPassed(START, NEVER);
  const waited = log.waitPassed(lsnOf(1) + 8n, NEVER);
  const farther = log.waitPassed(lsnOf(9), NEVER);
  const stop = new AbortController();
  const aborted = log.waitPassed(lsnOf(9), stop.signal);
  log.append(FIRST);
  await log.flush();
  await waited;
  stop.abort(new Error("stopped"));
  await assert.rejects(aborted, /stopped/);
  log.fail(new Error("the slot is gone"));
  await assert.rejects(farther, /the slot is gone/);
  await assert.rejects(log.waitPassed(lsnOf(9), NEVER), /the slot is gone/);
  await log.waitPassed(lsnOf(1), NEVER);
  await log.close();
});

test("a range is half open, and ends at what is durable", async () => {
  using dir = tempDir();
  const log = await openLog(dir.path);
  log.append(Buffer.concat([FIRST, insertInto(2), insertInto(3), insertInto(4)]));
  await log.flush();
  log.append(insertInto(5));
  assert.deepEqual(numbersOf(await collect(log.read({ from: lsnOf(2), to: lsnOf(4) }, ALL, NEVER))), [2, 3]);
  assert.deepEqual(numbersOf(await collect(log.read({ from: lsnOf(2) + 1n, to: lsnOf(4) + 1n }, ALL, NEVER))), [3, 4]);
  assert.deepEqual(numbersOf(await collect(log.headers({ from: lsnOf(4), to: lsnOf(9) }, NEVER))), [4]);
  await assert.rejects(collect(log.read({ from: START - 1n, to: lsnOf(4) }, ALL, NEVER)), hasCode("LOG_GAP"));
  await log.close();
});

test("only changes of the wanted tables come, transactions without any are left out", async () => {
  using dir = tempDir();
  const log = await openLog(dir.path);
  const both = pgoutput.transaction(
    lsnOf(2),
    702,
    RELATION_B,
    pgoutput.insert(2, ["2", "b"]),
    pgoutput.insert(1, ["2", "a"]),
    pgoutput.truncate(1, 2),
  );
  log.append(Buffer.concat([FIRST, both, insertInto(3, 2), insertInto(4)]));
  await log.flush();
  const ofB = await readAll(log, new Set(["public.b"]));
  assert.deepEqual(numbersOf(ofB), [2, 3]);
  assert.deepEqual(ofB[0]?.changes, [
    { kind: "insert", table: "public.b", row: ["2", "b"] },
    { kind: "truncate", tables: ["public.b"] },
  ]);
  assert.deepEqual(await readAll(log, new Set(["public.unknown"])), []);
  assert.deepEqual(numbersOf(await collect(log.headers({ from: START, to: log.passed() }, NEVER))), [1, 2, 3, 4]);
  await log.close();
});

test("our own writes, told by their origin, are never returned; other origins are", async () => {
  using dir = tempDir();
  const log = await openLog(dir.path);
  const ours = pgoutput.transaction(lsnOf(2), 702, pgoutput.origin("pghaul_orders_reverse"), pgoutput.insert(1, ["2", "ours"]));
  const theirs = pgoutput.transaction(lsnOf(3), 703, pgoutput.origin("pg_16388"), pgoutput.insert(1, ["3", "theirs"]));
  log.append(Buffer.concat([FIRST, ours, theirs]));
  await log.flush();
  const pieces = await readAll(log);
  assert.deepEqual(
    pieces.map(({ header }) => header.origin),
    [null, "pg_16388"],
  );
  assert.deepEqual(numbersOf(await collect(log.headers({ from: START, to: log.passed() }, NEVER))), [1, 3]);
  await log.close();
});

test("segments are cut between transactions, each is decodable alone, and old ones can be released", async () => {
  using dir = tempDir();
  const log = await openLog(dir.path, { segmentBytes: 1 });
  log.append(Buffer.concat([FIRST, insertInto(2)]));
  await log.flush();
  for (let n = 3; n <= 6; n++) {
    log.append(insertInto(n));
    await log.flush();
  }
  assert.equal(readdirSync(dir.path).length, 6);
  assert.deepEqual(numbersOf(await readAll(log)), [1, 2, 3, 4, 5, 6]);
  await log.release(lsnOf(4));
  assert.equal(log.start(), lsnOf(3) + 8n, "the segment that holds transaction 4 stays");
  assert.deepEqual(numbersOf(await readAll(log)), [4, 5, 6]);
  await assert.rejects(readAll(log, ALL, lsnOf(3)), hasCode("LOG_GAP"));
  await log.release(lsnOf(1000));
  assert.equal(readdirSync(dir.path).length, 1, "the newest stays");
  await log.close();
  const again = await openLog(dir.path, { durable: { lsn: lsnOf(6) + 8n, xidReference: 706n } });
  again.append(insertInto(7));
  await again.flush();
  assert.deepEqual(numbersOf(await readAll(again)), [7]);
  await again.close();
});

test("a segment is cut even while a transaction is arriving", async () => {
  using dir = tempDir();
  const log = await openLog(dir.path, { segmentTransactions: 1 });
  log.append(Buffer.concat([FIRST, pgoutput.frames(pgoutput.begin(lsnOf(2), 702), pgoutput.insert(1, ["2", "x"]))]));
  await log.flush();
  assert.equal(readdirSync(dir.path).length, 2);
  log.append(pgoutput.frames(pgoutput.insert(1, ["3", "y"]), pgoutput.commit(lsnOf(2), lsnOf(2) + 8n)));
  await log.flush();
  const pieces = await readAll(log);
  assert.deepEqual(numbersOf(pieces), [1, 2]);
  assert.equal(pieces[1]?.changes.length, 2);
  await log.close();
  const again = await openLog(dir.path, { durable: { lsn: lsnOf(2) + 8n, xidReference: 702n } });
  assert.deepEqual(await readAll(again), pieces);
  await again.close();
});

test("the log of another source or slot is refused", async () => {
  using dir = tempDir();
  await (await openLog(dir.path)).close();
  const other = { systemIdentifier: "2", slot: "pghaul_test_forward", stream: "forward" } as const;
  await assert.rejects(openLog(dir.path, { identity: other }), hasCode("CONFIG_CHANGED"));
});

test("a live xid keeps the reference near while the stream is quiet, from the LSN on where it was read", async () => {
  using dir = tempDir();
  const log = await openLog(dir.path, { segmentBytes: 1 });
  const jump = 700n + (3n << 32n);
  log.append(FIRST);
  log.refreshXidReference(jump, lsnOf(3));
  log.append(insertInto(2));
  log.keepalive(lsnOf(3));
  log.append(pgoutput.transaction(lsnOf(4), 704, pgoutput.insert(1, ["4", "x"])));
  const durable = await log.flush();
  const xids = [701n, 702n, (3n << 32n) + 704n];
  assert.deepEqual(
    (await readAll(log)).map(({ header }) => header.xid),
    xids,
  );
  await log.close();
  const again = await openLog(dir.path, { durable });
  assert.deepEqual(
    (await readAll(again)).map(({ header }) => header.xid),
    xids,
  );
  await again.close();
});

test("a scan after a crash widens xids as the tail did, also across an epoch and a refresh", async () => {
  using dir = tempDir();
  const log = await openLog(dir.path, { start: { lsn: START, xidReference: 0x1_ffff_fff0n } });
  const xids = [0x1_ffff_fff1n, 0x2_0000_0005n, 0x1_ffff_fff2n, 0x4_0000_0001n];
  const transaction = (n: number): Buffer =>
    pgoutput.transaction(lsnOf(n), Number((xids[n - 1] as bigint) & 0xffffffffn), RELATION_A, pgoutput.insert(1, [String(n), "x"]));
  log.append(Buffer.concat([transaction(1), transaction(2), transaction(3)]));
  log.refreshXidReference(0x4_0000_0000n, lsnOf(3));
  log.append(transaction(4));
  const durable = await log.flush();
  assert.deepEqual(
    (await readAll(log)).map(({ header }) => header.xid),
    xids,
  );
  await log.close();
  const again = await openLog(dir.path, { durable });
  assert.deepEqual(
    (await readAll(again)).map(({ header }) => header.xid),
    xids,
  );
  await again.close();
});
