import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { PghaulError } from "../../src/errors/pghaul-error.ts";
import { UNCHANGED } from "../../src/model/value.ts";
import { decodeMessage } from "../../src/pgoutput/decode.ts";
import type { Message } from "../../src/pgoutput/messages.ts";
import { carriesRow, skimRelation } from "../../src/pgoutput/skim.ts";
import { pgoutput } from "./encode.ts";

const LSN = 0x16b374d848n;

function decode(bytes: Buffer): Message {
  return decodeMessage(bytes, 0, bytes.length, LSN);
}

const SAMPLES: readonly (readonly [string, Buffer, Message])[] = [
  [
    "begin",
    pgoutput.begin(500n, 0xfffffffe, 1_700_000_000_123_456n),
    { kind: "begin", commitLsn: 500n, commitMicros: 1_700_000_000_123_456n, xid32: 0xfffffffe },
  ],
  ["commit", pgoutput.commit(500n, 548n, 5n), { kind: "commit", commitLsn: 500n, endLsn: 548n, commitMicros: 5n }],
  ["origin", pgoutput.origin("pghaul_x_reverse"), { kind: "origin", originLsn: 7n, name: "pghaul_x_reverse" }],
  [
    "relation",
    pgoutput.relation({ oid: 16384, name: "größe", identity: "i", columns: ["*id:20", "note"] }),
    {
      kind: "relation",
      oid: 16384,
      schema: "public",
      name: "größe",
      identity: "index",
      columns: [
        { name: "id", typeOid: 20, typmod: -1, isKey: true },
        { name: "note", typeOid: 25, typmod: -1, isKey: false },
      ],
    },
  ],
  ["type", pgoutput.type(99, "mood"), { kind: "type", oid: 99, schema: "public", name: "mood" }],
  ["insert", pgoutput.insert(3, ["1", null, "", "\xc3\xa9\x00"]), { kind: "insert", relation: 3, row: ["1", null, "", "\xc3\xa9\x00"] }],
  ["update", pgoutput.update(3, ["1", UNCHANGED]), { kind: "update", relation: 3, old: null, row: ["1", UNCHANGED] }],
  [
    "update of the key",
    pgoutput.update(3, ["2", UNCHANGED], { marker: "K", row: ["1", null] }),
    { kind: "update", relation: 3, old: { extent: "key", row: ["1", null] }, row: ["2", UNCHANGED] },
  ],
  [
    "update under FULL",
    pgoutput.update(3, ["2", "b"], { marker: "O", row: ["1", "a"] }),
    { kind: "update", relation: 3, old: { extent: "full", row: ["1", "a"] }, row: ["2", "b"] },
  ],
  ["delete", pgoutput.remove(3, "K", ["1", null]), { kind: "delete", relation: 3, old: { extent: "key", row: ["1", null] } }],
  ["truncate", pgoutput.truncate(3, 4, 0xffffffff), { kind: "truncate", relations: [3, 4, 0xffffffff] }],
  ["message", pgoutput.logicalMessage("hb", "\xff"), { kind: "message", transactional: true, lsn: 5n, prefix: "hb", content: "\xff" }],
];

for (const [name, bytes, expected] of SAMPLES) {
  test(`decodes: ${name}`, () => {
    assert.deepEqual(decode(bytes), expected);
  });

  test(`refuses at every cut, and with a byte too many: ${name}`, () => {
    for (let length = 0; length < bytes.length; length++)
      assert.throws(() => decode(bytes.subarray(0, length)), isDecodeFailed, `cut at ${length}`);
    assert.throws(() => decode(Buffer.concat([bytes, Buffer.from([0])])), isDecodeFailed);
  });

  test(`never looks behind the message's end: ${name}`, () => {
    const surrounded = Buffer.concat([Buffer.from("xx"), bytes, Buffer.alloc(64)]);
    assert.deepEqual(decodeMessage(surrounded, 2, 2 + bytes.length, LSN), expected);
    assert.throws(() => decodeMessage(surrounded, 2, 1 + bytes.length, LSN), isDecodeFailed);
  });
}

test("the error names the LSN and nothing of the row", () => {
  const bytes = pgoutput.insert(3, ["a secret"]);
  assert.throws(
    () => decode(bytes.subarray(0, bytes.length - 1)),
    (error) => isDecodeFailed(error) && error.context.lsn === "16/B374D848" && !error.message.includes("secret"),
  );
});

test("refuses values in binary, which nobody asked for", () => {
  const bytes = pgoutput.insert(3, ["1"]);
  bytes[bytes.indexOf(0x74)] = 0x62;
  assert.throws(() => decode(bytes), /binary/);
});

test("a relation of pg_catalog comes without a schema name", () => {
  const bytes = pgoutput.relation({ oid: 1, name: "t", columns: [] });
  const unnamed = Buffer.concat([bytes.subarray(0, 5), bytes.subarray(5 + "public".length)]);
  const message = decode(unnamed);
  assert.equal(message.kind === "relation" ? message.schema : "", "pg_catalog");
});

test("random bytes are refused, whatever they are", () => {
  const types = "BCDIMORTUY".split("").map((letter) => letter.charCodeAt(0));
  const body = fc.uint8Array({ maxLength: 200 });
  fc.assert(
    fc.property(fc.oneof(fc.constantFrom(...types), fc.nat(255)), body, (type, rest) => {
      survives(Buffer.concat([Buffer.from([type]), rest]));
    }),
    { numRuns: 5_000 },
  );
});

test("a message with some bytes overwritten is decoded or refused, never more", () => {
  const damage = fc.array(fc.tuple(fc.nat(300), fc.nat(255)), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(fc.constantFrom(...SAMPLES), damage, ([, bytes], changes) => {
      const damaged = Buffer.from(bytes);
      for (const [at, value] of changes) damaged[at % damaged.length] = value;
      survives(damaged);
    }),
    { numRuns: 5_000 },
  );
});

test("rows survive, whatever their bytes", () => {
  const value = fc.oneof(
    fc.constant(null),
    fc.constant(UNCHANGED),
    fc.uint8Array().map((bytes) => Buffer.from(bytes).toString("latin1")),
  );
  fc.assert(
    fc.property(fc.array(value), (row) => {
      assert.deepEqual(decode(pgoutput.insert(1, row)), { kind: "insert", relation: 1, row });
    }),
  );
});

test("skimming finds the relation that decoding finds", () => {
  for (const [, bytes, message] of SAMPLES) {
    const row = message.kind === "insert" || message.kind === "update" || message.kind === "delete";
    assert.equal(carriesRow(bytes[0] ?? 0), row);
    if (row) assert.equal(skimRelation(bytes, 0, bytes.length, LSN), message.relation);
  }
});

function survives(bytes: Buffer): void {
  // A guard behind the message would be read by anything that goes too far.
  const guarded = Buffer.concat([bytes, Buffer.alloc(32, 0x74)]);
  try {
    decodeMessage(guarded, 0, bytes.length, LSN);
  } catch (error) {
    assert.ok(isDecodeFailed(error), String(error));
  }
}

function isDecodeFailed(error: unknown): error is PghaulError {
  return error instanceof PghaulError && error.code === "DECODE_FAILED";
}
