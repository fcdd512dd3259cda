import assert from "node:assert/strict";
import { test } from "node:test";
import { ReadOnlyLog } from "../../src/log/read-only-log.ts";
import { pgoutput } from "../pgoutput/encode.ts";
import {
  ALL,
  collect,
  hasCode,
  IDENTITY,
  insertInto,
  lsnOf,
  NEVER,
  numbersOf,
  openLog,
  RELATION_A,
  readAll,
  START,
  TABLES,
  tempDir,
} from "./bench.ts";

const FIRST = pgoutput.transaction(lsnOf(1), 701, RELATION_A, pgoutput.insert(1, ["1", "row 1"]));

function openBeside(dir: string, durable: bigint): Promise<ReadOnlyLog> {
  return ReadOnlyLog.open({ dir, identity: IDENTITY, tables: TABLES, skipOriginPrefix: "pghaul_" }, durable);
}

test("a second process reads what is on record as durable, and follows", async () => {
  using dir = tempDir();
  const log = await openLog(dir.path, { segmentTransactions: 3 });
  log.append(Buffer.concat([FIRST, insertInto(2)]));
  await log.flush();
  const beside = await openBeside(dir.path, lsnOf(2));
  assert.equal(beside.start(), START);
  assert.equal(beside.passed(), lsnOf(2), "the bound counts, not what the files hold");
  assert.deepEqual(numbersOf(await readAll(beside)), [1]);
  await beside.refresh(lsnOf(2) + 8n);
  assert.deepEqual(await readAll(beside), await readAll(log));
  for (const [n, frames] of [
    [3, insertInto(3)],
    [4, insertInto(4)],
    [5, insertInto(5)],
  ] as const) {
    log.append(frames);
    const durable = await log.flush();
    await beside.refresh(durable?.lsn ?? 0n);
    assert.deepEqual(
      numbersOf(await readAll(beside)),
      Array.from({ length: n }, (_, index) => index + 1),
    );
  }
  assert.deepEqual(numbersOf(await collect(beside.headers({ from: lsnOf(2), to: lsnOf(5) }, NEVER))), [2, 3, 4]);
  assert.deepEqual(
    (await readAll(beside, ALL, lsnOf(4))).map(({ header }) => header.xid),
    [704n, 705n],
  );
  await log.close();
});

test("several readers of one process that refresh at once see each transaction once, and none sees less than it has seen", async () => {
  using dir = tempDir();
  const log = await openLog(dir.path);
  log.append(FIRST);
  await log.flush();
  const beside = await openBeside(dir.path, lsnOf(1) + 8n);
  for (let n = 2; n <= 40; n += 1) {
    log.append(insertInto(n));
    await log.flush();
    // Bounds as two verification workers have them: asked of the state at different moments.
    await Promise.all([beside.refresh(lsnOf(n) + 8n), beside.refresh(lsnOf(n)), beside.refresh(lsnOf(n) + 8n)]);
    assert.equal(beside.passed(), lsnOf(n) + 8n);
    assert.deepEqual(
      numbersOf(await collect(beside.headers({ from: START, to: lsnOf(n) + 8n }, NEVER))),
      Array.from({ length: n }, (_, index) => index + 1),
    );
  }
  await log.close();
});

test("it sees nothing of a transaction that is still being written, and does not touch it", async () => {
  using dir = tempDir();
  const log = await openLog(dir.path);
  const rows = Array.from({ length: 3_000 }, (_, n) => pgoutput.insert(1, [String(n), `${Math.random()}`.repeat(10)]));
  log.append(Buffer.concat([FIRST, pgoutput.frames(pgoutput.begin(lsnOf(2), 702), ...rows)]));
  await log.flush();
  const beside = await openBeside(dir.path, lsnOf(9));
  assert.equal(beside.passed(), lsnOf(1) + 8n);
  assert.deepEqual(numbersOf(await readAll(beside)), [1]);
  log.append(pgoutput.frames(pgoutput.commit(lsnOf(2), lsnOf(2) + 8n)));
  await log.flush();
  await beside.refresh(lsnOf(9));
  const counts = (await readAll(beside)).map(({ changes }) => changes.length);
  assert.equal(
    counts.reduce((sum, count) => sum + count, 0),
    1 + 3_000,
  );
  await log.close();
});

test("segments that were released are a gap, not an empty log", async () => {
  using dir = tempDir();
  const log = await openLog(dir.path, { segmentBytes: 1 });
  log.append(FIRST);
  await log.flush();
  log.append(insertInto(2));
  await log.flush();
  const beside = await openBeside(dir.path, lsnOf(2) + 8n);
  await log.release(lsnOf(2));
  await assert.rejects(readAll(beside), hasCode("LOG_GAP"));
  await beside.refresh(lsnOf(2) + 8n);
  assert.deepEqual(numbersOf(await readAll(beside)), [2]);
  await log.close();
});
