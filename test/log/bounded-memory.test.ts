import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { pgoutput } from "../pgoutput/encode.ts";
import { hasCode, insertInto, lsnOf, numbersOf, openLog, RELATION_A, readAll, tempDir } from "./bench.ts";

const SEGMENTS = 24;
const A_SEGMENT = 2_048;
/** The indexes of the segments that are written in between take twice as much. */
const GROWTH_BYTES = 2 * 1024 * 1024;

test(`a log that is only written to does not grow in memory: ${SEGMENTS} segments of ${A_SEGMENT} transactions`, async () => {
  using dir = tempDir();
  const log = await openLog(dir.path, { segmentTransactions: A_SEGMENT });
  log.append(pgoutput.transaction(lsnOf(0), 700, RELATION_A, pgoutput.insert(1, ["0", "x"])));
  const writeSegment = async (segment: number): Promise<void> => {
    const from = 1 + segment * A_SEGMENT;
    log.append(Buffer.concat(Array.from({ length: A_SEGMENT }, (_, n) => insertInto(from + n))));
    await log.flush();
  };
  for (let segment = 0; segment < 6; segment++) await writeSegment(segment);
  const before = await aliveBytes();
  for (let segment = 6; segment < SEGMENTS; segment++) await writeSegment(segment);
  const grown = (await aliveBytes()) - before;
  assert.equal(readdirSync(dir.path).length, SEGMENTS + 1);
  assert.ok(grown < GROWTH_BYTES, `${(grown / 1024 / 1024).toFixed(1)} MB more are alive`);
  // Nothing of it is lost to a reader, and reading does not grow either.
  const first = await readAll(log, undefined, lsnOf(A_SEGMENT * 2));
  assert.equal(first.length, A_SEGMENT * (SEGMENTS - 2) + 1);
  await log.close();
});

/** What native objects hold is given back only after a turn of the loop. */
async function aliveBytes(): Promise<number> {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  for (let time = 0; time < 3; time++) {
    collect();
    await setImmediate();
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

test("what was written last is not fetched from the file", async () => {
  using dir = tempDir();
  const log = await openLog(dir.path);
  const path = join(dir.path, readdirSync(dir.path)[0] as string);
  log.append(pgoutput.transaction(lsnOf(1), 701, RELATION_A, pgoutput.insert(1, ["1", "x"])));
  const durable = await log.flush();
  log.append(insertInto(2));
  await log.flush();
  const whole = readFileSync(path);
  writeFileSync(path, Buffer.from(whole).fill(0x55, 250));
  assert.deepEqual(numbersOf(await readAll(log)), [1, 2]);
  writeFileSync(path, whole);
  await log.close();
  const again = await openLog(dir.path, { durable });
  assert.deepEqual(numbersOf(await readAll(again)), [1, 2]);
  await again.close();
});

test("what is further behind than the last blocks comes from the file", async () => {
  using dir = tempDir();
  const log = await openLog(dir.path);
  const path = join(dir.path, readdirSync(dir.path)[0] as string);
  log.append(pgoutput.transaction(lsnOf(1), 701, RELATION_A, pgoutput.insert(1, ["1", "x"])));
  await log.flush();
  for (let n = 2; n < 14; n++) {
    log.append(insertInto(n, 1, String(n).repeat(200_000)));
    await log.flush();
  }
  assert.deepEqual(numbersOf(await readAll(log)), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]);
  const whole = readFileSync(path);
  writeFileSync(path, Buffer.from(whole).fill(0x55, 250));
  await assert.rejects(readAll(log), hasCode("LOG_CORRUPT"));
  assert.deepEqual(numbersOf(await readAll(log, undefined, lsnOf(13))), [13]);
  writeFileSync(path, whole);
  await log.close();
});

test("a transaction that a new stream sends otherwise is read as it came last", async () => {
  using dir = tempDir();
  const log = await openLog(dir.path);
  log.append(pgoutput.transaction(lsnOf(1), 701, RELATION_A, pgoutput.insert(1, ["1", "x"])));
  await log.flush();
  const rows = (mark: string): Buffer[] => Array.from({ length: 3_000 }, (_, n) => pgoutput.insert(1, [String(n), mark.repeat(200)]));
  log.append(pgoutput.frames(pgoutput.begin(lsnOf(2), 702), ...rows("lost")));
  await log.flush();
  await log.startStream();
  // The source crashed: at the same place now stands another transaction.
  log.append(pgoutput.frames(pgoutput.begin(lsnOf(2), 702), ...rows("kept"), pgoutput.commit(lsnOf(2), lsnOf(2) + 8n)));
  await log.flush();
  const marks = new Set(
    (await readAll(log)).flatMap(({ changes }) => changes.map((change) => ("row" in change ? String(change.row[1]).slice(0, 4) : ""))),
  );
  assert.deepEqual([...marks].sort(), ["kept", "x"]);
  await log.close();
});
