import assert from "node:assert/strict";
import { test } from "node:test";
import { PghaulError } from "../../src/errors/pghaul-error.ts";
import { claimIdentity, readIdentity } from "../../src/state/identity.ts";
import { temporaryState } from "./temporary-state.ts";

const identity = { migration: "orders-move", source: "system 7301, database orders", tables: "public.*" };

test("the first claim is recorded; the same one passes ever after, and may know more", async (t) => {
  const database = await temporaryState(t);
  assert.deepEqual(readIdentity(database), {});
  claimIdentity(database, identity);
  claimIdentity(database, { ...identity, target: "system 7402, database orders" });
  claimIdentity(database, { migration: "orders-move" });
  assert.deepEqual(readIdentity(database), { ...identity, target: "system 7402, database orders" });
});

test("another value is refused with both, and nothing of the claim is recorded", async (t) => {
  const database = await temporaryState(t);
  claimIdentity(database, identity);
  assert.throws(
    () => claimIdentity(database, { ...identity, source: "system 9999, database orders", tables: "app.*", target: "new" }),
    (error) => {
      assert.ok(error instanceof PghaulError);
      assert.equal(error.code, "CONFIG_CHANGED");
      assert.equal(
        error.message,
        `the state directory ${database.directory} belongs to something else: source was system 7301, database orders and is now system 9999, database orders; tables was public.* and is now app.*`,
      );
      return true;
    },
  );
  assert.deepEqual(readIdentity(database), identity);
});
