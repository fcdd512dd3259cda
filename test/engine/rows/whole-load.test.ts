import assert from "node:assert/strict";
import { test } from "node:test";
import type { EnginePorts, WholeRead } from "../../../src/engine/ports.ts";
import { loadWhole } from "../../../src/engine/rows/whole-load.ts";
import type { VisibleFloor } from "../../../src/engine/visible-floor.ts";
import { PghaulError } from "../../../src/errors/pghaul-error.ts";
import type { Table } from "../../../src/model/table.ts";

const BAG: Table = { id: "public.bag", schema: "public", name: "bag", oid: 1, columns: [], key: null, partitioned: false, leaves: [] };

test("a whole read over a crash of the source is not committed: it is asked after the log has passed it, and before the commit", async () => {
  const order: string[] = [];
  const note = (what: string) => async () => void order.push(what);
  async function* rows(): AsyncGenerator<Uint8Array> {
    yield Buffer.from("x\n");
  }
  const read: WholeRead = {
    view: { text: "1:1:", contains: () => true },
    hi: 50n,
    copyText: rows(),
    stillThere: async () => {
      order.push("asked");
      throw new PghaulError("SOURCE_LOST", "it crashed");
    },
  };
  const transaction = { loadWhole: note("loaded"), setTableProgress: note("progress"), setChunkMerged: note("merged") };
  const ports = {
    source: { readWhole: (_: Table, consume: (read: WholeRead) => Promise<unknown>) => consume(read) },
    target: {
      transaction: async (_: string, work: (of: typeof transaction) => Promise<unknown>) => {
        const result = await work(transaction);
        order.push("commit");
        return result;
      },
    },
    log: {
      passed: () => {
        order.push("passed");
        return 50n;
      },
    },
    store: { kept: () => Promise.resolve(), planChunks: () => [{ id: 1 }] },
    observer: { chunkStarted: () => undefined },
    crashPoint: () => undefined,
  } as unknown as EnginePorts;
  const floor = { current: async () => 10n } as unknown as VisibleFloor;
  const loading = loadWhole(BAG, ports, { known: null, floor, signal: new AbortController().signal });
  await assert.rejects(loading, { code: "SOURCE_LOST" });
  assert.deepEqual(order, ["loaded", "passed", "asked"]);
});
