import assert from "node:assert/strict";
import { test } from "node:test";
import type { Table } from "../../src/model/table.ts";
import { ChunkStore } from "../../src/state/chunk-store.ts";
import { HoldStore } from "../../src/state/hold-store.ts";
import { PositionStore } from "../../src/state/position-store.ts";
import { TableStore } from "../../src/state/table-store.ts";
import { temporaryState } from "./temporary-state.ts";

const BOTH = ["east", "west"];

function table(name: string): Table {
  return { id: `public.${name}`, schema: "public", name, oid: 1, columns: [], key: [0], partitioned: false, leaves: [] };
}

test("a table is as far as the destination that is furthest behind", async (t) => {
  const tables = new TableStore(await temporaryState(t));
  tables.plan([table("a")], BOTH);
  const phase = (): string | undefined => tables.all()[0]?.phase;
  tables.reached("public.a", "loading", "east");
  assert.equal(phase(), "pending");
  tables.reached("public.a", "joined", "east");
  tables.reached("public.a", "loading", "west");
  assert.equal(phase(), "loading");
  assert.equal(tables.all()[0]?.joinedAt, null, "one of them has not joined");
  tables.reached("public.a", "joined", "west");
  assert.equal(phase(), "joined");
  assert.notEqual(tables.all()[0]?.joinedAt, null);
  tables.reached("public.a", "live", "west");
  assert.deepEqual([tables.phasesAt("east").get("public.a"), tables.phasesAt("west").get("public.a")], ["joined", "live"]);
  assert.throws(() => tables.reached("public.a", "live", "north"), /table public.a was never planned at north/);
});

test("a chunk is planned once, taken by each, and done when all have it", async (t) => {
  const database = await temporaryState(t);
  const tables = new TableStore(database);
  const [east, west] = [new ChunkStore(database, "east"), new ChunkStore(database, "west")];
  tables.plan([table("a")], BOTH);
  const figures = (): unknown => tables.all().map(({ rows, bytes, chunksDone, chunksTotal }) => [rows, bytes, chunksDone, chunksTotal])[0];
  const [chunk] = east.planChunks("public.a", [{ leaf: "0", from: null, to: null }]);
  assert.deepEqual(west.planChunks("public.a", [{ leaf: "0", from: null, to: null }]), [chunk]);
  east.chunkMerged(1, 6, 60);
  assert.deepEqual(figures(), [6, 60, 0, 1]);
  assert.deepEqual([east.chunks("public.a")[0]?.merged, west.chunks("public.a")[0]?.merged], [true, false]);
  // East holds what is behind the cut.
  assert.throws(() => west.cutChunk(1, ["4"]), /chunk 1 is merged and cannot be cut/);
  west.chunkMerged(1, 4, 40);
  assert.deepEqual(figures(), [10, 100, 1, 1]);
  west.chunkLost(1);
  assert.deepEqual(figures(), [6, 60, 0, 1]);
});

test("a table that one forgets stays with the other", async (t) => {
  const database = await temporaryState(t);
  const tables = new TableStore(database);
  const [east, west] = [new ChunkStore(database, "east"), new ChunkStore(database, "west")];
  tables.plan([table("a")], BOTH);
  east.planChunks(
    "public.a",
    ["0", "1"].map((leaf) => ({ leaf, from: null, to: null })),
  );
  for (const destination of BOTH) tables.reached("public.a", "joined", destination);
  east.chunkMerged(1, 6, 60);
  west.chunkMerged(1, 4, 40);
  west.forgetTable("public.a");
  assert.deepEqual([tables.phasesAt("east").get("public.a"), tables.phasesAt("west").get("public.a")], ["joined", "pending"]);
  assert.deepEqual(
    east.chunks("public.a").map(({ id, merged }) => [id, merged]),
    [[1, true]],
  );
  assert.deepEqual(
    west.chunks("public.a").map(({ id, merged }) => [id, merged]),
    [[1, false]],
  );
  east.forgetTable("public.a");
  assert.deepEqual(east.chunks("public.a"), []);
});

test("holds and positions are each destination's own", async (t) => {
  const database = await temporaryState(t);
  const holds = new HoldStore(database);
  const [east, west] = BOTH.map((destination) => ({ stream: "forward", destination }) as const);
  assert.ok(east !== undefined && west !== undefined);
  const hold = { reason: "no", sqlstate: "23514", lsn: null, key: null };
  holds.held(east, "public.a", hold);
  holds.held(west, "public.a", hold);
  assert.deepEqual(
    holds.all().map(({ destination, table: id, state }) => [destination, id, state]),
    [
      ["east", "public.a", "held"],
      ["west", "public.a", "held"],
    ],
  );
  holds.agree(east, new Map());
  assert.deepEqual([holds.at(east).length, holds.at(west).length], [0, 1]);

  const positions = new PositionStore(database);
  positions.note(
    "forward",
    new Map([
      ["east", 0x10n],
      ["west", null],
    ]),
  );
  positions.note("forward", new Map([["west", 0x20n]]));
  positions.note("reverse", new Map([["source", 0x30n]]));
  assert.deepEqual(
    positions.all("forward").map(({ destination, appliedLsn }) => [destination, appliedLsn]),
    [
      ["east", 0x10n],
      ["west", 0x20n],
    ],
  );
});
