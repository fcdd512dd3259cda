import assert from "node:assert/strict";
import { test } from "node:test";
import type { Attempt } from "../../src/cutover/ports.ts";
import { CutoverStore } from "../../src/state/cutover-store.ts";
import { openState } from "../../src/state/open-state.ts";
import { DocumentStore } from "../../src/state/storage/document-store.ts";
import { temporaryDirectory, temporaryState } from "./temporary-state.ts";

const attempt: Attempt = {
  id: 1,
  to: "target",
  planDigest: "d",
  marker: "m",
  startedAt: "2026-11-21T00:00:00.000Z",
  outcome: "running",
  stallMillis: null,
  steps: { fence: { state: "started", at: "2026-11-21T00:00:01.000Z" } },
  fence: {
    lsn: "16/B374D848",
    sequences: [{ schema: "public", name: "s", lastValue: "9223372036854775807" }],
  },
};

test("an attempt survives the process that saved it", async (t) => {
  const directory = temporaryDirectory(t);
  const first = await openState(directory);
  const store = new CutoverStore(first);
  assert.equal(store.load(), null);
  store.save(attempt);
  store.save({ ...attempt, outcome: "switched", stallMillis: 97 });
  first.close();
  const second = await openState(directory);
  t.after(() => second.close());
  const resumed = new CutoverStore(second);
  assert.deepEqual(resumed.load(), { ...attempt, outcome: "switched", stallMillis: 97 });
  resumed.save(attempt);
  assert.deepEqual(resumed.load(), attempt);
});

test("who has not seen the last attempt cannot replace it", async (t) => {
  const database = await temporaryState(t);
  const one = new CutoverStore(database);
  const other = new CutoverStore(database);
  one.save(attempt);
  assert.throws(() => other.save({ ...attempt, id: 2 }), {
    code: "STATE_LOCKED",
    message: `another process has meanwhile changed the cutover attempt in the state directory ${database.directory}`,
  });
  assert.equal(other.load()?.id, 1);
  other.save({ ...attempt, id: 2 });
  assert.throws(() => one.save({ ...attempt, id: 3 }), { code: "STATE_LOCKED" });
  assert.equal(one.load()?.id, 2);
});

test("documents count their versions, each by its own name", async (t) => {
  const database = await temporaryState(t);
  const [a, b] = [new DocumentStore<{ n: number }>(database, "a"), new DocumentStore<{ n: number }>(database, "b")];
  assert.equal(a.get(), null);
  assert.equal(a.put({ n: 1 }, 0), 1);
  assert.equal(a.put({ n: 2 }, 1), 2);
  assert.equal(b.put({ n: 9 }, 0), 1);
  assert.deepEqual(a.get(), { body: { n: 2 }, version: 2 });
  for (const seen of [0, 1, 3]) assert.throws(() => a.put({ n: 3 }, seen), { code: "STATE_LOCKED" });
  assert.throws(() => new DocumentStore(database, "c").put({}, 1), { code: "STATE_LOCKED" });
});
