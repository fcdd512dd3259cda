import assert from "node:assert/strict";
import { test } from "node:test";
import { ChunkStore } from "../../src/state/chunk-store.ts";
import { openState } from "../../src/state/open-state.ts";
import type { StateDatabase } from "../../src/state/state-database.ts";
import { temporaryState } from "./temporary-state.ts";

const FULL = 2;
const NORMAL = 1;

function synchronous(database: StateDatabase): unknown {
  return database.sqlite.pragma("synchronous", { simple: true });
}

test("a note is committed without waiting for the disk, and the write behind it waits again", async (t) => {
  const database = await temporaryState(t);
  assert.equal(
    database.note(() => synchronous(database)),
    NORMAL,
  );
  assert.equal(
    database.write(() => synchronous(database)),
    FULL,
  );
});

test("a note that fails leaves nothing behind, nor a state that no longer waits for the disk", async (t) => {
  const database = await temporaryState(t);
  const chunks = new ChunkStore(database, "target");
  assert.throws(() =>
    database.note(() => {
      chunks.planChunks("public.a", [{ leaf: "0", from: null, to: null }]);
      throw new Error("no");
    }),
  );
  assert.deepEqual(chunks.chunks("public.a"), []);
  assert.equal(synchronous(database), FULL);
});

test("a note inside a write belongs to it", async (t) => {
  const database = await temporaryState(t);
  const chunks = new ChunkStore(database, "target");
  const [chunk] = chunks.planChunks("public.a", [{ leaf: "0", from: null, to: null }]);
  assert.throws(() =>
    database.write(() => {
      chunks.chunkMerged(chunk?.id ?? 0, 1, 1);
      assert.equal(synchronous(database), FULL);
      throw new Error("no");
    }),
  );
  assert.equal(chunks.chunks("public.a")[0]?.merged, false);
});

test("another process sees a note at once", async (t) => {
  const database = await temporaryState(t);
  const chunks = new ChunkStore(database, "target");
  const [chunk] = chunks.planChunks("public.a", [{ leaf: "0", from: null, to: null }]);
  chunks.chunkMerged(chunk?.id ?? 0, 1, 1);
  const other = await openState(database.directory);
  t.after(() => other.close());
  assert.equal(new ChunkStore(other, "target").chunks("public.a")[0]?.merged, true);
});
