import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { widenXid } from "../../src/pgoutput/widen-xid.ts";

const HALF = 1n << 31n;

test("any xid less than 2^31 from the reference comes back", () => {
  const offset = fc.bigInt({ min: -HALF, max: HALF - 1n });
  fc.assert(
    fc.property(fc.bigInt({ min: HALF, max: 1n << 50n }), offset, (reference, distance) => {
      const xid = reference + distance;
      assert.equal(widenXid(reference, Number(xid & 0xffffffffn)), xid);
    }),
  );
});

test("both ends of an epoch", () => {
  assert.equal(widenXid(0x2_ffff_fff0n, 5), 0x3_0000_0005n);
  assert.equal(widenXid(0x3_0000_0005n, 0xffff_fff0), 0x2_ffff_fff0n);
  assert.equal(widenXid(1000n, 1000), 1000n);
});

test("following a stream through three epochs never loses the high half", () => {
  let reference = 700n;
  for (let xid = 700n; xid < 3n << 32n; xid += (1n << 30n) + 12_345n) {
    const widened = widenXid(reference, Number(xid & 0xffffffffn));
    assert.equal(widened, xid);
    if (widened > reference) reference = widened;
  }
});
