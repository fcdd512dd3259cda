import assert from "node:assert/strict";
import { test } from "node:test";
import { createProgressBus } from "../../src/observe/events.ts";

test("every subscriber hears every event, in order, until it leaves", () => {
  const bus = createProgressBus();
  const heard: string[] = [];
  const leave = bus.subscribe((event) => void heard.push(`a ${event.kind}`));
  bus.subscribe((event) => void heard.push(`b ${event.kind}`));
  bus.emit({ kind: "waiting", why: "x" });
  leave();
  bus.emit({ kind: "phase", phase: "loading" });
  assert.deepEqual(heard, ["a waiting", "b waiting", "b phase"]);
});
