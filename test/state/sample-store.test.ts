import assert from "node:assert/strict";
import { test } from "node:test";
import { type Sample, SampleStore } from "../../src/state/storage/sample-store.ts";
import { temporaryState } from "./temporary-state.ts";

const START = Date.UTC(2026, 10, 21, 0, 0, 0);
const HOUR = 3_600_000;

function sample(at: number, value: number, lag: Sample["lag"] = { bytes: value, seconds: value / 10 }): Sample {
  return { at, lag, bytesPerSecond: value * 2, changesPerSecond: value * 3 };
}

test("a sample a second, as it was; the last one of a second counts", async (t) => {
  const store = new SampleStore(await temporaryState(t));
  store.add(sample(START + 100, 1));
  store.add(sample(START + 900, 7));
  store.add(sample(START + 1_200, 2, null));
  assert.deepEqual(store.all(), [
    {
      at: START,
      widthMillis: 1000,
      lagBytes: 7,
      lagBytesMax: 7,
      lagSeconds: 0.7,
      lagSecondsMax: 0.7,
      bytesPerSecond: 14,
      bytesPerSecondMax: 14,
      changesPerSecond: 21,
      changesPerSecondMax: 21,
    },
    {
      at: START + 1000,
      widthMillis: 1000,
      lagBytes: null,
      lagBytesMax: null,
      lagSeconds: null,
      lagSecondsMax: null,
      bytesPerSecond: 4,
      bytesPerSecondMax: 4,
      changesPerSecond: 6,
      changesPerSecondMax: 6,
    },
  ]);
});

test("after an hour seconds become minutes: means, and the highest value", async (t) => {
  const database = await temporaryState(t);
  const store = new SampleStore(database);
  database.write(() => {
    for (let second = 0; second < 120; second++) store.add(sample(START + second * 1000, second === 30 ? 600 : 0));
  });
  store.add(sample(START + HOUR + 60_000, 5));
  const points = store.all();
  assert.deepEqual(points[0], {
    at: START,
    widthMillis: 60_000,
    lagBytes: 10,
    lagBytesMax: 600,
    lagSeconds: 1,
    lagSecondsMax: 60,
    bytesPerSecond: 20,
    bytesPerSecondMax: 1200,
    changesPerSecond: 30,
    changesPerSecondMax: 1800,
  });
  // The second minute is not yet an hour old: still 60 seconds, then the new one.
  assert.deepEqual(
    points.slice(1).map(({ at, widthMillis }) => [at - START, widthMillis]),
    [...Array.from({ length: 60 }, (_, index) => [60_000 + index * 1000, 1000]), [HOUR + 60_000, 1000]],
  );
});

test("90 days stay a small series without a hole, and no peak is lost", async (t) => {
  const database = await temporaryState(t);
  const store = new SampleStore(database);
  const end = START + 90 * 24 * HOUR;
  database.write(() => {
    for (let at = START; at <= end; at += 300_000) store.add(sample(at, at === START + 5 * HOUR ? 1e6 : 1));
  });
  const points = store.all();
  assert.ok(points.length < 8_000, String(points.length));
  assert.equal(Math.max(...points.map(({ lagBytesMax }) => lagBytesMax ?? 0)), 1e6);
  assert.deepEqual([points[0]?.at, points.at(-1)?.at], [START, end]);
  for (const [index, point] of points.entries()) {
    const next = points[index + 1];
    if (next !== undefined)
      assert.ok(next.at - point.at <= Math.max(point.widthMillis, 300_000), `hole behind ${new Date(point.at).toISOString()}`);
    if (next !== undefined) assert.ok(next.at >= point.at + point.widthMillis, `overlap at ${new Date(point.at).toISOString()}`);
  }
});

test("the mean rate counts the samples asked for and no others", async (t) => {
  const store = new SampleStore(await temporaryState(t));
  assert.equal(store.meanBytesPerSecond(START), null);
  for (const [second, value] of [
    [0, 100],
    [10, 2],
    [20, 4],
  ] as const)
    store.add(sample(START + second * 1000, value));
  assert.equal(store.meanBytesPerSecond(START + 10_000), 6);
  assert.equal(store.meanBytesPerSecond(START + 30_000), null);
});
