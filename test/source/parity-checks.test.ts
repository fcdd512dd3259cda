import assert from "node:assert/strict";
import { test } from "node:test";
import type { Answer } from "../../src/conditions/condition.ts";
import { PARITY_CHECKS } from "../../src/source/checks/parity-checks.ts";

async function parameters(source: Record<string, string>, target: Record<string, string>): Promise<Answer> {
  const side = (settings: Record<string, string>) => ({ settings: async () => new Map(Object.entries(settings)) });
  const check = PARITY_CHECKS.find(({ id }) => id === "parameters");
  assert.ok(check);
  return check.ask({ source: side(source), target: side(target) } as never);
}

test("a target that allows more than the source is not told to allow less", async () => {
  assert.equal((await parameters({ max_prepared_transactions: "10" }, { max_prepared_transactions: "20" })).verdict, "pass");
  assert.equal((await parameters({ max_connections: "100" }, { max_connections: "1000" })).verdict, "pass");
  const less = await parameters({ max_prepared_transactions: "20" }, { max_prepared_transactions: "10" });
  assert.match(less.advice ?? "", /^alter system set max_prepared_transactions = '20';/);
});

test("libraries that only the target loads stay loaded", async () => {
  assert.equal(
    (await parameters({ shared_preload_libraries: "a" }, { shared_preload_libraries: 'b, "a"' })).verdict,
    "pass",
    "more are no difference",
  );
  const missing = await parameters({ shared_preload_libraries: "a,$libdir/c" }, { shared_preload_libraries: "b" });
  assert.match(missing.advice ?? "", /^alter system set shared_preload_libraries = 'b', 'a', '\$libdir\/c';/);
});
