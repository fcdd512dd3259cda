import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { PghaulError } from "../../src/errors/pghaul-error.ts";
import type { LocalLog } from "../../src/log/local-log.ts";
import type { Change } from "../../src/model/change.ts";
import type { Table } from "../../src/model/table.ts";
import { type PartialRow, UNCHANGED } from "../../src/model/value.ts";
import { pgoutput } from "../pgoutput/encode.ts";
import {
  ALL,
  collect,
  hasCode,
  insertInto,
  lsnOf,
  NEVER,
  numbersOf,
  openLog,
  RELATION_A,
  RELATION_B,
  readAll,
  START,
  tableOf,
  tempDir,
} from "./bench.ts";

/** What one transaction over one table reads as. */
async function changesOf(table: Table, ...messages: readonly Buffer[]): Promise<readonly Change[]> {
  using dir = tempDir();
  const log = await openLog(dir.path, { tables: new Map([[table.id, table]]) });
  try {
    log.append(pgoutput.transaction(lsnOf(1), 701, ...messages));
    await log.flush();
    return (await readAll(log, new Set([table.id]))).flatMap(({ changes }) => changes);
  } finally {
    await log.close();
  }
}

const KEYED = tableOf("t", ["id", "big", "note"], [0]);
const DEFAULT = pgoutput.relation({ oid: 9, name: "t", columns: ["*id", "big", "note"] });
const FULL = pgoutput.relation({ oid: 9, name: "t", identity: "f", columns: ["*id", "*big", "*note"] });

test("values come in the table's order, whatever the relation's", async () => {
  const shuffled = pgoutput.relation({ oid: 9, name: "t", columns: ["note", "*id", "big"] });
  assert.deepEqual(
    await changesOf(
      KEYED,
      shuffled,
      pgoutput.insert(9, ["n", "1", "b"]),
      pgoutput.update(9, ["m", "2", UNCHANGED], { marker: "K", row: [null, "1", null] }),
      pgoutput.remove(9, "K", [null, "2", null]),
    ),
    [
      { kind: "insert", table: "public.t", row: ["1", "b", "n"] },
      { kind: "update", table: "public.t", oldKey: ["1"], row: ["2", UNCHANGED, "m"] },
      { kind: "delete", table: "public.t", oldKey: ["2"] },
    ],
  );
});

test("unchanged TOAST stays unknown under a key, and is filled from the old row under FULL", async () => {
  assert.deepEqual(await changesOf(KEYED, DEFAULT, pgoutput.update(9, ["1", UNCHANGED, null])), [
    { kind: "update", table: "public.t", oldKey: null, row: ["1", UNCHANGED, null] },
  ]);
  assert.deepEqual(await changesOf(KEYED, FULL, pgoutput.update(9, ["1", UNCHANGED, "new"], { marker: "O", row: ["1", "long", "old"] })), [
    { kind: "update", table: "public.t", oldKey: null, row: ["1", "long", "new"] },
  ]);
});

test("an old key is told only when the key's bytes changed", async () => {
  const same = pgoutput.update(9, ["1", "b", "n"], { marker: "O", row: ["1", "a", "n"] });
  const moved = pgoutput.update(9, ["1.0", "b", "n"], { marker: "O", row: ["1", "b", "n"] });
  const toasted = pgoutput.update(9, [UNCHANGED, "b", "n"], { marker: "K", row: ["long key", null, null] });
  assert.deepEqual(
    (await changesOf(KEYED, FULL, same, moved)).map((change) => change.kind === "update" && change.oldKey),
    [null, ["1"]],
  );
  assert.deepEqual(await changesOf(KEYED, DEFAULT, toasted), [
    { kind: "update", table: "public.t", oldKey: null, row: ["long key", "b", "n"] },
  ]);
});

