import assert from "node:assert/strict";
import { test } from "node:test";
import { LagSeconds } from "../../src/workflow/run/lag-seconds.ts";

test("the age of what has arrived: the newest moment whose WAL end was reached, or the newest commit, whichever is later", () => {
  const lag = new LagSeconds();
  lag.note(100n, 1_000);
  lag.note(200n, 2_000);
  lag.note(300n, 3_000);
  assert.equal(lag.behind(99n, null, 3_000), null);
  assert.equal(lag.watched(3_000), 2);
  assert.equal(lag.behind(99n, 500, 3_000), 2.5);
  assert.equal(lag.behind(250n, null, 3_000), 1);
  assert.equal(lag.behind(250n, 2_900, 3_000), 0.1);
  assert.equal(lag.behind(300n, 2_900, 3_000), 0);
});

test("a server that is busy with other things is no lag of ours: the last commit is old, the position moves", () => {
  const lag = new LagSeconds();
  for (let second = 1; second < 10_000; second += 1) {
    lag.note(BigInt(second) * 1_000_000n, second * 1000);
    assert.equal(lag.behind(BigInt(second - 1) * 1_000_000n, 0, second * 1000), 1);
  }
});

test("a lag of days stays known, to the minute and not to the second, in bounded memory", () => {
  const lag = new LagSeconds();
  const day = 86_400;
  for (let second = 0; second < 3 * day; second += 1) lag.note(BigInt(second), second * 1000);
  const behind = lag.behind(BigInt(day), null, 3 * day * 1000) ?? 0;
  assert.ok(Math.abs(behind - 2 * day) < 120, `${behind}`);
});

test("after a failover to a server that ends earlier, what was noted before does not count", () => {
  const lag = new LagSeconds();
  lag.note(500n, 1_000);
  lag.note(400n, 2_000);
  assert.equal(lag.behind(450n, null, 5_000), 3);
});
