import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { PendingMove, VersionedRead, VersionProgress, VersionTarget } from "../../../src/engine/ports/version-target.ts";
import type { ChangeLog, ChunkRead, EngineObserver, LoadStore, SourceReader } from "../../../src/engine/ports.ts";
import { VersionLoading } from "../../../src/engine/versions/version-loading.ts";
import { type VersionPorts, VersionStream } from "../../../src/engine/versions/version-stream.ts";
import { VisibleFloor } from "../../../src/engine/visible-floor.ts";
import { PghaulError } from "../../../src/errors/pghaul-error.ts";
import type { Lsn } from "../../../src/model/lsn.ts";
import type { Row } from "../../../src/model/value.ts";
import { headerAt, PlainRows, T, TABLES, viewOf } from "../rows.ts";

const never = new AbortController().signal;
const CHUNK = { id: 1, table: T.id, range: { leaf: "0", from: null, to: null }, merged: false };
const READ: ChunkRead = { view: viewOf(), hi: 20n, rows: new PlainRows(["1", "a", "x"]), cutAfter: null };

interface Options {
  readonly pending?: readonly PendingMove[];
  /** Of these xids the source's snapshots contain all but what is listed. */
  readonly invisible?: readonly Lsn[];
  /** What the source finds where it is asked for keys. */
  readonly found?: readonly Row[];
}

/** A load beside a running stream; the log stands at 100 and holds a transaction at 10, 20 ... 90. */
async function loadOver({ pending = [], invisible = [], found = [] }: Options = {}) {
  const world = { invisible: [...invisible], streams: 1, now: 0, calls: [] as string[], asked: [] as (readonly Row[])[] };
  const known: VersionProgress = { accepted: 5n, durable: 5n, tables: new Map(), loadedChunks: new Set(), pending };
  const describeRead = ({ floor, hi }: VersionedRead) => `(${floor}, ${hi})`;
  let accepted = 5n;
  const target: Partial<VersionTarget> = {
    carriesMoves: true,
    cadence: { bytes: 1_000_000, millis: 0 },
    append: async (_tables, _from, pieces, close) => {
      for await (const _ of pieces);
      accepted = close().to;
    },
    settle: async () => accepted,
    loadChunk: async (_table, chunk, read) => void world.calls.push(`chunk ${chunk} ${describeRead(read)}`),
    loadKeys: async (_table, read, keys, rows) =>
      void world.calls.push(`keys ${keys.join()} ${describeRead(read)} ${rows.map(([id]) => id).join()}`),
    publish: async (_table, position) => void world.calls.push(`published at ${position}`),
  };
  const log: Partial<ChangeLog> = {
    start: () => 5n,
    passed: () => 100n,
    streams: () => world.streams,
    waitPassed: (_lsn, signal) => new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
    async *read() {},
    async *headers({ from, to }) {
      for (let lsn = 10n; lsn < 100n; lsn += 10n) if (lsn >= from && lsn < to) yield headerAt(lsn);
    },
  };
  const source: Partial<SourceReader> = {
    heartbeat: async () => ({ text: "", contains: ({ xid }) => !world.invisible.includes(xid) }),
    readKeys: async (_table, keys) => {
      world.asked.push(keys);
      return { ...READ, hi: 95n, rows: new PlainRows(...found) };
    },
  };
  const ports = {
    log: log as ChangeLog,
    source: source as SourceReader,
    target: target as VersionTarget,
    store: { chunkMerged: () => {} } as Partial<LoadStore> as LoadStore,
    clock: {
      now: () => world.now,
      // Time passes, and whoever was invisible comes to be seen.
      sleep: async (millis: number) => {
        world.now += millis + 1;
        world.invisible.length = 0;
      },
    },
    observer: { applied: () => {}, chunkMerged: () => {} } as Partial<EngineObserver> as EngineObserver,
    crashPoint: () => {},
  } satisfies Partial<VersionPorts> as VersionPorts;
  const stop = new AbortController();
  const stream = new VersionStream(ports, TABLES, known);
  const running = stream.run(stop.signal, never);
  const floor = new VisibleFloor(ports);
  const load = new VersionLoading(ports, stream, known).open(T, never, floor);
  const end = async () => {
    stop.abort(new Error("stop"));
    await running;
  };
  return { world, load, floor, end };
}

describe("the load into a version target", () => {
  it("hands a chunk over with the floor before its snapshot, and publishes when its end is durable", async () => {
    const { world, load, floor, end } = await loadOver();
    const open = await load.openRead(await floor.current(never));
    await load.merge(CHUNK, READ, open);
    assert.equal((await load.finish(floor)).cursor, 100n);
    assert.deepEqual(world.calls, ["chunk 1 (100, 20)", "published at 100"]);
    await end();
  });

  it("lets no chunk count that was read before the stream was lost", async () => {
    const { world, load, floor, end } = await loadOver();
    const open = await load.openRead(await floor.current(never));
    world.streams += 1;
    await assert.rejects(load.merge(CHUNK, READ, open), { code: "SOURCE_LOST" });
    assert.deepEqual(world.calls, []);
    await end();
  });

  it("reads moved rows again before it publishes, once a snapshot must contain the move", async () => {
    const pending = [
      { table: T.id, key: ["seen"], lsn: 30n },
      { table: T.id, key: ["hidden"], lsn: 60n },
      { table: "public.other", key: ["other"], lsn: 30n },
    ];
    const found: Row[] = [
      ["seen", "a", "x"],
      ["equal by the operator", "a", "x"],
    ];
    const { world, load, floor, end } = await loadOver({ pending, found, invisible: [50n] });
    await load.finish(floor);
    assert.deepEqual(world.asked, [[["seen"]], [["hidden"]]]);
    assert.deepEqual(world.calls, ["keys seen (50, 95) seen", "keys hidden (100, 95) ", "published at 100"]);
    await end();
  });

  it("holds no table: what the target refuses fails the load", async () => {
    const { load, end } = await loadOver();
    const loading = new VersionLoading({} as VersionPorts, { holdOf: () => null } as unknown as VersionStream, {} as VersionProgress);
    const refusal = new PghaulError("ROW_REFUSED", "no");
    await assert.rejects(loading.hold(T, refusal), refusal);
    assert.equal(load.oldestPosition, null);
    await end();
  });
});