test("a key of several columns, in the index's order", async () => {
  const table = tableOf("t", ["a", "b", "c"], [2, 0]);
  const relation = pgoutput.relation({ oid: 9, name: "t", columns: ["*a", "b", "*c"] });
  const [update, remove] = await changesOf(
    table,
    relation,
    pgoutput.update(9, ["1", "x", "4"], { marker: "K", row: ["1", null, "3"] }),
    pgoutput.remove(9, "K", ["5", null, "6"]),
  );
  assert.deepEqual(update, { kind: "update", table: "public.t", oldKey: ["3", "1"], row: ["1", "x", "4"] });
  assert.deepEqual(remove, { kind: "delete", table: "public.t", oldKey: ["6", "5"] });
});

test("a table without a key brings whole rows, old and new", async () => {
  const table = tableOf("t", ["id", "big", "note"], null);
  assert.deepEqual(
    await changesOf(
      table,
      FULL,
      pgoutput.insert(9, ["1", null, "n"]),
      pgoutput.update(9, ["1", UNCHANGED, "m"], { marker: "O", row: ["1", "long", null] }),
      pgoutput.remove(9, "O", ["1", "long", null]),
    ),
    [
      { kind: "insert", table: "public.t", row: ["1", null, "n"] },
      { kind: "update-row", table: "public.t", old: ["1", "long", null], row: ["1", "long", "m"] },
      { kind: "delete-row", table: "public.t", old: ["1", "long", null] },
    ],
  );
});

const drifts: readonly (readonly [string, Table, readonly Buffer[]])[] = [
  [
    "a column that the table does not have",
    KEYED,
    [pgoutput.relation({ oid: 9, name: "t", columns: ["*id", "big", "note", "new"] }), pgoutput.insert(9, ["1", "b", "n", "x"])],
  ],
  ["a column that is gone", KEYED, [pgoutput.relation({ oid: 9, name: "t", columns: ["*id", "big"] }), pgoutput.insert(9, ["1", "b"])]],
  [
    "a column that becomes another type",
    KEYED,
    [
      DEFAULT,
      pgoutput.insert(9, ["1", "b", "n"]),
      pgoutput.relation({ oid: 9, name: "t", columns: ["*id", "big:1043", "note"] }),
      pgoutput.insert(9, ["2", "b", "n"]),
    ],
  ],
  [
    "an identity that no longer covers the key",
    KEYED,
    [pgoutput.relation({ oid: 9, name: "t", identity: "i", columns: ["id", "*big", "note"] }), pgoutput.update(9, ["1", "b", "n"])],
  ],
  [
    "a table without a key that is no longer FULL",
    tableOf("t", ["id", "big", "note"], null),
    [DEFAULT, pgoutput.remove(9, "K", ["1", null, null])],
  ],
];

for (const [what, table, messages] of drifts) {
  test(`drift: ${what}`, async () => {
    await assert.rejects(changesOf(table, ...messages), (error) => {
      return (
        error instanceof PghaulError && error.code === "SCHEMA_DRIFT" && error.context.table === "public.t" && error.context.lsn === "0/44C"
      );
    });
  });
}

test("a type that changed before the range is no drift; in it, it is, also in a later segment", async () => {
  using dir = tempDir();
  const table = tableOf("t", ["id"], [0]);
  const log = await openLog(dir.path, { segmentBytes: 1, tables: new Map([[table.id, table]]) });
  const before = pgoutput.relation({ oid: 9, name: "t", columns: ["*id:23"] });
  const after = pgoutput.relation({ oid: 9, name: "t", columns: ["*id:20"] });
  const frames = [
    pgoutput.transaction(lsnOf(1), 701, before, pgoutput.insert(9, ["1"])),
    pgoutput.transaction(lsnOf(2), 702, after, pgoutput.insert(9, ["2"])),
    pgoutput.transaction(lsnOf(3), 703, pgoutput.insert(9, ["3"])),
  ];
  for (const one of frames) {
    log.append(one);
    await log.flush();
  }
  const wanted = new Set([table.id]);
  assert.deepEqual(numbersOf(await readAll(log, wanted, lsnOf(3))), [3]);
  await assert.rejects(readAll(log, wanted, lsnOf(2)), hasCode("SCHEMA_DRIFT"));
  await assert.rejects(readAll(log, wanted), hasCode("SCHEMA_DRIFT"));
  await log.close();
});

