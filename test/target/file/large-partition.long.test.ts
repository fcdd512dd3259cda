/** A partition of more text than a JavaScript string can hold (half a gigabyte), of either kind. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { TransactionPiece } from "../../../src/model/change.ts";
import { UNCHANGED } from "../../../src/model/value.ts";
import { FileArchive } from "../../../src/target/file/archive/file-archive.ts";
import { TableImage } from "../../../src/target/file/image/table-image.ts";
import type { TableFiles } from "../../../src/target/file/storage/directory.ts";
import { deadline } from "../../support/deadline.ts";
import { CopyRows, OWNER, openTarget, read, TemporaryDirectory, tableOf, transaction } from "./bench.ts";

const MB = 1024 * 1024;
const T = tableOf("t", ["id", "small", "big"]);
const OWNER_ZSTD = { ...OWNER, compression: "zstd" } as const;

type Target = Awaited<ReturnType<typeof openTarget>>;

/** One transaction of so many changes, 1,000 a piece. */
async function appendMany(target: Target, count: number, changeAt: (place: number) => TransactionPiece["changes"][number]): Promise<void> {
  const pieces = async function* (): AsyncGenerator<TransactionPiece> {
    for (let first = 0; first < count; first += 1000) {
      const changes = Array.from({ length: 1000 }, (_, place) => changeAt(first + place));
      yield { ...transaction(30n, ...changes), firstOrdinal: first, last: first + 1000 >= count };
    }
  };
  await target.append(new Map([[T.id, T]]), 5n, pieces(), () => ({ to: 40n, transactions: 1, changes: count, pending: [] }));
}

/** The image, and by how much the process grew at most while it was made, in megabytes. */
async function imageOf(directory: string): Promise<{ readonly rows: bigint; readonly peak: number; readonly first: string }> {
  const archive = await FileArchive.open(directory);
  const files = (await archive.table(T.id)) as TableFiles;
  let peak = 0;
  const began = process.memoryUsage.rss() / MB;
  const timer = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage.rss() / MB - began);
  }, 20);
  const image = await TableImage.make({
    archive,
    files,
    position: 40n,
    scratch: directory,
    signal: AbortSignal.timeout(deadline(900_000)),
  });
  let first = "";
  for (let partition = 0; partition < image.partitions; partition += 1) {
    for await (const { text } of image.copyText(partition)) first ||= text.toString("latin1", 0, 80);
  }
  clearInterval(timer);
  const { rows } = image.digest();
  await image.close();
  return { rows, peak, first };
}

test("a row with 2.4 million updates, 0.6 GB of versions, is put together in bounded memory", async (t) => {
  using directory = new TemporaryDirectory();
  const target = await openTarget(directory.path, { owner: OWNER_ZSTD });
  await target.loadChunk(T, 1, read(10n, 20n), CopyRows.of(["1", "old", ""]));
  const value = "v".repeat(220);
  await appendMany(target, 2_400_000, (place) => ({ kind: "update", table: T.id, oldKey: null, row: ["1", String(place), value] }));
  const { rows, peak, first } = await imageOf(directory.path);
  t.diagnostic(`memory grew by at most ${peak.toFixed()} MB`);
  assert.equal(rows, 1n);
  assert.ok(first.startsWith("1\t2399999\t"), first);
  assert.ok(peak < 700, `${peak.toFixed()} MB`);
});

test("600,000 moved rows, 0.65 GB in one partition, are put together in bounded memory", async (t) => {
  using directory = new TemporaryDirectory();
  const target = await openTarget(directory.path, { owner: OWNER_ZSTD });
  const count = 600_000;
  const value = "w".repeat(1000);
  for (let chunk = 0; chunk < 6; chunk += 1) {
    const lines = Array.from({ length: 100 }, (_, block) => {
      const from = chunk * 100_000 + block * 1000;
      return Buffer.from(Array.from({ length: 1000 }, (__, place) => `${from + place}\told\t${value}\n`).join(""));
    });
    await target.loadChunk(T, chunk + 1, read(10n, 20n), new CopyRows(lines, 100_000));
  }
  await appendMany(target, count, (place) => ({
    kind: "update",
    table: T.id,
    oldKey: [String(place)],
    row: [`m${place}`, "new", UNCHANGED],
  }));
  const { rows, peak, first } = await imageOf(directory.path);
  t.diagnostic(`memory grew by at most ${peak.toFixed()} MB`);
  assert.equal(rows, BigInt(count));
  assert.match(first, /^m\d+\tnew\twww/);
  assert.ok(peak < 700, `${peak.toFixed()} MB`);
});
