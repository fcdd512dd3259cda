import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { gunzipSync, zstdDecompressSync } from "node:zlib";
import { type Row, toByteText } from "../../../src/model/value.ts";
import { encodeCopyLine } from "../../../src/postgres/copy-text.ts";
import { readRows, rowSuffix, writeRows } from "../../../src/target/file/rows/row-files.ts";
import { CopyRows, collect, TemporaryDirectory, tableOf } from "./bench.ts";

const KINDS = (["copy", "csv", "parquet"] as const).flatMap((format) =>
  (["none", "gzip", "zstd"] as const).map((compression) => ({ format, compression })),
);
const TYPED = tableOf("typed", ["id bigint", "small smallint", "yes boolean", "note", "A", "a"]);
const NAMES: Row[] = [[toByteText("\ufeffbyte order mark"), "a"]];
const AWKWARD: Row[] = [
  ["1", "-32768", "t", "", null, "\\N"],
  ["-9223372036854775808", null, "f", 'tab\tnew\nline\rback\\slash\\n quote " comma, \b\v\f', "\\.", "\\"],
  ["3", "0", null, toByteText("é€😀 \u2028"), " lead and trail ", "#comment"],
  ["4", "1", "t", "x".repeat(5_000_000), "\u0001\u001f\u007f", "''"],
  ["5", "1", "t", '"', '""', "\n"],
  ["6", "1", "t", "\\\\n0\\t", "\n0\n1", "NULL"],
];

async function roundTrip(
  kind: (typeof KINDS)[number],
  table = TYPED,
  rows = AWKWARD,
): Promise<{ back: string[]; path: string; bytes: Buffer }> {
  using directory = new TemporaryDirectory();
  const path = join(directory.path, `rows${rowSuffix(kind)}`);
  const chunk = CopyRows.of(...rows);
  const written = await writeRows(path, { table, copyText: chunk.copyText() }, kind);
  assert.equal(written.rows, rows.length);
  assert.equal(written.bytes, chunk.bytes);
  const blocks = await collect(readRows(path, table, kind));
  const lines = Buffer.concat(blocks).toString("latin1").split("\n");
  assert.equal(lines.pop(), "");
  return { back: lines.map((line) => `${line}\n`), path, bytes: readFileSync(path) };
}

for (const kind of KINDS) {
  test(`${kind.format}, ${kind.compression}: every value comes back byte for byte`, async () => {
    const { back } = await roundTrip(kind);
    assert.deepEqual(back.sort(), AWKWARD.map((row) => encodeCopyLine(row)).sort());
  });

  test(`${kind.format}, ${kind.compression}: one column, no column and no row`, async () => {
    const rows = [["a"], [""], [null], ["\\."]];
    const one = await roundTrip(kind, tableOf("one", ["note"]), rows);
    assert.deepEqual(one.back.sort(), rows.map((row) => encodeCopyLine(row)).sort());
    assert.deepEqual((await roundTrip(kind, tableOf("none", [], null), [[], []])).back, ["\n", "\n"]);
    assert.deepEqual((await roundTrip(kind, TYPED, [])).back, []);
    assert.deepEqual(
      (await roundTrip(kind, tableOf("names", ["name", "of"]), NAMES)).back,
      NAMES.map((row) => encodeCopyLine(row)),
    );
  });
}

test("csv is RFC 4180 with a header; NULL is empty, the empty string is quoted", async () => {
  const rows = [
    ["1", null],
    ["2", ""],
    ["3", 'a "b", c'],
  ];
  const { bytes } = await roundTrip({ format: "csv", compression: "none" }, tableOf("t", ["id", "note"]), rows);
  assert.equal(bytes.toString("latin1"), 'id,note\n1,\n2,""\n3,"a ""b"", c"\n');
});

test("copy is the source's text as it came, compressed as any tool knows it", async () => {
  const plain = (await roundTrip({ format: "copy", compression: "none" })).bytes;
  assert.deepEqual(gunzipSync((await roundTrip({ format: "copy", compression: "gzip" })).bytes), plain);
  assert.deepEqual(zstdDecompressSync((await roundTrip({ format: "copy", compression: "zstd" })).bytes), plain);
});

test("bytes that are no UTF-8 survive in copy and csv", async () => {
  const rows = [["1", "\xff\xfe\x80"]];
  for (const format of ["copy", "csv"] as const) {
    const { back } = await roundTrip({ format, compression: "zstd" }, tableOf("t", ["id", "note"]), rows);
    assert.deepEqual(
      back,
      rows.map((row) => encodeCopyLine(row)),
    );
  }
});

test("bytes that are no UTF-8 are refused for parquet, with what to do", async () => {
  const rows = [["1", "\xff\xfe\x80"]];
  const kind = { format: "parquet", compression: "zstd" } as const;
  await assert.rejects(roundTrip(kind, tableOf("t", ["id", "note"]), rows), { code: "CONFIG_INVALID" });
});
