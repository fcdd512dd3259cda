import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { deadline } from "../support/deadline.ts";
import { startPair } from "./move-bench.ts";
import { moveTypes } from "./types-under-change.ts";

describe("every type and every difficult shape", () => {
  it("PostgreSQL 14 to 15, schema moved: equal after the load and after the stream", { timeout: deadline(400_000) }, async () => {
    await using pair = await startPair({ version: 14 }, { version: 15 });
    const peak = await moveTypes(pair);
    assert.ok(peak === null || peak < 600, `${peak} MB`);
  });
});
