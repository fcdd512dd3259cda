import assert from "node:assert/strict";
import { test } from "node:test";
import { GATES } from "../../src/cutover/check-gates.ts";
import { CHECKS } from "../../src/source/checks/checks.ts";

test("every condition has an id of its own in its list, a title that says what holds, and a moment", () => {
  for (const list of [CHECKS, GATES]) {
    const ids = list.map(({ id }) => id);
    assert.deepEqual([...new Set(ids)], ids);
    for (const { id, title, when } of list) {
      assert.match(id, /^[a-z]+(-[a-z]+)*$/);
      assert.match(title, /[^.]$/, id);
      assert.ok(when.length > 0, id);
    }
  }
  assert.ok(CHECKS.every(({ when }) => when.includes("start")));
  assert.ok(
    GATES.every(({ when }) => when.includes("switch")),
    "nothing holds up a rollback alone",
  );
});

test("a check is named after the side that it asks, when it asks one", () => {
  for (const { id, side } of CHECKS) {
    const named = /^(source|target)-/.exec(id)?.[1];
    if (named !== undefined) assert.ok(side === named || side === "both", `${id} asks the ${side}`);
  }
});