const undecodable: readonly (readonly [string, Table, readonly Buffer[]])[] = [
  ["a relation that was never described", KEYED, [DEFAULT, pgoutput.insert(9, ["1", "b", "n"]), pgoutput.truncate(77)]],
  ["an insert that lacks a value", KEYED, [DEFAULT, pgoutput.insert(9, ["1", UNCHANGED, "n"])]],
  ["a row of another width than its relation", KEYED, [DEFAULT, pgoutput.insert(9, ["1", "b"])]],
  ["a key without a value", KEYED, [DEFAULT, pgoutput.remove(9, "K", [null, null, null])]],
  [
    "a row that stays incomplete although nothing else can complete it",
    tableOf("t", ["id", "big", "note"], null),
    [FULL, pgoutput.update(9, ["1", UNCHANGED, "n"], { marker: "O", row: ["1", UNCHANGED, "n"] })],
  ],
];

for (const [what, table, messages] of undecodable) {
  test(`refuses ${what}`, async () => {
    await assert.rejects(changesOf(table, ...messages), hasCode("DECODE_FAILED"));
  });
}

test("relations of tables that are not wanted, or not known, may be anything", async () => {
  const strange = pgoutput.relation({ oid: 10, name: "other", columns: ["x"] });
  assert.deepEqual(
    await changesOf(KEYED, strange, pgoutput.insert(10, ["1"]), DEFAULT, pgoutput.insert(9, ["1", "b", "n"]), pgoutput.type(5, "mood")),
    [{ kind: "insert", table: "public.t", row: ["1", "b", "n"] }],
  );
});

test("a relation keeps its columns from transaction to transaction, and changes them where the stream says so", async () => {
  using dir = tempDir();
  const log = await openLog(dir.path);
  log.append(
    Buffer.concat([
      pgoutput.transaction(lsnOf(1), 701, RELATION_A, pgoutput.insert(1, ["1", "x"])),
      pgoutput.transaction(
        lsnOf(2),
        702,
        pgoutput.insert(1, ["2", "x"]),
        pgoutput.relation({ oid: 1, name: "a", columns: ["note", "*id"] }),
        pgoutput.insert(1, ["y", "2b"]),
      ),
      pgoutput.transaction(lsnOf(3), 703, pgoutput.insert(1, ["z", "3"])),
    ]),
  );
  await log.flush();
  const rows = (pieces: readonly { readonly changes: readonly Change[] }[]): PartialRow[] =>
    pieces.flatMap(({ changes }) => changes.map((change) => (change.kind === "insert" ? change.row : [])));
  assert.deepEqual(rows(await readAll(log)), [
    ["1", "x"],
    ["2", "x"],
    ["2b", "y"],
    ["3", "z"],
  ]);
  assert.deepEqual(rows(await readAll(log, ALL, lsnOf(2))), [
    ["2", "x"],
    ["2b", "y"],
    ["3", "z"],
  ]);
  assert.deepEqual(rows(await readAll(log, ALL, lsnOf(3))), [["3", "z"]]);
  await log.close();
});

test("a table is the one it was under every name that it bears, and no other of that name is", async () => {
  using dir = tempDir();
  const log = await openLog(dir.path);
  const renamed = pgoutput.relation({ oid: 1, name: "b", columns: ["*id", "note"] });
  log.append(
    Buffer.concat([
      pgoutput.transaction(lsnOf(1), 701, RELATION_A, pgoutput.insert(1, ["1", "x"])),
      pgoutput.transaction(lsnOf(2), 702, renamed, pgoutput.insert(1, ["2", "x"])),
      pgoutput.transaction(lsnOf(3), 703, RELATION_B, pgoutput.insert(2, ["3", "x"])),
    ]),
  );
  await log.flush();
  assert.deepEqual(numbersOf(await readAll(log, new Set(["public.a"]))), [1, 2]);
  assert.deepEqual(numbersOf(await readAll(log, new Set(["public.b"]))), [3]);
  await log.close();
});

