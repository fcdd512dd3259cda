import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { qualifiedName, quoteIdent, quoteLiteral } from "../../src/postgres/quote.ts";

describe("quoting", () => {
  for (const [name, expected] of [
    ["orders", '"orders"'],
    ["Order Lines", '"Order Lines"'],
    ['we"ird', '"we""ird"'],
    ['"', '""""'],
    ["back\\slash", '"back\\slash"'],
    ["", '""'],
  ] as const)
    it(`identifier ${name}`, () => assert.equal(quoteIdent(name), expected));

  for (const [text, expected] of [
    ["", "''"],
    ["plain", "'plain'"],
    ["o'clock", "'o''clock'"],
    ["C:\\temp", "E'C:\\\\temp'"],
    ["\\'; drop table t; --", "E'\\\\''; drop table t; --'"],
  ] as const)
    it(`literal ${text}`, () => assert.equal(quoteLiteral(text), expected));

  it("qualifies", () => assert.equal(qualifiedName("my schema", 'a"b'), '"my schema"."a""b"'));

  it("refuses NUL, which would end the statement on the wire", () => {
    assert.throws(() => quoteIdent("a\0b"), RangeError);
    assert.throws(() => quoteLiteral("a\0b"), RangeError);
  });
});
