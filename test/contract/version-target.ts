/**
 * What every version target must do, whatever it is made of. A kind calls `versionTargetContract` with a way to make a store; the cases open it,
 * open it again as a new process would after a kill, and read back what a reader is shown.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { PendingMove, VersionedRead, VersionTarget } from "../../src/engine/ports/version-target.ts";
import type { ChunkRows } from "../../src/engine/ports.ts";
import { PghaulError } from "../../src/errors/pghaul-error.ts";
import type { Change, TransactionPiece } from "../../src/model/change.ts";
import type { Lsn } from "../../src/model/lsn.ts";
import type { Table } from "../../src/model/table.ts";
import { type Row, UNCHANGED } from "../../src/model/value.ts";
import { headerAt, NO_KEY, T, TABLES, transactionAt } from "../engine/rows.ts";
import { type Fault, FaultPlan, faulty } from "./faulty-target.ts";
import { bringToTheEnd, EXPECTED, NOT_UTF8, ODD_VALUES } from "./version-history.ts";

/** One durable place that a version target keeps things in. */
export interface VersionStore extends AsyncDisposable {
  /** As a new process opens it: what an earlier one had under way never goes on. */
  open(): Promise<VersionTarget>;
  /** What a reader is shown of the table at a position, in any order. */
  rowsAt(table: Table, position: Lsn): Promise<readonly Row[]>;
  /** Bytes that are not UTF-8 come through as well. */
  readonly takesAnyBytes: boolean;
  rows(...rows: Row[]): ChunkRows;
  copyText(...rows: Row[]): AsyncIterable<Uint8Array>;
}

export function versionTargetContract(name: string, create: () => Promise<VersionStore>): void {
  describe(`${name} as a version target`, () => {
    for (const [title, check] of Object.entries(CASES))
      it(title, async () => {
        await using store = await create();
        await check(store);
      });
    for (const fault of ["rejects", "fails after success", "delays"] as const)
      it(`comes to the same whichever call ${fault}`, () => comesToTheSame(create, fault));
    it("does not take an answer for given that is held", async () => {
      await using store = await create();
      const plan = new FaultPlan(1, "holds", lost);
      const target = faulty(await store.open(), plan);
      let answered = false;
      const loading = target.loadChunk(T, 1, read(10n, 20n), store.rows(["1", "a", "x"])).then(() => (answered = true));
      await append(target, { from: 5n, to: 40n });
      assert.equal(answered, false);
      plan.release();
      await loading;
    });
  });
}

/** The same history over a store of its own for each call that may be the one. */
async function comesToTheSame(create: () => Promise<VersionStore>, fault: Fault): Promise<void> {
  for (let at = 1; ; at++) {
    const plan = new FaultPlan(at, fault, lost);
    await using store = await create();
    await bringToTheEnd(store, async () => faulty(await store.open(), plan));
    for (const [table, rows] of EXPECTED) await sameRows(store, [table, 60n], ...rows);
    if (!plan.hasStruck) return;
  }
}

const read = (floor: Lsn, hi: Lsn, view: string | null = null): VersionedRead => ({ floor, hi, view });
const insert = (...row: Row): Change => ({ kind: "insert", table: T.id, row });
const lost = (): Error => new PghaulError("TARGET_LOST", "simulated");

interface Stretch {
  readonly from: Lsn;
  readonly to: Lsn;
  readonly pending?: readonly PendingMove[];
}

/** Appends a stretch of these pieces. */
async function append(target: VersionTarget, { from, to, pending = [] }: Stretch, ...pieces: TransactionPiece[]): Promise<void> {
  const changes = pieces.reduce((sum, piece) => sum + piece.changes.length, 0);
  const close = () => ({ to, transactions: pieces.filter(({ last }) => last).length, changes, pending });
  await target.append(TABLES, from, each(pieces), close);
}

async function* each(pieces: readonly TransactionPiece[]): AsyncGenerator<TransactionPiece> {
  yield* pieces;
}

/** Makes durable what was accepted, and shows the table from there on. */
async function publish(target: VersionTarget, table: Table): Promise<Lsn> {
  const position = await target.settle();
  assert.ok(position !== null);
  await target.publish(table, position);
  return position;
}

async function sameRows(store: VersionStore, [table, position]: readonly [Table, Lsn], ...expected: Row[]): Promise<void> {
  const sorted = (rows: readonly Row[]) => rows.map((row) => JSON.stringify(row)).sort();
  assert.deepEqual(sorted(await store.rowsAt(table, position)), sorted(expected));
}

