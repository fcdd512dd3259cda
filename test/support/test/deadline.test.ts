import assert from "node:assert/strict";
import { loadavg } from "node:os";
import { test } from "node:test";
import { deadline } from "../deadline.ts";

test("a deadline grows with the load of the machine, and with what is asked for", () => {
  const before = process.env.PGHAUL_TEST_PATIENCE;
  try {
    process.env.PGHAUL_TEST_PATIENCE = "2.5";
    assert.equal(deadline(1_000), 2_500);
    delete process.env.PGHAUL_TEST_PATIENCE;
    const found = deadline(1_000);
    assert.ok(found >= 1_000 && found <= 10_000, `${found} ms at load ${loadavg()[0]}`);
  } finally {
    if (before !== undefined) process.env.PGHAUL_TEST_PATIENCE = before;
  }
});
