/**
 * What every row target must do: answer at once what it holds, in transactions that carry rows and progress together. A kind calls
 * `rowTargetContract` with a way to make a store that holds the tables `T` and `NO_KEY`, empty.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type ChunkRows, ConstraintConflict, type RowOps, type Target, type TargetTransaction } from "../../src/engine/ports.ts";
import { PghaulError } from "../../src/errors/pghaul-error.ts";
import type { Change } from "../../src/model/change.ts";
import type { Table } from "../../src/model/table.ts";
import { type Row, UNCHANGED } from "../../src/model/value.ts";
import { NO_KEY, T, TABLES } from "../engine/rows.ts";
import { type Fault, FaultPlan, faulty } from "./faulty-target.ts";

/** One database that a row target writes to. */
export interface RowStore extends AsyncDisposable {
  /** As a new process opens it: what an earlier one had not committed is undone. */
  open(): Promise<Target>;
  rowsOf(table: Table): Promise<readonly Row[]>;
  rows(...rows: Row[]): ChunkRows;
  copyText(...rows: Row[]): AsyncIterable<Uint8Array>;
}

export function rowTargetContract(name: string, create: () => Promise<RowStore>): void {
  describe(`${name} as a row target`, () => {
    for (const [title, check] of Object.entries(CASES))
      it(title, async () => {
        await using store = await create();
        await check(store, await store.open());
      });
    for (const fault of ["rejects", "fails after success", "delays"] as const)
      it(`comes to the same whichever transaction ${fault}`, () => comesToTheSame(create, fault));
  });
}

const NOTHING: RowOps = { deletes: [], patches: [], puts: [] };
const ONE: Row = ["1", "a", "x"];
const TWO: Row = ["2", "b", "y"];

async function apply<R>(target: Target, work: (transaction: TargetTransaction) => Promise<R>): Promise<R> {
  return await target.transaction("stream", work);
}

async function holds(store: RowStore, table: Table, ...expected: Row[]): Promise<void> {
  const sorted = (rows: readonly Row[]) => rows.map((row) => JSON.stringify(row)).sort();
  assert.deepEqual(sorted(await store.rowsOf(table)), sorted(expected));
}

const hasCode = (code: string) => (error: unknown) => error instanceof PghaulError && error.code === code;