const CASES: Readonly<Record<string, (store: VersionStore) => Promise<void>>> = {
  "knows of nothing at first": async (store) => {
    const { accepted, durable, tables, loadedChunks, pending } = await (await store.open()).progress();
    assert.deepEqual([accepted, durable, tables.size, loadedChunks.size, pending.length], [null, null, 0, 0, 0]);
  },

  "remembers what was loaded, accepted and published, over a kill": async (store) => {
    const target = await store.open();
    await target.loadChunk(T, 7, read(10n, 20n), store.rows(["1", "a", "x"]));
    await append(target, { from: 5n, to: 40n }, transactionAt(30n, insert("2", "b", "y")));
    assert.equal((await target.progress()).accepted, 40n);
    assert.equal(await target.settle(), 40n);
    await target.publish(T, 40n);
    const { accepted, durable, tables, loadedChunks } = await (await store.open()).progress();
    assert.deepEqual([accepted, durable, [...loadedChunks]], [40n, 40n, [7]]);
    assert.deepEqual(tables.get(T.id), { hi: 20n, published: 40n });
    await sameRows(store, [T, 40n], ["1", "a", "x"], ["2", "b", "y"]);
  },

  "counts a chunk once that is delivered twice, from one life to the next": async (store) => {
    for (let life = 0; life < 2; life++) {
      const target = await store.open();
      await target.loadChunk(T, 1, read(10n, 20n), store.rows(["1", "a", "x"], ["2", "b", "y"]));
    }
    const target = await store.open();
    await append(target, { from: 5n, to: 40n });
    await sameRows(store, [T, await publish(target, T)], ["1", "a", "x"], ["2", "b", "y"]);
  },

  "lets the newest version win, whatever comes first": async (store) => {
    const target = await store.open();
    const update: Change = { kind: "update", table: T.id, oldKey: null, row: ["1", "new", UNCHANGED] };
    await append(
      target,
      { from: 5n, to: 60n },
      transactionAt(10n, { kind: "update", table: T.id, oldKey: null, row: ["1", "old", "old"] }),
      transactionAt(30n, update, { kind: "delete", table: T.id, oldKey: ["2"] }),
      transactionAt(40n, insert("3", "c", "z"), { kind: "update", table: T.id, oldKey: ["3"], row: ["4", "d", "z"] }),
    );
    await target.loadChunk(T, 1, read(20n, 50n), store.rows(["1", "read", "read"], ["2", "b", "y"]));
    await sameRows(store, [T, await publish(target, T)], ["1", "new", "read"], ["4", "d", "z"]);
  },

  "takes TRUNCATE for a version of the whole table": async (store) => {
    const target = await store.open();
    const truncate = transactionAt(30n, insert("1", "a", "x"), { kind: "truncate", tables: [T.id] }, insert("2", "b", "y"));
    await target.loadChunk(T, 1, read(10n, 20n), store.rows(["8", "gone", "x"]));
    await append(target, { from: 5n, to: 60n }, truncate);
    await target.loadChunk(T, 2, read(40n, 50n), store.rows(["9", "stays", "x"]));
    await sameRows(store, [T, await publish(target, T)], ["2", "b", "y"], ["9", "stays", "x"]);
  },

  "shows a published table at any position from there on": async (store) => {
    const target = await store.open();
    await target.loadChunk(T, 1, read(10n, 20n), store.rows(["1", "a", "x"]));
    await append(target, { from: 5n, to: 30n });
    await publish(target, T);
    await target.publish(T, 30n);
    await append(target, { from: 30n, to: 45n }, transactionAt(40n, insert("2", "b", "y")));
    await append(target, { from: 45n, to: 60n }, transactionAt(50n, { kind: "delete", table: T.id, oldKey: ["1"] }));
    await target.settle();
    await sameRows(store, [T, 30n], ["1", "a", "x"]);
    await sameRows(store, [T, 45n], ["1", "a", "x"], ["2", "b", "y"]);
    await sameRows(store, [T, 60n], ["2", "b", "y"]);
  },

  "moves its position over a stretch in which nothing happened": async (store) => {
    const target = await store.open();
    await append(target, { from: 5n, to: 5n });
    await append(target, { from: 5n, to: 90n });
    await append(target, { from: 90n, to: 120n }, transactionAt(100n, insert("1", "a", "x")));
    await append(target, { from: 120n, to: 150n });
    await target.settle();
    assert.equal((await (await store.open()).progress()).accepted, 150n);
  },

  "refuses changes that do not begin where the last ended": async (store) => {
    const target = await store.open();
    await append(target, { from: 5n, to: 40n }, transactionAt(30n, insert("1", "a", "x")));
    for (const from of [5n, 39n, 41n]) await assert.rejects(append(target, { from, to: 50n }));
    assert.equal((await target.progress()).accepted, 40n);
  },

  "keeps nothing of an append that was not finished": async (store) => {
    const bag = (...row: Row) => transactionAt(30n, { kind: "insert", table: NO_KEY.id, row });
    const first = await store.open();
    await first.loadWhole(NO_KEY, 1, store.copyText(["1", "a", "x"]), async () => read(10n, 20n, "10:10:"));
    const failing = async function* (): AsyncGenerator<TransactionPiece> {
      yield bag("2", "b", "y");
      throw new Error("the log");
    };
    await assert.rejects(
      first.append(TABLES, 5n, failing(), () => ({ to: 40n, transactions: 1, changes: 1, pending: [] })),
      /the log/,
    );
    const hanging = async function* (): AsyncGenerator<TransactionPiece> {
      yield bag("3", "c", "z");
      await new Promise(() => {});
    };
    const second = await store.open();
    assert.equal((await second.progress()).accepted, null);
    let begun = (): void => {};
    const reached = new Promise<void>((resolve) => (begun = resolve));
    const watched = async function* (): AsyncGenerator<TransactionPiece> {
      for await (const piece of hanging()) {
        yield piece;
        begun();
      }
    };
    second.append(TABLES, 5n, watched(), () => assert.fail("closed")).catch(() => undefined);
    await reached;
    const third = await store.open();
    assert.equal((await third.progress()).accepted, null);
    await append(third, { from: 5n, to: 40n }, bag("4", "d", "w"));
    await sameRows(store, [NO_KEY, await publish(third, NO_KEY)], ["1", "a", "x"], ["4", "d", "w"]);
  },

  "keeps nothing of a whole table that the source did not confirm": async (store) => {
    const target = await store.open();
    const whole = target.loadWhole(NO_KEY, 1, store.copyText(["1", "a", "x"]), () => Promise.reject(new Error("crashed")));
    await assert.rejects(whole, /crashed/);
    assert.equal((await target.progress()).loadedChunks.size, 0);
    const again = await store.open();
    const loaded = await again.loadWhole(NO_KEY, 1, store.copyText(["2", "b", "y"], ["2", "b", "y"]), async () => read(10n, 20n, "10:10:"));
    assert.equal(loaded.rows, 2);
    await append(again, { from: 5n, to: 40n });
    await sameRows(store, [NO_KEY, await publish(again, NO_KEY)], ["2", "b", "y"], ["2", "b", "y"]);
  },

  "asks the view of a table without a key below its end, and not from there on": async (store) => {
    const target = await store.open();
    const at = (lsn: Lsn, xid: Lsn, ...changes: Change[]): TransactionPiece => ({
      ...transactionAt(lsn, ...changes),
      header: headerAt(lsn, xid),
    });
    const one = (...row: Row): Change => ({ kind: "insert", table: NO_KEY.id, row });
    const gone: Change = { kind: "delete-row", table: NO_KEY.id, old: ["1", "a", "x"] };
    await target.loadWhole(NO_KEY, 1, store.copyText(["1", "a", "x"], ["1", "a", "x"]), async () => read(20n, 50n, "100:110:105"));
    await append(
      target,
      { from: 5n, to: 90n },
      at(10n, 90n, one("below", "the", "floor")),
      at(30n, 101n, one("contained", "in", "it")),
      at(40n, 105n, gone),
      at(60n, 102n, one("a", "later", "one")),
    );
    await sameRows(store, [NO_KEY, await publish(target, NO_KEY)], ["1", "a", "x"], ["a", "later", "one"]);
  },

  "settles a pending move by a re-read from above it, and by no other": async (store) => {
    const target = await store.open();
    const move = (key: string, lsn: Lsn): PendingMove => ({ table: T.id, key: [key], lsn });
    const moved: Change = { kind: "update", table: T.id, oldKey: ["1"], row: ["2", "moved", UNCHANGED] };
    await target.loadChunk(T, 1, read(6n, 7n), store.rows());
    await append(target, { from: 5n, to: 40n, pending: [move("2", 30n), move("3", 30n)] }, transactionAt(30n, moved));
    await target.settle();
    const pending = async () => (await (await store.open()).progress()).pending.map(({ key: [text] }) => text).sort();
    assert.deepEqual(await pending(), ["2", "3"]);
    await (await store.open()).loadKeys(T, read(20n, 25n), [["2"], ["3"]], []);
    assert.deepEqual(await pending(), ["2", "3"]);
    const last = await store.open();
    await append(last, { from: 40n, to: 60n, pending: [move("3", 50n)] }, transactionAt(50n, insert("x", "x", "x")));
    await last.settle();
    await last.loadKeys(T, read(45n, 55n), [["2"], ["3"]], [["2", "moved", "kept"]]);
    assert.deepEqual(await pending(), ["3"]);
    await (await store.open()).loadKeys(T, read(55n, 58n), [["3"]], []);
    assert.deepEqual(await pending(), []);
    await sameRows(store, [T, await publish(await store.open(), T)], ["2", "moved", "kept"], ["x", "x", "x"]);
  },

  "takes a moved row's unchanged columns from the old key, if it says so": async (store) => {
    const target = await store.open();
    if (!target.carriesMoves) return;
    await target.loadChunk(T, 1, read(6n, 7n), store.rows(["1", "a", "kept"]));
    await append(target, { from: 5n, to: 20n });
    await publish(target, T);
    const moves: Change[] = [
      { kind: "update", table: T.id, oldKey: ["1"], row: ["2", "b", UNCHANGED] },
      { kind: "update", table: T.id, oldKey: ["2"], row: ["3", "c", UNCHANGED] },
      insert("1", "new", "other"),
    ];
    const pending = [{ table: T.id, key: ["2"], lsn: 30n }];
    await append(target, { from: 20n, to: 40n, pending }, transactionAt(30n, ...moves));
    await target.settle();
    assert.deepEqual((await (await store.open()).progress()).pending, []);
    await sameRows(store, [T, 40n], ["3", "c", "kept"], ["1", "new", "other"]);
  },

  "takes a transaction of any size in pieces": async (store) => {
    const target = await store.open();
    const count = 20_000;
    const pieces = async function* (): AsyncGenerator<TransactionPiece> {
      for (let first = 0; first < count; first += 500) {
        const changes = Array.from({ length: 500 }, (_, index) => insert(String(first + index), "u", "x"));
        yield { header: headerAt(30n), firstOrdinal: first, last: first + 500 === count, changes };
      }
    };
    await target.loadChunk(T, 1, read(6n, 7n), store.rows());
    await target.append(TABLES, 5n, pieces(), () => ({ to: 40n, transactions: 1, changes: count, pending: [] }));
    assert.equal((await store.rowsAt(T, await publish(target, T))).length, count);
  },

  "gives values back byte for byte, from chunks, re-reads and changes": async (store) => {
    const target = await store.open();
    const values = store.takesAnyBytes ? [...ODD_VALUES, ...NOT_UTF8] : ODD_VALUES;
    const rows = values.map((value, index): Row => [String(index), "chunk", value]);
    const again = values.map((value, index): Row => [`k${index}`, "keys", value]);
    const changed = values.map((value, index): Row => [`c${index}`, "change", value]);
    const odd = values.filter((value) => value !== null).map((value): Row => [`${value}!`, value, null]);
    await target.loadChunk(T, 1, read(6n, 7n), store.rows(...rows, ...odd));
    await target.loadKeys(
      T,
      read(8n, 9n),
      again.map(([key]) => [key as string]),
      again,
    );
    await append(target, { from: 5n, to: 40n }, transactionAt(30n, ...changed.map((row) => insert(...row))));
    await sameRows(store, [T, await publish(target, T)], ...rows, ...again, ...changed, ...odd);
  },

  "forgets what was loaded of a table, and takes it anew": async (store) => {
    const target = await store.open();
    await target.loadChunk(T, 1, read(10n, 20n), store.rows(["1", "a", "x"]));
    await target.loadKeys(T, read(10n, 20n), [["5"]], [["5", "e", "v"]]);
    await append(target, { from: 5n, to: 40n }, transactionAt(30n, insert("2", "b", "y")));
    await publish(target, T);
    for (let twice = 0; twice < 2; twice++) await (await store.open()).forgetTable(T);
    const anew = await store.open();
    const progress = await anew.progress();
    assert.deepEqual([progress.tables.has(T.id), progress.loadedChunks.size, progress.accepted], [false, 0, 40n]);
    await anew.loadChunk(T, 2, read(50n, 55n), store.rows(["2", "b", "y"], ["3", "c", "z"]));
    await append(anew, { from: 40n, to: 60n });
    await sameRows(store, [T, await publish(anew, T)], ["2", "b", "y"], ["3", "c", "z"]);
  },

  "takes loads beside an append": async (store) => {
    const target = await store.open();
    const chunks = [1, 2, 3, 4].map((id) => target.loadChunk(T, id, read(10n, 20n), store.rows([String(id), "a", "x"])));
    const appended = append(target, { from: 5n, to: 40n }, transactionAt(30n, insert("9", "b", "y")));
    await Promise.all([...chunks, appended, target.loadKeys(T, read(10n, 20n), [["7"]], [["7", "e", "v"]])]);
    assert.deepEqual([...(await target.progress()).loadedChunks].sort(), [1, 2, 3, 4]);
    await publish(target, T);
    assert.equal((await store.rowsAt(T, 40n)).length, 6);
  },
};
