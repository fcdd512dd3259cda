import assert from "node:assert/strict";
import { test } from "node:test";
import { forecast } from "../../src/plan/forecast.ts";

const GB = 1e9;
const close = (actual: number, expected: number) =>
  assert.ok(Math.abs(actual - expected) <= expected * 1e-9, `${actual} is not ${expected}`);

test("measured tables set the pace; four readers count between one and four, and what nobody measured as much again at worst", () => {
  // 1 MB of table in 1 s: 10,000 of 1,000,000 rows of 100 bytes.
  const result = forecast({
    tables: [{ id: "a", bytes: 100e6, rows: 1_000_000 }],
    reads: [{ table: "a", rows: 10_000, bytes: 5e5, millis: 600, writeMillis: 400, cpuMillis: 10 }],
    workers: 4,
    walBytesPerSecond: 2e6,
  });
  close(result.loadHours.low * 3600, 25);
  close(result.loadHours.likely * 3600, 50);
  close(result.loadHours.high * 3600, 200);
  close(result.logBytes.likely, 100e6);
  assert.equal(result.confidence, "high");
});

test("tables that were not measured take the pace of those that were", () => {
  const tables = [
    { id: "a", bytes: 10 * GB, rows: 1e7 },
    { id: "b", bytes: 30 * GB, rows: 3e7 },
  ];
  const result = forecast({
    tables,
    reads: [{ table: "a", rows: 10_000, bytes: 1e7, millis: 1_000, writeMillis: null, cpuMillis: 10 }],
    workers: 1,
    walBytesPerSecond: 0,
  });
  close(result.loadHours.low * 3600, (40 * GB) / 1e7);
  assert.equal(result.confidence, "low");
  assert.equal(result.loadHours.likely, result.loadHours.low, "one reader is never less than one");
});

test("with nothing measured it says that it assumes", () => {
  const result = forecast({ tables: [{ id: "a", bytes: 25e6, rows: 10 }], reads: [], workers: 1, walBytesPerSecond: 1e6 });
  close(result.loadHours.likely * 3600, 1);
  assert.equal(result.confidence, "low");
  assert.match(result.basis.join("\n"), /assumed, nothing was measured/);
});

test("an empty database takes no time, and a stale row estimate does not divide by nothing", () => {
  assert.equal(forecast({ tables: [], reads: [], workers: 2, walBytesPerSecond: 5 }).loadHours.high, 0);
  const result = forecast({
    tables: [{ id: "a", bytes: 1e6, rows: 0 }],
    reads: [{ table: "a", rows: 10, bytes: 1000, millis: 1, writeMillis: null, cpuMillis: 0 }],
    workers: 1,
    walBytesPerSecond: 0,
  });
  close(result.loadHours.likely * 3600, 1);
});

test("more readers than this process can serve do not help", () => {
  const read = { table: "a", rows: 10_000, bytes: 5e5, millis: 600, writeMillis: 400, cpuMillis: 500 };
  const tables = [{ id: "a", bytes: 100e6, rows: 1_000_000 }];
  const result = forecast({ tables, reads: [read], workers: 16, walBytesPerSecond: 0 });
  close(result.loadHours.low * 3600, 50);
  close(result.loadHours.likely * 3600, 50);
  assert.match(result.basis.join("\n"), /this machine moves at most 2 MB per second/);
});

test("without the target's word it is not sure", () => {
  const read = { table: "a", rows: 10_000, bytes: 5e5, millis: 1_000, writeMillis: null, cpuMillis: 1 };
  const result = forecast({ tables: [{ id: "a", bytes: 100e6, rows: 1_000_000 }], reads: [read], workers: 4, walBytesPerSecond: 0 });
  assert.equal(result.confidence, "medium");
  assert.match(result.basis.join("\n"), /the target was not measured/);
});
