import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { caughtUpInSeconds, copiedInSeconds, percentDone, RateWindow } from "../../src/observe/eta.ts";

test("no rate before a second has passed", () => {
  const window = new RateWindow(10_000);
  assert.equal(window.perSecond(), null);
  window.add(0, 0);
  assert.equal(window.perSecond(), null);
  window.add(999, 100);
  assert.equal(window.perSecond(), null);
  window.add(1000, 100);
  assert.equal(window.perSecond(), 100);
});

test("the rate is that of the window, not of the whole run", () => {
  const window = new RateWindow(10_000);
  for (let second = 0; second <= 100; second++) window.add(second * 1000, second * 1_000_000);
  for (let second = 101; second <= 111; second++) window.add(second * 1000, 100_000_000 + (second - 100) * 10);
  assert.equal(window.perSecond(), 10);
});

test("a gap longer than the window still gives the rate over the gap", () => {
  const window = new RateWindow(10_000);
  window.add(0, 0);
  window.add(60_000, 600);
  assert.equal(window.perSecond(), 10);
});

test("a falling total has a negative rate", () => {
  const window = new RateWindow(10_000);
  window.add(0, 500);
  window.add(5000, 0);
  assert.equal(window.perSecond(), -100);
});

test("per cent never passes 99 before the work is done, and is 100 when it is", () => {
  assert.equal(percentDone(0, 100, false), 0);
  assert.equal(percentDone(429, 1000, false), 42);
  assert.equal(percentDone(100, 100, false), 99);
  assert.equal(percentDone(205, 100, false), 99);
  assert.equal(percentDone(5, 0, false), 0);
  assert.equal(percentDone(0, 0, true), 100);
  fc.assert(
    fc.property(fc.nat(), fc.integer(), (done, expected) => {
      const percent = percentDone(done, expected, false);
      return Number.isInteger(percent) && percent >= 0 && percent <= 99;
    }),
  );
});

test("copied in: the rest at the present rate, unknown when nothing moves or the estimate is used up", () => {
  assert.equal(copiedInSeconds(1000, 10), 100);
  assert.equal(copiedInSeconds(1000, null), null);
  assert.equal(copiedInSeconds(1000, 0), null);
  assert.equal(copiedInSeconds(-1, 10), null);
});

test("caught up in: never before the copy has ended, unknown while the backlog grows", () => {
  assert.equal(caughtUpInSeconds(null, 0, null), null);
  assert.equal(caughtUpInSeconds(100, 0, null), 100);
  assert.equal(caughtUpInSeconds(100, 50, -1), 100);
  assert.equal(caughtUpInSeconds(100, 5e6, -1e4), 500);
  assert.equal(caughtUpInSeconds(100, 5e6, 1), null);
  assert.equal(caughtUpInSeconds(100, 5e6, 0), null);
  assert.equal(caughtUpInSeconds(0, 5e6, -1e5), 50);
  // A heartbeat on its way is no backlog.
  assert.equal(caughtUpInSeconds(0, 60_000, 1), 0);
});
