import assert from "node:assert/strict";
import { test } from "node:test";
import { ProgressState } from "../../src/cli/progress/progress-state.ts";
import { createProgressBus } from "../../src/observe/events.ts";
import { VerifyProgress } from "../../src/workflow/verify/verify-progress.ts";

test("the last line of a verification counts every table, and one before it names the table that began last", () => {
  const state = new ProgressState();
  const details: (string | null)[] = [];
  const bus = createProgressBus();
  bus.subscribe((event) => {
    state.take(event, 0);
    details.push(state.figures().detail);
  });
  const progress = new VerifyProgress(2, bus);
  progress.begun("shop.items", 1, 1);
  progress.begun("shop.orders", 1, 2);
  progress.begun("shop.orders", 2, 2);
  progress.decided("shop.orders");
  progress.decided("shop.items");
  assert.deepEqual(details, [
    "0 of 2 tables compared, at shop.items",
    "0 of 2 tables compared, at shop.orders piece 1 of 2",
    "0 of 2 tables compared, at shop.orders piece 2 of 2",
    "1 of 2 tables compared, at shop.items",
    "2 of 2 tables compared",
  ]);
  assert.ok(progress.isDecided("shop.items") && !progress.isDecided("shop.other"));
});