const CASES: Readonly<Record<string, (store: RowStore, target: Target) => Promise<void>>> = {
  "knows of nothing at first": async (_store, target) => {
    const { stream, tables, mergedChunks, pending } = await target.progress();
    assert.deepEqual([stream, tables.size, mergedChunks.size, pending.size], [null, 0, 0, 0]);
  },

  "commits rows and progress together": async (store, target) => {
    await target.transaction("load", async (transaction) => {
      await transaction.setTableProgress(T.id, { cursor: 7n, state: "loading", filter: null });
      assert.equal(await transaction.insertAbsent(T, store.rows(ONE), [TWO]), 2);
      await transaction.setChunkMerged(T.id, 3);
      await transaction.addPending(T.id, [["9"]]);
      await transaction.setStreamPosition(9n);
    });
    await holds(store, T, ONE, TWO);
    const { stream, tables, mergedChunks, pending } = await (await store.open()).progress();
    assert.deepEqual([stream, tables.get(T.id)?.cursor, [...mergedChunks]], [9n, 7n, [3]]);
    assert.deepEqual(pending.get(T.id), [["9"]]);
  },

  "undoes rows and progress together": async (store, target) => {
    const failing = target.transaction("load", async (transaction) => {
      await transaction.insertAbsent(T, store.rows(ONE), []);
      await transaction.setChunkMerged(T.id, 3);
      throw new Error("no further");
    });
    await assert.rejects(failing, /no further/);
    await holds(store, T);
    assert.equal((await (await store.open()).progress()).mergedChunks.size, 0);
  },

  "undoes what a killed process had not committed": async (store, target) => {
    let written = (): void => {};
    const reached = new Promise<void>((resolve) => (written = resolve));
    const hanging = target.transaction("load", async (transaction) => {
      await transaction.insertAbsent(T, store.rows(ONE), []);
      written();
      await new Promise(() => {});
    });
    hanging.catch(() => undefined);
    await reached;
    const next = await store.open();
    assert.equal((await next.progress()).mergedChunks.size, 0);
    await next.transaction("load", (transaction) => transaction.insertAbsent(T, store.rows(ONE), []));
    await holds(store, T, ONE);
  },

  "deletes, then patches, then puts": async (store, target) => {
    await apply(target, (transaction) => transaction.apply(T, { ...NOTHING, puts: [ONE, TWO] }, "strict"));
    const ops: RowOps = { deletes: [["1"]], patches: [["2", UNCHANGED, "new"]], puts: [["3", "a", "takes what 1 had"]] };
    assert.deepEqual(await apply(target, (transaction) => transaction.apply(T, ops, "strict")), []);
    await holds(store, T, ["2", "b", "new"], ["3", "a", "takes what 1 had"]);
  },

  "raises drift where a row that must be there is not": async (store, target) => {
    await apply(target, (transaction) => transaction.apply(T, { ...NOTHING, puts: [ONE] }, "strict"));
    for (const ops of [
      { ...NOTHING, deletes: [["9"]] },
      { ...NOTHING, patches: [["9", "z", UNCHANGED]] },
    ] as const)
      await assert.rejects(
        apply(target, (transaction) => transaction.apply(T, ops, "strict")),
        hasCode("TARGET_DRIFT"),
      );
    await holds(store, T, ONE);
  },

  "tells which rows a loading table lacks": async (store, target) => {
    await apply(target, (transaction) => transaction.apply(T, { ...NOTHING, puts: [ONE] }, "strict"));
    const ops: RowOps = {
      ...NOTHING,
      deletes: [["8"]],
      patches: [
        ["9", "z", UNCHANGED],
        ["1", "changed", UNCHANGED],
      ],
    };
    const absent = await apply(target, (transaction) => transaction.apply(T, ops, "tolerant"));
    assert.deepEqual(absent, [["9"]]);
    await holds(store, T, ["1", "changed", "x"]);
  },

  "refuses an order that a unique index does not take, and takes the source's own": async (store, target) => {
    await apply(target, (transaction) => transaction.apply(T, { ...NOTHING, puts: [ONE, TWO] }, "strict"));
    const update = (...row: Row): Change => ({ kind: "update", table: T.id, oldKey: null, row });
    await apply(target, async (transaction) => {
      const swapped: RowOps = {
        ...NOTHING,
        patches: [
          ["1", "b", "x"],
          ["2", "a", "y"],
        ],
      };
      // Some targets see through it; whoever does not has undone all of its part.
      const folded = await transaction.apply(T, swapped, "strict").catch((error: unknown) => error);
      if (!(folded instanceof ConstraintConflict)) return;
      const inOrder = [update("1", null, "x"), update("2", "a", "y"), update("1", "b", "x")];
      assert.deepEqual(await transaction.applyInOrder(TABLES, inOrder, "strict"), []);
    });
    await holds(store, T, ["1", "b", "x"], ["2", "a", "y"]);
  },

  "applies changes of tables without a key one by one": async (store, target) => {
    const table = NO_KEY.id;
    await apply(target, (transaction) =>
      transaction.applyInOrder(
        TABLES,
        [
          { kind: "insert", table, row: ONE },
          { kind: "insert", table, row: ONE },
          { kind: "insert", table, row: ["n", null, ""] },
          { kind: "delete-row", table, old: ONE },
          { kind: "update-row", table, old: ["n", null, ""], row: TWO },
        ],
        "strict",
      ),
    );
    await holds(store, NO_KEY, ONE, TWO);
  },

  "moves a row with the columns that nobody told": async (store, target) => {
    await apply(target, (transaction) => transaction.apply(T, { ...NOTHING, puts: [ONE] }, "strict"));
    await apply(target, async (transaction) => {
      assert.equal(await transaction.move(T, ["1"], ["5", "moved", UNCHANGED]), true);
      assert.equal(await transaction.move(T, ["1"], ["6", "nobody", UNCHANGED]), false);
    });
    await holds(store, T, ["5", "moved", "x"]);
  },

  "empties tables": async (store, target) => {
    await apply(target, (transaction) => transaction.apply(T, { ...NOTHING, puts: [ONE] }, "strict"));
    await apply(target, (transaction) => transaction.truncate([T, NO_KEY]));
    await holds(store, T);
  },

  "goes on behind an attempt that failed": async (store, target) => {
    await apply(target, async (transaction) => {
      await transaction.apply(T, { ...NOTHING, puts: [ONE] }, "strict");
      const attempt = transaction.attempt(async () => {
        await transaction.apply(T, { ...NOTHING, puts: [TWO] }, "strict");
        throw new Error("undone");
      });
      await assert.rejects(attempt, /undone/);
      assert.equal(await transaction.attempt(async () => 7), 7);
    });
    await holds(store, T, ONE);
  },

  "leaves a row alone whose key a chunk brings again": async (store, target) => {
    await apply(target, (transaction) => transaction.apply(T, { ...NOTHING, puts: [["1", "newer", "x"]] }, "strict"));
    const merged = await target.transaction("load", (transaction) => transaction.insertAbsent(T, store.rows(ONE, TWO), [["3", "c", "z"]]));
    assert.equal(merged, 2);
    await holds(store, T, ["1", "newer", "x"], TWO, ["3", "c", "z"]);
  },

  "replaces what keys hold": async (store, target) => {
    await apply(target, (transaction) => transaction.apply(T, { ...NOTHING, puts: [ONE, TWO] }, "strict"));
    await target.transaction("load", (transaction) => transaction.replace(T, [["1"], ["2"], ["3"]], [["2", "a", "with 1's value"]]));
    await holds(store, T, ["2", "a", "with 1's value"]);
  },

  "takes a whole table, or nothing of it": async (store, target) => {
    const load = (text: AsyncIterable<Uint8Array>) => target.transaction("load", (transaction) => transaction.loadWhole(NO_KEY, text));
    const broken = async function* (): AsyncIterable<Uint8Array> {
      yield* store.copyText(ONE);
      throw new Error("the source");
    };
    await assert.rejects(load(broken()), /the source/);
    await holds(store, NO_KEY);
    assert.equal(await load(store.copyText(TWO, TWO)), 2);
    await holds(store, NO_KEY, TWO, TWO);
  },

  "forgets what is on record of a table": async (store, target) => {
    await target.transaction("load", async (transaction) => {
      for (const { id } of [T, NO_KEY]) {
        await transaction.setTableProgress(id, { cursor: 7n, state: "loading", filter: null });
        await transaction.addPending(id, [["9"], ["8"]]);
        await transaction.removePending(id, [["8"]]);
      }
      await transaction.setChunkMerged(T.id, 3);
      await transaction.setChunkMerged(NO_KEY.id, 4);
    });
    await target.transaction("load", (transaction) => transaction.forgetTable(T.id));
    const { tables, mergedChunks, pending } = await (await store.open()).progress();
    assert.deepEqual([[...tables.keys()], [...mergedChunks]], [[NO_KEY.id], [4]]);
    assert.deepEqual([pending.get(T.id) ?? [], pending.get(NO_KEY.id)], [[], [["9"]]]);
  },
};

