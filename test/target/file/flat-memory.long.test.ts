import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import type { TransactionPiece } from "../../../src/model/change.ts";
import { readRows, rowSuffix, writeRows } from "../../../src/target/file/rows/row-files.ts";
import { CopyRows, openTarget, read, TemporaryDirectory, tableOf, transaction } from "./bench.ts";

const MB = 1024 * 1024;
const T = tableOf("t", ["id", "a", "b", "c"]);

/** 1 MB of COPY text again and again: what grows is not the rows themselves. */
function largeChunk(megabytes: number): CopyRows {
  const line = `1\t${"some text ".repeat(6)}\t\\N\tit's \\\\ "quoted", and more\n`;
  const lines = Math.floor(MB / line.length);
  const block = Buffer.from(line.repeat(lines));
  return new CopyRows(
    Array.from({ length: megabytes }, () => block),
    lines * megabytes,
  );
}

/** By how much the process grew at most while it worked. */
async function growthOf(work: () => Promise<unknown>): Promise<number> {
  const before = process.memoryUsage.rss();
  let highest = before;
  const timer = setInterval(() => {
    highest = Math.max(highest, process.memoryUsage.rss());
  }, 5);
  await work();
  clearInterval(timer);
  return (highest - before) / MB;
}

const CASES = [
  // DuckDB has 256 MB for a conversion; it uses what a row group and its buffers take.
  { kind: { format: "parquet", compression: "zstd" }, limit: 256 },
  { kind: { format: "copy", compression: "zstd" }, limit: 64 },
  { kind: { format: "csv", compression: "none" }, limit: 64 },
] as const;

for (const { kind, limit } of CASES) {
  test(`${kind.format}: a chunk of 200 MB is written and read in flat memory`, async () => {
    using directory = new TemporaryDirectory();
    const path = join(directory.path, `rows${rowSuffix(kind)}`);
    const warm = largeChunk(20);
    const write = (chunk: CopyRows) => writeRows(path, { table: T, copyText: chunk.copyText() }, kind);
    const readAll = async (): Promise<number> => {
      let bytes = 0;
      for await (const block of readRows(path, T, kind)) bytes += block.length;
      return bytes;
    };
    await write(warm);
    await readAll();
    const chunk = largeChunk(200);
    const written = await growthOf(() => write(chunk));
    assert.ok(written < limit, `writing grew the process by ${written.toFixed()} MB`);
    let bytes = 0;
    const grown = await growthOf(async () => {
      bytes = await readAll();
    });
    assert.equal(bytes, chunk.bytes);
    assert.ok(grown < limit, `reading grew the process by ${grown.toFixed()} MB`);
  });
}

test("a transaction of 200 MB is appended in flat memory", async () => {
  using directory = new TemporaryDirectory();
  const target = await openTarget(directory.path);
  await target.loadChunk(T, 1, read(1n, 2n), CopyRows.of());
  const value = "x".repeat(10_000);
  const piece = (index: number, last: boolean): TransactionPiece => {
    const changes = Array.from({ length: 100 }, (_, place) => {
      return { kind: "insert", table: T.id, row: [String(index * 100 + place), value, null, ""] } as const;
    });
    return { ...transaction(10n, ...changes), firstOrdinal: index * 100, last };
  };
  const pieces = async function* () {
    for (let index = 0; index < 200; index += 1) yield piece(index, index === 199);
  };
  const grown = await growthOf(() =>
    target.append(new Map([[T.id, T]]), 1n, pieces(), () => ({ to: 20n, transactions: 1, changes: 20_000, pending: [] })),
  );
  assert.ok(grown < 64, `it grew the process by ${grown.toFixed()} MB`);
});
