import assert from "node:assert/strict";
import { test } from "node:test";
import { maxLsn } from "../../../src/model/lsn.ts";
import { keyText, type Table } from "../../../src/model/table.ts";
import { type Row, UNCHANGED } from "../../../src/model/value.ts";
import { parseCopyLine } from "../../../src/postgres/copy-text.ts";
import { FileArchive } from "../../../src/target/file/archive/file-archive.ts";
import { TableImage } from "../../../src/target/file/image/table-image.ts";
import type { TableFiles } from "../../../src/target/file/storage/directory.ts";
import { deadline } from "../../support/deadline.ts";
import { append, CopyRows, openTarget, read, TemporaryDirectory, tableOf, transaction } from "./bench.ts";
import { History, openMoves, type Snapshot, sortedLines } from "./history.ts";

const SEEDS = Number(process.env.FILE_SEEDS ?? 6);
const KEYED = tableOf("keyed", ["id", "small", "big"]);
const BAG = tableOf("bag", ["a", "b", "c"], null);

/** Loads a history as the engine would: chunks at snapshots of their own, re-reads until nothing is pending, and all changes. */
async function load(directory: string, history: History): Promise<bigint> {
  const { table, pieces } = history;
  const target = await openTarget(directory);
  const parts = 1 + history.pick(3);
  const snapshots: Snapshot[] = [];
  const half = Math.floor(pieces.length / 2);
  for (let part = 0; part < parts; part += 1) {
    const shown = history.snapshot(history.pick(half), history.pick(12));
    snapshots.push(shown);
    await target.loadChunk(
      table,
      part + 1,
      read(shown.floor, shown.hi),
      CopyRows.of(...shown.rows.filter(([key]) => Number(key) % parts === part)),
    );
  }
  let complete = snapshots.reduce((hi, shown) => maxLsn(hi, shown.hi), 0n);
  const settled = new Map<string, bigint>();
  // A move below `complete` must be read again, and each read may push `complete` up.
  for (;;) {
    const open = openMoves(history, complete).filter(({ key, lsn }) => (settled.get(keyText(key)) ?? 0n) <= lsn);
    const [first] = open;
    if (first === undefined) break;
    const floor = Number(first.lsn / 10n) + history.pick(3);
    const shown = history.snapshot(Math.min(floor, pieces.length), history.pick(4));
    const keys = open.map(({ key }) => key).filter((key, place, all) => all.findIndex(([id]) => id === key[0]) === place);
    await target.loadKeys(
      table,
      read(shown.floor, shown.hi),
      keys,
      shown.rows.filter(([id]) => keys.some(([key]) => key === id)),
    );
    for (const key of keys) settled.set(keyText(key), shown.floor);
    complete = maxLsn(complete, shown.hi);
  }
  await appendAll(directory, target, history);
  assert.deepEqual((await target.progress()).pending, []);
  await target.publish(table, complete);
  return complete;
}

async function appendAll(directory: string, target: Awaited<ReturnType<typeof openTarget>>, history: History): Promise<void> {
  let from = 10n;
  for (let index = 0; index < history.pieces.length; ) {
    const until = Math.min(history.pieces.length, index + 1 + history.pick(20));
    const to = BigInt(until + 1) * 10n;
    await append(target, { tables: [history.table], from, to, pieces: history.pieces.slice(index, until) });
    [from, index] = [to, until];
  }
  assert.ok(directory);
}

async function imageRows(archive: FileArchive, files: TableFiles, position: bigint, scratch: string): Promise<Row[]> {
  const image = await TableImage.make({
    archive,
    files,
    position,
    scratch,
    partitionBytes: 500,
    signal: AbortSignal.timeout(deadline(60_000)),
  });
  const rows: Row[] = [];
  for (let partition = 0; partition < image.partitions; partition += 1) {
    for await (const { text } of image.copyText(partition)) {
      rows.push(...text.toString("latin1").split("\n").slice(0, -1).map(parseCopyLine));
    }
  }
  await image.close();
  return rows;
}

