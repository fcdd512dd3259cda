import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import {
  BLOCK_HEADER_BYTES,
  BLOCK_KIND,
  decodeBlock,
  decodeBlockHeader,
  decodeFooter,
  decodeHeader,
  encodeBlock,
  encodeFooter,
  encodeHeader,
  FOOTER_BYTES,
  isIntact,
  parseSegmentName,
  SEGMENT_VERSION,
  segmentName,
} from "../../src/log/segment/segment-format.ts";
import { TransactionIndex } from "../../src/log/segment/transaction-index.ts";
import { pgoutput } from "../pgoutput/encode.ts";
import { IDENTITY, lsnOf, openLog, RELATION_A, RELATION_B, readAll, tempDir } from "./bench.ts";

const GOLDEN = join(dirname(fileURLToPath(import.meta.url)), "golden");
const GOLDEN_NAMES = ["00000000000003E8.segment", "00000000000004B8.segment"] as const;

test("segment names sort as their LSNs do", () => {
  assert.equal(segmentName(0x16b374d848n), "00000016B374D848.segment");
  assert.equal(parseSegmentName("00000016B374D848.segment"), 0x16b374d848n);
  assert.equal(parseSegmentName("00000016B374D848.segment.new"), null);
  assert.ok(segmentName(0xffn) < segmentName(0x100n));
});

test("the header goes there and back", () => {
  const header = { ...IDENTITY, firstLsn: 0x16b374d848n, previousLsn: null };
  const encoded = encodeHeader(header);
  assert.deepEqual(decodeHeader(Buffer.concat([encoded, Buffer.from("blocks")]), "f"), { header, length: encoded.length });
});

test("version 1 is these bytes", () => {
  const header = encodeHeader({ systemIdentifier: "1", slot: "s", stream: "forward", firstLsn: 0x1_0000_0002n, previousLsn: 1n });
  assert.equal(
    header.toString("latin1"),
    "PGHAULSG\0\0\0\x01\0\0\0\x5b" +
      header.toString("latin1", 16, 20) +
      '{"systemIdentifier":"1","slot":"s","stream":"forward","firstLsn":"1/2","previousLsn":"0/1"}',
  );
  assert.equal(header.readUInt32BE(16), 0xc2f43082);
  const position = Buffer.from("0000000100000002", "hex");
  assert.equal(
    encodeBlock(BLOCK_KIND.position, position, 0x3_0000_0004n).toString("hex"),
    "000000087098fe36020000000800000003000000040000000100000002",
  );
  assert.equal(encodeFooter(0x1234).toString("hex"), "00000000000012343c625b0f50474841554c4958");
  assert.equal(decodeFooter(encodeFooter(0x1234)), 0x1234);
  assert.equal(BLOCK_HEADER_BYTES + position.length, 29);
  assert.equal(FOOTER_BYTES, 20);
  assert.deepEqual(BLOCK_KIND, { messages: 1, position: 2, index: 3, relations: 4, plainMessages: 5 });
});

/**
 * Segments written by version 1 must be readable for ever; `UPDATE_GOLDEN=1` writes them anew, which is right only together with a new
 * SEGMENT_VERSION and code that still reads the old one.
 */
test("the segments in test/log/golden are read as they were written", async () => {
  assert.equal(SEGMENT_VERSION, 1, "a new version needs golden files of its own; keep these");
  if (process.env.UPDATE_GOLDEN === "1") await writeGolden();
  using dir = tempDir();
  for (const name of GOLDEN_NAMES) copyFileSync(join(GOLDEN, name), join(dir.path, name));
  const log = await openLog(dir.path, { durable: { lsn: lsnOf(4), xidReference: 703n } });
  const pieces = await readAll(log);
  assert.equal(log.start(), 1_000n);
  assert.equal(log.passed(), lsnOf(4));
  assert.deepEqual(
    pieces.map(({ header }) => [header.xid, header.commitLsn, header.endLsn, header.commitMicros, header.origin]),
    [
      [701n, 1_100n, 1_108n, 1_700_000_000_000_001n, null],
      [702n, 1_200n, 1_208n, 1_700_000_000_000_002n, "pg_16388"],
      [703n, 1_300n, 1_308n, 1_700_000_000_000_003n, null],
    ],
  );
  assert.deepEqual(
    pieces.map(({ changes }) => changes),
    [
      [{ kind: "insert", table: "public.a", row: ["1", "\xc3\xa9"] }],
      [
        { kind: "update", table: "public.a", oldKey: ["1"], row: ["2", null] },
        { kind: "insert", table: "public.b", row: ["b", null] },
      ],
      [
        { kind: "delete", table: "public.a", oldKey: ["2"] },
        { kind: "truncate", tables: ["public.a", "public.b"] },
      ],
    ],
  );
  await log.close();
});