test("a large transaction comes in pieces; ordinals count on, only the last piece is the last", async () => {
  using dir = tempDir();
  const log = await openLog(dir.path);
  await appendLarge(log, 1_234);
  const pieces = await readAll(log, new Set(["public.a"]));
  assert.deepEqual(
    pieces.map(({ changes, firstOrdinal, last }) => [changes.length, firstOrdinal, last]),
    [
      [500, 0, false],
      [500, 500, false],
      [234, 1_000, true],
    ],
  );
  assert.deepEqual(
    pieces.flatMap(({ changes }) => changes.map((change) => (change.kind === "insert" ? Number(change.row[0]) : -1))),
    [...Array(1_234).keys()],
  );
  // The same, seen through a table that has one change at its beginning.
  const ofB = await readAll(log, new Set(["public.b"]));
  assert.deepEqual(
    ofB.map(({ changes, last }) => [changes.length, last]),
    [[1, true]],
  );
  await log.close();
});

test("a piece ends at one megabyte, too", async () => {
  using dir = tempDir();
  const log = await openLog(dir.path);
  const note = "x".repeat(128 * 1024);
  log.append(
    pgoutput.transaction(lsnOf(1), 701, RELATION_A, ...Array.from({ length: 20 }, (_, n) => pgoutput.insert(1, [String(n), note]))),
  );
  await log.flush();
  assert.deepEqual(
    (await readAll(log)).map(({ changes, last }) => [changes.length, last]),
    [
      [8, false],
      [8, false],
      [4, true],
    ],
  );
  await log.close();
});

test("transactions that touch no wanted table are not even read from disk", async () => {
  using dir = tempDir();
  // Sealed at once: of an open segment the last blocks are in memory.
  const log = await openLog(dir.path, { segmentBytes: 1 });
  log.append(
    Buffer.concat([pgoutput.transaction(lsnOf(1), 701, RELATION_A, RELATION_B, pgoutput.insert(1, ["1", "x"])), insertInto(2, 2)]),
  );
  await log.flush();
  damageEverything(dir.path);
  assert.deepEqual(await readAll(log, new Set(["public.unknown"])), []);
  assert.equal((await collect(log.headers({ from: START, to: log.passed() }, NEVER))).length, 2);
  await assert.rejects(readAll(log), hasCode("LOG_CORRUPT"));
  await log.close();
});

test("a reader that is stopped stops", async () => {
  using dir = tempDir();
  const log = await openLog(dir.path);
  log.append(Buffer.concat([pgoutput.transaction(lsnOf(1), 701, RELATION_A, pgoutput.insert(1, ["1", "x"])), insertInto(2)]));
  await log.flush();
  const stop = new AbortController();
  const pieces = log.read({ from: START, to: log.passed() }, ALL, stop.signal)[Symbol.asyncIterator]();
  assert.equal((await pieces.next()).done, false);
  stop.abort(new Error("enough"));
  await assert.rejects(pieces.next(), /enough/);
  await log.close();
});

async function appendLarge(log: LocalLog, rows: number): Promise<void> {
  log.append(pgoutput.frames(pgoutput.begin(lsnOf(1), 701), RELATION_B, pgoutput.insert(2, ["b", "b"]), RELATION_A));
  for (let row = 0; row < rows; row += 1_000) {
    const batch = Array.from({ length: Math.min(1_000, rows - row) }, (_, n) =>
      pgoutput.insert(1, [String(row + n), `${Math.random()}`.repeat(8)]),
    );
    log.append(pgoutput.frames(...batch));
    await log.flush();
  }
  log.append(pgoutput.frames(pgoutput.commit(lsnOf(1), lsnOf(1) + 8n)));
  await log.flush();
}

function damageEverything(dir: string): void {
  for (const name of readdirSync(dir)) {
    const path = `${dir}/${name}`;
    writeFileSync(path, readFileSync(path).fill(0x55, 250));
  }
}