async function check(table: Table, loadOne: (directory: string, history: History) => Promise<bigint>): Promise<void> {
  for (let seed = 1; seed <= SEEDS; seed += 1) {
    using directory = new TemporaryDirectory();
    const history = new History(table, seed, 60);
    const complete = await loadOne(directory.path, history);
    const archive = await FileArchive.open(directory.path);
    const files = await archive.table(table.id);
    assert.ok(files !== null && files.published === complete);
    for (const position of new Set([complete, complete + 50n, history.end])) {
      if (position > history.end) continue;
      const rows = await imageRows(archive, files, position, directory.path);
      assert.deepEqual(sortedLines(rows), sortedLines(history.at(position)), `seed ${seed}, position ${position}, complete ${complete}`);
    }
  }
}

test("a table with a key is exact at any position from which it is complete: chunks, re-reads, moves, TRUNCATE", () => check(KEYED, load));

test("a table without a key is exact: its one snapshot decides which transactions it contains", () =>
  check(BAG, async (directory, history) => {
    const target = await openTarget(directory);
    const shown = history.snapshot(history.pick(30), history.pick(12));
    const confirm = () => Promise.resolve(read(shown.floor, shown.hi, shown.view));
    await target.loadWhole(
      BAG,
      1,
      (async function* () {
        yield* CopyRows.of(...shown.rows).copyText();
      })(),
      confirm,
    );
    await appendAll(directory, target, history);
    await target.publish(BAG, shown.hi);
    return shown.hi;
  }));

test("a moved row never takes columns from what came to the old key later", async () => {
  using directory = new TemporaryDirectory();
  const target = await openTarget(directory.path);
  // The chunk's snapshot is behind the move and the insert after it: what it shows at key 1 is another row.
  await target.loadChunk(KEYED, 1, read(10n, 50n), CopyRows.of(["1", "new", "new"]));
  const moved = { kind: "update", table: KEYED.id, oldKey: ["1"], row: ["2", "moved", UNCHANGED] } as const;
  const pieces = [transaction(20n, moved), transaction(30n, { kind: "insert", table: KEYED.id, row: ["1", "new", "new"] })];
  await append(target, { tables: [KEYED], from: 10n, to: 60n, pieces });
  await target.publish(KEYED, 50n);
  const image = async (): Promise<string[]> => {
    const archive = await FileArchive.open(directory.path);
    const files = await archive.table(KEYED.id);
    return sortedLines(await imageRows(archive, files as TableFiles, 60n, directory.path));
  };
  await assert.rejects(image(), { code: "TARGET_DAMAGED" });
  await target.loadKeys(KEYED, read(40n, 50n), [["2"]], [["2", "moved", "old"]]);
  assert.deepEqual(await image(), ["1\tnew\tnew\n", "2\tmoved\told\n"]);
});

test("of a table that was loaded anew, nothing from below its lowest floor is left", async () => {
  using directory = new TemporaryDirectory();
  const target = await openTarget(directory.path);
  const insert = (id: string) => ({ kind: "insert", table: KEYED.id, row: [id, "", ""] }) as const;
  // The table was held after this: that row 1 is gone again was never appended.
  await append(target, { tables: [KEYED], from: 10n, to: 30n, pieces: [transaction(20n, insert("1"))] });
  await target.forgetTable(KEYED);
  await target.loadChunk(KEYED, 2, read(40n, 50n), CopyRows.of(["2", "", ""]));
  await append(target, { tables: [KEYED], from: 30n, to: 60n, pieces: [transaction(45n, insert("3"))] });
  const archive = await FileArchive.open(directory.path);
  const files = await archive.table(KEYED.id);
  assert.deepEqual(sortedLines(await imageRows(archive, files as TableFiles, 60n, directory.path)), ["2\t\t\n", "3\t\t\n"]);
});