test("the golden files are the ones that were reviewed", () => {
  const digests = GOLDEN_NAMES.map((name) =>
    createHash("sha256")
      .update(readFileSync(join(GOLDEN, name)))
      .digest("hex")
      .slice(0, 16),
  );
  assert.deepEqual(digests, ["dd51462bdf70cb29", "5072556f62b0d9cb"]);
});

test("a block keeps its content, and any flipped bit is noticed", () => {
  const raw = Buffer.from("some frames ".repeat(20));
  const block = encodeBlock(BLOCK_KIND.messages, raw, 5n);
  assert.deepEqual(decodeBlock(block), raw);
  assert.deepEqual(
    { ...decodeBlockHeader(block), crc: 0 },
    { storedLength: block.length - BLOCK_HEADER_BYTES, crc: 0, kind: 1, rawLength: raw.length, xidReference: 5n },
  );
  for (let bit = 32; bit < block.length * 8; bit++) {
    const damaged = Buffer.from(block);
    damaged[bit >> 3] = (damaged[bit >> 3] as number) ^ (1 << (bit & 7));
    assert.ok(!isIntact(damaged), `bit ${bit}`);
  }
});

test("an index goes there and back, with thousands of rows", () => {
  const index = new TransactionIndex(5n);
  index.addRelation(1, RELATION_A);
  for (let n = 0; n < 3_000; n++) {
    index.append({
      xid: BigInt(n) + (1n << 40n),
      commitLsn: lsnOf(n),
      endLsn: lsnOf(n) + 8n,
      commitMicros: BigInt(-n),
      origin: n % 3 === 0 ? `o${n % 5}` : null,
      place: { block: n * 3_000_000, offset: n },
      bytes: n * 2_000_000,
      relations: n % 2 === 0 ? [3, 1] : [1, 3, n % 7],
      relationMessages:
        n === 1_000
          ? [
              { oid: 2, message: RELATION_B },
              { oid: 1, message: RELATION_A },
            ]
          : [],
    });
  }
  const decoded = TransactionIndex.decode(index.encode());
  assert.equal(decoded.count, 3_000);
  assert.equal(decoded.end, lsnOf(2_999) + 8n);
  assert.deepEqual(decoded.relations, [
    { from: 0, oid: 1, message: RELATION_A },
    { from: 1_001, oid: 2, message: RELATION_B },
  ]);
  assert.deepEqual([...decoded.newestRelations.keys()], [1, 2]);
  for (const row of [0, 1, 999, 2_999]) {
    assert.deepEqual(decoded.header(row), index.header(row));
    assert.deepEqual(decoded.place(row), { block: row * 3_000_000, offset: row });
    assert.equal(decoded.bytes(row), row * 2_000_000);
    assert.deepEqual(decoded.relationSets[decoded.relationSet(row)], index.relationSets[index.relationSet(row)]);
  }
  assert.equal(decoded.relationSets.length, 8);
  assert.equal(decoded.firstAt(0n), 0);
  assert.equal(decoded.firstAt(lsnOf(7)), 7);
  assert.equal(decoded.firstAt(lsnOf(7) + 1n), 8);
  assert.equal(decoded.firstAt(lsnOf(9_999)), 3_000);
});

async function writeGolden(): Promise<void> {
  using dir = tempDir();
  const log = await openLog(dir.path, { segmentTransactions: 2, now: stepping() });
  const micros = 1_700_000_000_000_000n;
  const end = (n: number): Buffer => pgoutput.commit(lsnOf(n), lsnOf(n) + 8n, micros + BigInt(n));
  log.append(pgoutput.frames(pgoutput.begin(lsnOf(1), 701, micros + 1n), RELATION_A, pgoutput.insert(1, ["1", "\xc3\xa9"]), end(1)));
  log.append(
    pgoutput.frames(
      pgoutput.begin(lsnOf(2), 702, micros + 2n),
      pgoutput.origin("pg_16388"),
      pgoutput.update(1, ["2", null], { marker: "K", row: ["1", null] }),
      RELATION_B,
      pgoutput.insert(2, ["b", null]),
      end(2),
    ),
  );
  await log.flush();
  log.append(
    pgoutput.frames(pgoutput.begin(lsnOf(3), 703, micros + 3n), pgoutput.remove(1, "K", ["2", null]), pgoutput.truncate(1, 2), end(3)),
  );
  await log.flush();
  log.keepalive(lsnOf(4));
  await log.flush();
  await log.close();
  mkdirSync(GOLDEN, { recursive: true });
  for (const name of readdirSync(dir.path)) writeFileSync(join(GOLDEN, name), readFileSync(join(dir.path, name)));
}

/** Each look at the clock is two seconds after the last. */
function stepping(): () => number {
  let now = 0;
  return () => (now += 2_000);
}
