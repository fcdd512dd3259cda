import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { TablesLoad } from "../../../src/engine/load-tables.ts";
import type { ChangeLog, ChunkRead, EnginePorts, TargetProgress, TargetTransaction } from "../../../src/engine/ports.ts";
import { RowLoading } from "../../../src/engine/rows/row-loading.ts";
import { TableLoad } from "../../../src/engine/rows/table-load.ts";
import { PghaulError } from "../../../src/errors/pghaul-error.ts";
import { PlainRows, T, viewOf } from "../rows.ts";

const never = new AbortController().signal;
const READ: ChunkRead = { view: viewOf(), hi: 20n, rows: new PlainRows(["1", "a", "x"]), cutAfter: null };

function chunk(id: number) {
  return { id, table: T.id, range: { leaf: "0", from: null, to: null }, merged: false };
}

/** Ports over an empty log that stands at 100; the target loses its first `fails` transactions and counts the others. */
function portsOver(fails = 0) {
  const world = { fails, committed: 0, merged: [] as number[] };
  const transaction: Partial<TargetTransaction> = {
    setTableProgress: async () => {},
    insertAbsent: async () => 1,
    setChunkMerged: async (_table, id) => void world.merged.push(id),
  };
  const log: Partial<ChangeLog> = { start: () => 0n, passed: () => 100n, streams: () => 1, async *read() {}, async *headers() {} };
  const ports: Partial<EnginePorts> = {
    log: log as ChangeLog,
    target: {
      progress: () => Promise.reject(new Error("not asked here")),
      transaction: async (_lane, work) => {
        if (world.fails-- > 0) throw new PghaulError("TARGET_LOST", "gone");
        const result = await work(transaction as TargetTransaction);
        world.committed += 1;
        return result;
      },
    },
    store: {
      chunks: () => [],
      planChunks: () => [],
      cutChunk: () => chunk(9),
      chunkMerged: () => {},
      chunkLost: () => {},
      forgetTable: () => {},
      kept: () => Promise.resolve(),
    },
    clock: { now: () => 0, sleep: () => new Promise(() => {}) },
    observer: { chunkMerged: () => {} } as Partial<EnginePorts["observer"]> as EnginePorts["observer"],
    crashPoint: () => {},
  };
  return { world, ports: ports as EnginePorts };
}

function loadOver(ports: EnginePorts): TableLoad {
  return new TableLoad(T, ports, { progress: null, pending: [] }, never);
}

describe("a table's load", () => {
  it("needs the log from the floor of its oldest read on, until that is merged, wherever its cursor is", async () => {
    const load = loadOver(portsOver().ports);
    assert.equal(load.oldestPosition, null);
    const [early, late] = [load.openRead(5n), load.openRead(9n)];
    await load.merge(chunk(2), READ, late);
    assert.equal(load.oldestPosition, 5n);
    await load.merge(chunk(1), READ, early);
    assert.equal(load.oldestPosition, 20n);
  });

  it("merges a chunk that is handed over in the very moment in which a round ends", async () => {
    const { world, ports } = portsOver();
    const load = loadOver(ports);
    let last = load.merge(chunk(0), READ, load.openRead(5n));
    // One microtask later each time, so that one of them falls between the last merge and the end of its round.
    for (let id = 1; id < 12; id++) {
      await last;
      for (let hop = 0; hop < id; hop++) await null;
      last = load.merge(chunk(id), READ, load.openRead(5n));
    }
    await last;
    assert.equal(world.merged.length, 12);
  });

  it("touches the target no more after a round that failed: the cursor there is not known", async () => {
    const { world, ports } = portsOver(1);
    const load = loadOver(ports);
    const merges = [load.merge(chunk(1), READ, load.openRead(5n)), load.merge(chunk(2), READ, load.openRead(5n))];
    for (const merge of merges) await assert.rejects(merge, { code: "TARGET_LOST" });
    await assert.rejects(load.merge(chunk(3), READ, load.openRead(5n)), { code: "TARGET_LOST" });
    assert.equal(world.committed, 0);
  });
});

describe("the log that a load of many tables needs", () => {
  const none: TargetProgress = { stream: null, tables: new Map(), mergedChunks: new Set(), pending: new Map() };
  const options = {
    ranges: async () => [],
    budget: () => ({ millis: 1, bytes: 1 }),
    readers: 1,
    loaded: async () => {},
    stop: never,
    signal: never,
  };

  it("reaches back to the cursors of tables that were not opened again since the restart", () => {
    const { ports } = portsOver();
    const log = { ...ports.log, start: () => 50n } as ChangeLog;
    const known: TargetProgress = { ...none, tables: new Map([[T.id, { cursor: 30n, state: "loading", filter: null }]]) };
    assert.equal(
      new TablesLoad({ ...ports, log }, new RowLoading({ ...ports, log }, known), { ...options, tables: [T] }).oldestPosition(),
      30n,
    );
  });

  it("is nothing once every table has joined", () => {
    const known: TargetProgress = { ...none, stream: 30n, tables: new Map([[T.id, { cursor: 30n, state: "joined", filter: null }]]) };
    const { ports } = portsOver();
    assert.equal(new TablesLoad(ports, new RowLoading(ports, known), { ...options, tables: [T] }).oldestPosition(), null);
  });
});
