import assert from "node:assert/strict";
import { test } from "node:test";
import { markersName, originPrefix, publicationName, slotName } from "../../src/workflow/names.ts";

/** Each allowed by the configuration, and each near another one: a prefix, another spelling, the same beginning. */
const NAMES = [
  "pay",
  "pay-archive",
  "pay_archive",
  "pay--archive",
  "pay-archive-",
  "pay_archive_",
  "pay-archive-forward",
  "pay-forward",
  "p",
  "p-",
  "p_",
  `${"a".repeat(39)}b`,
  `${"a".repeat(39)}-`,
  `${"a".repeat(39)}_`,
  `${"a-".repeat(19)}bb`,
  `${"a_".repeat(19)}bb`,
];

test("no two migrations share a name at a server, and none has origins that begin as another's", () => {
  for (const of of [
    (name: string) => slotName(name, "forward"),
    (name: string) => slotName(name, "reverse"),
    publicationName,
    markersName,
    originPrefix,
  ])
    assert.equal(new Set(NAMES.map(of)).size, NAMES.length);
  const slots = NAMES.flatMap((name) => [slotName(name, "forward"), slotName(name, "reverse")]);
  assert.equal(new Set(slots).size, 2 * NAMES.length);
  for (const name of slots) assert.match(name, /^[a-z0-9_]{1,63}$/);
  for (const one of NAMES)
    for (const other of NAMES)
      assert.equal(`${originPrefix(other)}5/stream`.startsWith(originPrefix(one)), one === other, `${one} ${other}`);
  assert.equal(slotName("pay-archive", "forward"), "pghaul_pay_archive_forward");
});
