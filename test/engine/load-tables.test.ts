import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type LoadOptions, TablesLoad } from "../../src/engine/load-tables.ts";
import type {
  ChangeLog,
  ChunkRange,
  ChunkRead,
  ChunkRecord,
  EnginePorts,
  TargetProgress,
  TargetTransaction,
} from "../../src/engine/ports.ts";
import { RowLoading } from "../../src/engine/rows/row-loading.ts";
import { deadline } from "../support/deadline.ts";
import { PlainRows, T, viewOf } from "./rows.ts";

const never = new AbortController().signal;
const READ: ChunkRead = { view: viewOf(), hi: 20n, rows: new PlainRows(["1", "a", "x"]), cutAfter: null };
const NONE: TargetProgress = { stream: null, tables: new Map(), mergedChunks: new Set(), pending: new Map() };

/** Lets everything run that waits for nothing but itself. */
const settled = () => new Promise((resolve) => setTimeout(resolve, 10));

/** A gate in the hand of the test. */
class HandGate {
  asked = 0;
  #opened = Promise.withResolvers<void>();

  mayRead(signal: AbortSignal): Promise<void> {
    this.asked += 1;
    const aborted = new Promise<never>((_, reject) => signal.addEventListener("abort", () => reject(signal.reason), { once: true }));
    return Promise.race([this.#opened.promise, aborted]);
  }

  open(): void {
    this.#opened.resolve();
  }

  /** Whoever waits now goes on; whoever comes later waits. */
  openOnce(): void {
    this.#opened.resolve();
    this.#opened = Promise.withResolvers();
  }
}

/** One table of two chunks over a source that counts what it is asked. */
interface WorldOptions {
  readonly known?: TargetProgress;
  readonly readers?: number;
  readonly stop?: AbortSignal;
  /** What the store holds of both chunks. */
  readonly noted?: boolean;
}

function world({ known = NONE, readers = 1, stop = never, noted = false }: WorldOptions = {}) {
  const asked = { heartbeats: 0, reads: 0, loaded: 0, lost: 0 };
  const chunks = [1, 2].map((id) => ({ id, table: T.id, range: { leaf: "0", from: null, to: null }, merged: noted }));
  const transaction: Partial<TargetTransaction> = {
    setTableProgress: async () => {},
    insertAbsent: async () => 1,
    setChunkMerged: async () => {},
  };
  const ports = {
    source: {
      leaves: async () => T.leaves,
      heartbeat: async () => {
        asked.heartbeats += 1;
        return viewOf();
      },
      readChunk: async () => {
        asked.reads += 1;
        return READ;
      },
    } as Partial<EnginePorts["source"]> as EnginePorts["source"],
    log: {
      start: () => 0n,
      passed: () => 100n,
      streams: () => 1,
      async *read() {},
      async *headers() {},
    } as Partial<ChangeLog> as ChangeLog,
    target: {
      progress: () => Promise.reject(new Error("not asked here")),
      transaction: (_lane, work) => work(transaction as TargetTransaction),
    } as EnginePorts["target"],
    store: {
      chunks: () => chunks,
      planChunks: () => chunks,
      chunkMerged: () => {},
      chunkLost: () => {
        asked.lost += 1;
      },
    } as Partial<EnginePorts["store"]> as EnginePorts["store"],
    clock: { now: () => 0, sleep: () => new Promise<void>(() => {}) },
    observer: { chunkStarted: () => {}, chunkMerged: () => {}, tableLoaded: () => {} } as Partial<
      EnginePorts["observer"]
    > as EnginePorts["observer"],
    crashPoint: () => {},
  };
  const gate = new HandGate();
  const options: LoadOptions = {
    tables: [T],
    ranges: async () => [],
    budget: () => ({ millis: 1, bytes: 1 }),
    readers,
    gate,
    loaded: async () => {
      asked.loaded += 1;
    },
    stop,
    signal: never,
  };
  return { asked, gate, ports, options, load: new TablesLoad(ports, new RowLoading(ports, known), options) };
}

describe("a load that is held back", { timeout: deadline(10_000) }, () => {
  it("reads no chunk and asks for no floor; released, it reads what there is", async () => {
    const { asked, gate, load } = world();
    const running = load.run();
    await settled();
    assert.deepEqual([gate.asked, asked.heartbeats, asked.reads], [1, 0, 0]);
    gate.open();
    assert.equal(await running, true);
    assert.deepEqual([asked.reads, asked.loaded], [2, 1]);
  });

  it("ends at once when it is told to stop, with nothing read", async () => {
    const stop = new AbortController();
    const { asked, load } = world({ stop: stop.signal, readers: 3 });
    const running = load.run();
    await settled();
    stop.abort(new Error("stopped"));
    assert.equal(await running, false);
    assert.deepEqual([asked.reads, asked.loaded], [0, 0]);
  });

  it("still finishes a table whose chunks were all merged in an earlier life", async () => {
    const known: TargetProgress = {
      ...NONE,
      tables: new Map([[T.id, { cursor: 30n, state: "loading", filter: null }]]),
      mergedChunks: new Set([1, 2]),
    };
    const { asked, gate, load } = world({ known });
    assert.equal(await load.run(), true);
    assert.deepEqual([gate.asked, asked.reads, asked.loaded], [0, 0, 1]);
  });

  it("leaves no reader at the gate when nothing is left to read", async () => {
    const { asked, gate, load } = world({ readers: 4 });
    const running = load.run();
    await settled();
    assert.equal(gate.asked, 4);
    gate.openOnce();
    assert.equal(await running, true);
    assert.deepEqual([asked.reads, asked.loaded], [2, 1]);
  });
});

describe("which chunks are merged", () => {
  it("says the target: a note of ours that it does not know of is of a commit that it has lost", async () => {
    const { asked, gate, load } = world({ noted: true, known: { ...NONE, mergedChunks: new Set([2]) } });
    const running = load.run();
    gate.open();
    assert.equal(await running, true);
    assert.deepEqual([asked.lost, asked.reads], [1, 1], "our note is taken back first: the chunk may be cut at another place");
  });
});

describe("a leaf that left its table while it was read, and came back", () => {
  it("may hold other rows than were read of it: the table is emptied and read from its beginning", async () => {
    const { load, gate, target, left, waits } = changing(["5@2"]);
    gate.open();
    assert.equal(await load.run(), true);
    assert.deepEqual([...target], ["5@2:kept"], "what was deleted while it was no part of the table is not there");
    assert.deepEqual(left(), ["5@2"]);
    assert.match(waits.join(), /public\.t is read again from the start/);
  });
});

describe("a leaf that is made while its table is read", () => {
  it("is read, too, before the table is part of the stream: nobody streams what was in it before", async () => {
    const { load, gate, target, left, waits } = changing(["5@1", "6@1"]);
    gate.open();
    assert.equal(await load.run(), true);
    assert.deepEqual([...target], ["5@1:kept", "5@1:deleted", "6@1:kept"]);
    assert.deepEqual(left(), ["5@1", "6@1"]);
    assert.deepEqual(waits, []);
  });
});

/** A table of the leaf `5@1`, which has other leaves as soon as that one is read. `5@2` is the same, detached, rid of a row and attached again. */
function changing(then: readonly string[]) {
  const target = new Set<string>();
  const waits: string[] = [];
  let leaves: readonly string[] = ["5@1"];
  let reading = "";
  let chunks: ChunkRecord[] = [];
  let nextId = 1;
  const transaction: Partial<TargetTransaction> = {
    setTableProgress: async () => {},
    setChunkMerged: async () => {},
    forgetTable: async () => {},
    empty: async () => target.clear(),
    insertAbsent: async () => {
      for (const row of reading === "5@1" ? ["kept", "deleted"] : ["kept"]) target.add(`${reading}:${row}`);
      leaves = then;
      return 1;
    },
  };
  const base = world();
  const ports = {
    ...base.ports,
    source: {
      ...base.ports.source,
      leaves: async () => leaves.map((id) => ({ ...T.leaves[0], id })),
      readChunk: async (_table, { leaf }) => {
        reading = leaf;
        return READ;
      },
    } as EnginePorts["source"],
    target: { ...base.ports.target, transaction: (_lane, work) => work(transaction as TargetTransaction) } as EnginePorts["target"],
    store: {
      ...base.ports.store,
      chunks: () => chunks,
      planChunks: (table: string, ranges: readonly ChunkRange[]) => {
        chunks = [...chunks, ...ranges.map((range) => ({ id: nextId++, table, range, merged: false }))];
        return chunks;
      },
      forgetTable: () => {
        chunks = [];
      },
    } as EnginePorts["store"],
    observer: { ...base.ports.observer, waiting: (why: string) => void waits.push(why) } as EnginePorts["observer"],
  };
  const ranges: LoadOptions["ranges"] = async (_table, missing) => missing.map(({ id }) => ({ leaf: id, from: null, to: null }));
  const load = new TablesLoad(ports, new RowLoading(ports, NONE), { ...base.options, ranges });
  return { load, gate: base.gate, target, waits, left: () => chunks.map(({ range }) => range.leaf) };
}