/** A small load and a few batches, from what the target remembers; in a store of its own for each transaction that may be the one. */
async function comesToTheSame(create: () => Promise<RowStore>, fault: Fault): Promise<void> {
  for (let at = 1; ; at++) {
    const plan = new FaultPlan(at, fault, () => new PghaulError("TARGET_LOST", "simulated"));
    await using store = await create();
    await bringToTheEnd(store, async () => faulty(await store.open(), plan));
    await holds(store, T, ["1", "last", "x"], TWO, ["7", "g", "z"]);
    if (!plan.hasStruck) return;
  }
}

async function bringToTheEnd(store: RowStore, open: () => Promise<Target>): Promise<void> {
  for (;;) {
    try {
      await goOn(store, await open());
      return;
    } catch (error) {
      if (!hasCode("TARGET_LOST")(error)) throw error;
    }
  }
}

async function goOn(store: RowStore, target: Target): Promise<void> {
  const { stream, mergedChunks } = await target.progress();
  for (const [chunk, row] of [ONE, TWO].entries()) {
    if (mergedChunks.has(chunk)) continue;
    await target.transaction("load", async (transaction) => {
      await transaction.insertAbsent(T, store.rows(row), []);
      await transaction.setChunkMerged(T.id, chunk);
    });
  }
  const batches: readonly RowOps[] = [
    { ...NOTHING, puts: [["7", "f", "z"]] },
    {
      ...NOTHING,
      patches: [
        ["7", "g", UNCHANGED],
        ["1", "first", UNCHANGED],
      ],
    },
    { ...NOTHING, patches: [["1", "last", UNCHANGED]] },
  ];
  for (const [index, ops] of batches.entries()) {
    const position = BigInt(index + 1);
    if (stream !== null && stream >= position) continue;
    await target.transaction("stream", async (transaction) => {
      await transaction.apply(T, ops, "strict");
      await transaction.setStreamPosition(position);
    });
  }
}
