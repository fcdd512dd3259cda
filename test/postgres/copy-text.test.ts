import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { copyFields, encodeCopyLine, parseCopyLine } from "../../src/postgres/copy-text.ts";

/** Any byte string, with the bytes that mean something to COPY far more often than chance would bring them. */
const byteString = fc
  .array(fc.oneof(fc.integer({ min: 0, max: 255 }), fc.constantFrom(8, 9, 10, 11, 12, 13, 0x5c, 0x4e, 0x2e, 0x78, 0x30)), { maxLength: 20 })
  .map((bytes) => String.fromCharCode(...bytes));
const row = fc.array(fc.option(byteString), { minLength: 1, maxLength: 8 });

describe("parseCopyLine", () => {
  for (const [line, expected] of [
    ["a\tb\n", ["a", "b"]],
    ["a\tb", ["a", "b"]],
    ["", [""]],
    ["\t", ["", ""]],
    ["\\N\tx", [null, "x"]],
    ["\\N\\N", ["NN"]],
    ["\\\\N", ["\\N"]],
    ["\\b\\f\\n\\r\\t\\v\\\\", ["\b\f\n\r\t\v\\"]],
    ["\\101\\60x\\0", ["A0x\0"]],
    ["\\1234", ["S4"]],
    ["\\777", ["\xff"]],
    ["\\x41\\x4\\x4g\\x414", ["A\x04\x04gA4"]],
    ["\\xyz\\q\\.", ["xyzq."]],
    ["\\8", ["8"]],
    ["caf\xc3\xa9\xff", ["caf\xc3\xa9\xff"]],
    ["trailing\\", ["trailing\\"]],
  ] as const)
    it(JSON.stringify(line), () => assert.deepEqual(parseCopyLine(line), expected));

  it("takes the end-of-data marker for no row", () => {
    assert.throws(() => parseCopyLine("\\."), RangeError);
    assert.throws(() => parseCopyLine("\\.\n"), RangeError);
  });
});

describe("encodeCopyLine", () => {
  it("escapes what COPY TO escapes and nothing else", () =>
    assert.equal(encodeCopyLine(["\b\t\n\v\f\r\\", null, "", "\0\x7f\xe9 '\""]), "\\b\\t\\n\\v\\f\\r\\\\\t\\N\t\t\0\x7f\xe9 '\"\n"));

  it("refuses text that is not bytes instead of cutting it", () => assert.throws(() => encodeCopyLine(["€"]), RangeError));

  it("comes back byte for byte, and the only newline is the last byte", () =>
    fc.assert(
      fc.property(row, (values) => {
        const line = encodeCopyLine(values);
        assert.equal(line.indexOf("\n"), line.length - 1);
        assert.deepEqual(parseCopyLine(line), values);
      }),
    ));
});

describe("copyFields", () => {
  it("agrees with parseCopyLine on any fields, in any order, within a larger buffer", () =>
    fc.assert(
      fc.property(row, fc.array(fc.nat(), { maxLength: 5 }), (values, picks) => {
        const line = encodeCopyLine(values);
        const buffer = Buffer.from(`before\tx\n${line}after\ty\n`, "latin1");
        const start = "before\tx\n".length;
        const indexes = picks.map((pick) => pick % values.length);
        assert.deepEqual(
          copyFields(buffer, start, start + line.length - 1, indexes),
          indexes.map((index) => values[index]),
        );
      }),
    ));

  it("says when the line is too short, and never reads on into the next", () => {
    const buffer = Buffer.from("a\tb\nc\td\n", "latin1");
    assert.throws(() => copyFields(buffer, 0, 3, [2]), RangeError);
    assert.deepEqual(copyFields(buffer, 0, 3, [1]), ["b"]);
    assert.deepEqual(copyFields(Buffer.from("a\t\n"), 0, 2, [1]), [""]);
  });
});
