import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ChangeLog, EnginePorts, TargetTransaction, WholeRead } from "../../src/engine/ports.ts";
import { loadWhole } from "../../src/engine/rows/whole-load.ts";
import { VisibleFloor } from "../../src/engine/visible-floor.ts";
import { PghaulError } from "../../src/errors/pghaul-error.ts";
import { NO_KEY, viewOf } from "./rows.ts";

const never = new AbortController().signal;

/** A source whose whole read ends at 20, and what became of it at the target. */
function portsOver(stillThere: () => Promise<void>) {
  const done: string[] = [];
  const committed: string[] = [];
  const log: Partial<ChangeLog> = {
    start: () => 0n,
    passed: () => 100n,
    streams: () => 1,
    async *read() {},
    async *headers() {},
  };
  const transaction = (said: string[]): Partial<TargetTransaction> => ({
    loadWhole: async (_table, copyText) => {
      for await (const _piece of copyText) done.push("piece");
      return 1;
    },
    setTableProgress: async (_table, { state }) => void said.push(state),
    setChunkMerged: async (_table, chunk) => void said.push(`chunk ${chunk} merged`),
  });
  const read: WholeRead = {
    view: viewOf(),
    hi: 20n,
    copyText: (async function* () {
      yield Buffer.from("row\n");
    })(),
    stillThere: async () => {
      done.push("asked");
      await stillThere();
    },
  };
  const ports: Partial<EnginePorts> = {
    log: log as ChangeLog,
    source: {
      heartbeat: async () => viewOf(),
      readWhole: (_table, consume) => consume(read),
    } as Partial<EnginePorts["source"]> as EnginePorts["source"],
    target: {
      progress: () => Promise.reject(new Error("not asked here")),
      transaction: async (_lane, work) => {
        const said: string[] = [];
        const result = await work(transaction(said) as TargetTransaction);
        committed.push(...said);
        return result;
      },
    },
    store: {
      kept: () => Promise.resolve(),
      planChunks: () => [{ id: 7, table: NO_KEY.id, range: { leaf: "0", from: null, to: null }, merged: false }],
      chunkMerged: (chunk) => void done.push(`noted ${chunk}`),
    } as Partial<EnginePorts["store"]> as EnginePorts["store"],
    clock: { now: () => 0, sleep: () => new Promise(() => {}) },
    observer: { chunkStarted: () => {}, chunkMerged: () => {} } as Partial<EnginePorts["observer"]> as EnginePorts["observer"],
    crashPoint: () => {},
  };
  const whole = ports as EnginePorts;
  return { done, committed, load: () => loadWhole(NO_KEY, whole, { known: null, floor: new VisibleFloor(whole), signal: never }) };
}

describe("the load of a table in one read", () => {
  it("commits nothing of a read over a crash of the source, though the log has passed its place", async () => {
    const { done, committed, load } = portsOver(() => Promise.reject(new PghaulError("SOURCE_LOST", "the server crashed")));
    await assert.rejects(load(), (error) => error instanceof PghaulError && error.code === "SOURCE_LOST");
    assert.deepEqual(done, ["piece", "asked"]);
    assert.deepEqual(committed, []);
  });

  it("asks whether the source is still the one that it read once all rows are there, and then commits", async () => {
    const { done, committed, load } = portsOver(async () => {});
    await load();
    assert.deepEqual(done, ["piece", "asked", "noted 7"]);
    assert.deepEqual(committed, ["loading", "chunk 7 merged", "loaded"]);
  });
});
