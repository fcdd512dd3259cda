import assert from "node:assert/strict";
import { test } from "node:test";
import { type ConfirmFlags, confirmDangerous, type DangerousAct, type Terminal } from "../../src/cli/confirm.ts";
import { PghaulError } from "../../src/errors/pghaul-error.ts";

const act: DangerousAct = {
  title: "Switch the traffic to the target.",
  migration: "orders-move",
  planDigest: "sha256:abc",
  preview: "the plan",
  command: "pghaul cutover run",
};
const paste = "pghaul cutover run --confirm orders-move --plan-digest sha256:abc";

/** A terminal that answers with `typed`; null stands for nobody there. */
function terminal(typed: string | null): Terminal & { shown: string[] } {
  const shown: string[] = [];
  return {
    shown,
    interactive: typed !== null,
    show: (text) => void shown.push(text),
    ask: async (question) => {
      shown.push(question);
      return typed ?? assert.fail("asked where nobody is");
    },
  };
}

async function refusal(flags: ConfirmFlags, typed: string | null): Promise<[code: string, suggestion: string | undefined]> {
  const error = await confirmDangerous(act, flags, terminal(typed)).then(
    () => assert.fail("confirmed"),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof PghaulError);
  return [error.code, error.suggestion];
}

test("the flags confirm without a question, also on a terminal", async () => {
  for (const typed of [null, "never asked"]) {
    const place = terminal(typed);
    const { how, planDigest, user, host } = await confirmDangerous(act, { confirm: "orders-move", "plan-digest": "sha256:abc" }, place);
    assert.deepEqual([how, planDigest, place.shown], ["flags", "sha256:abc", []]);
    assert.ok(user.length > 0 && host.length > 0);
  }
});

test("typing the name confirms, after the plan was shown", async () => {
  const place = terminal(" orders-move ");
  assert.equal((await confirmDangerous(act, {}, place)).how, "typed");
  assert.deepEqual(place.shown, [
    "the plan\n\nSwitch the traffic to the target.\n",
    "Type the migration's name (orders-move) to continue:",
  ]);
});

test("with nobody there each missing flag is refused, with the line to paste", async () => {
  assert.deepEqual(await refusal({}, null), ["NOT_CONFIRMED", paste]);
  assert.deepEqual(await refusal({ confirm: "orders-move" }, null), ["NOT_CONFIRMED", paste]);
  assert.deepEqual(await refusal({ "plan-digest": "sha256:abc" }, null), ["NOT_CONFIRMED", paste]);
});

test("another name is refused, typed or as a flag", async () => {
  assert.deepEqual(await refusal({ confirm: "orders", "plan-digest": "sha256:abc" }, null), ["NOT_CONFIRMED", paste]);
  assert.deepEqual(await refusal({ confirm: "orders" }, "orders-move"), ["NOT_CONFIRMED", paste]);
  for (const typed of ["", "y", "yes", "ORDERS-MOVE", "orders"]) assert.equal((await refusal({}, typed))[0], "NOT_CONFIRMED");
});

test("a digest of another plan is refused before anything is asked", async () => {
  assert.equal((await refusal({ confirm: "orders-move", "plan-digest": "sha256:old" }, null))[0], "PLAN_CHANGED");
  assert.equal((await refusal({ "plan-digest": "sha256:old" }, "orders-move"))[0], "PLAN_CHANGED");
  assert.equal((await refusal({ "plan-digest": "sha256:a" }, "orders-move"))[0], "PLAN_CHANGED");
});

test("a reviewed digest still asks on a terminal when the name was not given", async () => {
  assert.equal((await confirmDangerous(act, { "plan-digest": "sha256:abc" }, terminal("orders-move"))).how, "typed");
});
