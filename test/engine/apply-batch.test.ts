import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { applyBatch, DEFAULT_LIMITS } from "../../src/engine/apply-batch.ts";
import { type BatchLimits, ConstraintConflict, type TargetTransaction, type Tolerance } from "../../src/engine/ports.ts";
import type { Change, TransactionPiece } from "../../src/model/change.ts";
import type { SideName } from "../../src/model/side.ts";
import { UNCHANGED } from "../../src/model/value.ts";
import { headerAt, T, TABLES, transactionAt } from "./rows.ts";

const table = T.id;
const insert = (id: string): Change => ({ kind: "insert", table, row: [id, "u", "x"] });
const moveUnread: Change = { kind: "update", table, oldKey: ["1"], row: ["2", "u", UNCHANGED] };

interface Behaviour {
  readonly conflict?: boolean;
  readonly found?: boolean;
  readonly side?: SideName;
}

/** A target transaction that writes down what it is asked, in one line each. */
function recording({ conflict, found, side }: Behaviour) {
  const calls: string[] = [];
  const transaction: Partial<TargetTransaction> = {
    side: side ?? "target",
    apply: async (_table, { deletes, patches, puts }) => {
      calls.push(`apply ${deletes.length}/${patches.length}/${puts.length}`);
      if (conflict === true) throw new ConstraintConflict("u");
      return [];
    },
    applyInOrder: async (_tables, changes) => {
      calls.push(`in order ${changes.map(({ kind }) => kind).join(",")}`);
      return [];
    },
    move: async () => {
      calls.push("move");
      return found === true;
    },
    truncate: async (tables) => void calls.push(`truncate ${tables.map(({ name }) => name).join()}`),
    addPending: async (_table, keys) => void calls.push(`pending ${keys.join()}`),
  };
  return { calls, transaction: transaction as TargetTransaction };
}

async function apply(
  pieces: readonly TransactionPiece[],
  options: Behaviour & { tolerance?: Tolerance; limits?: BatchLimits; from?: bigint } = {},
) {
  const { calls, transaction } = recording(options);
  async function* rest(): AsyncGenerator<TransactionPiece> {
    yield* pieces.slice(1);
  }
  const batch = await applyBatch(transaction, pieces[0] as TransactionPiece, rest(), {
    tables: TABLES,
    tolerance: options.tolerance ?? "strict",
    accepts: ({ commitLsn }) => commitLsn >= (options.from ?? 0n),
    limits: options.limits ?? DEFAULT_LIMITS,
  });
  return { calls, batch };
}

describe("a batch", () => {
  it("takes transactions to the end of the log, and its position is behind the last", async () => {
    const { calls, batch } = await apply([transactionAt(10n, insert("1")), transactionAt(20n, insert("2"), insert("3"))]);
    assert.deepEqual(calls, ["apply 0/0/3"]);
    assert.equal(batch.position, 25n);
    assert.equal(batch.transactions, 2);
    assert.equal(batch.changes, 3);
  });

  it("ends at the first transaction end after a limit", async () => {
    const { batch } = await apply([transactionAt(10n, insert("1"), insert("2")), transactionAt(20n, insert("3"))], {
      limits: { changes: 1, bytes: 1_000_000 },
    });
    assert.equal(batch.position, 15n);
  });

  it("flushes a transaction larger than a limit in parts, and takes it whole", async () => {
    const part = (firstOrdinal: number, last: boolean): TransactionPiece => ({
      header: headerAt(10n),
      firstOrdinal,
      last,
      changes: [insert(String(firstOrdinal))],
    });
    const { calls, batch } = await apply([part(0, false), part(1, false), part(2, true)], { limits: { changes: 1, bytes: 1_000_000 } });
    assert.deepEqual(calls, ["apply 0/0/1", "apply 0/0/1", "apply 0/0/1"]);
    assert.equal(batch.transactions, 1);
  });

  it("flushes a large transaction each time that a limit is reached, and not at each of its pieces", async () => {
    const pieces = Array.from({ length: 9 }, (_, n) => ({
      header: headerAt(10n),
      firstOrdinal: n * 2,
      last: n === 8,
      changes: [insert(`${n}a`), insert(`${n}b`)],
    }));
    const { calls } = await apply(pieces, { limits: { changes: 6, bytes: 1_000_000 } });
    assert.deepEqual(calls, ["apply 0/0/6", "apply 0/0/6", "apply 0/0/6"]);
  });

  it("fails where the log ends inside a transaction", async () => {
    await assert.rejects(apply([{ ...transactionAt(10n, insert("1")), last: false }]), /ended inside/);
  });

  it("passes by what the table holds already", async () => {
    const { calls, batch } = await apply([transactionAt(10n, insert("1"), { kind: "truncate", tables: [table] })], { from: 11n });
    assert.deepEqual(calls, []);
    assert.equal(batch.position, 15n);
  });

  it("replays in the source's order when a unique index refuses the folded one", async () => {
    const { calls } = await apply([transactionAt(10n, insert("1"), { kind: "delete", table, oldKey: ["1"] }, insert("1"))], {
      conflict: true,
    });
    assert.deepEqual(calls, ["apply 0/0/1", "in order insert,delete,insert"]);
  });

  it("flushes before TRUNCATE, which names only tables that take part", async () => {
    const { calls } = await apply([transactionAt(10n, insert("1"), { kind: "truncate", tables: ["public.other", table] }, insert("2"))]);
    assert.deepEqual(calls, ["apply 0/0/1", "truncate t", "apply 0/0/1"]);
  });
});

describe("a key change that leaves a large value unchanged", () => {
  it("moves the row at the target, behind everything before it", async () => {
    const { calls, batch } = await apply([transactionAt(10n, insert("9"), moveUnread)], { found: true });
    assert.deepEqual(calls, ["apply 0/0/1", "move"]);
    assert.equal(batch.pending.size, 0);
  });

  it("leaves its key pending while the table loads and the row is not there", async () => {
    const { calls, batch } = await apply([transactionAt(10n, moveUnread)], { tolerance: "tolerant" });
    assert.deepEqual(calls, ["move", "pending 2"]);
    assert.deepEqual(batch.pending.get(table), [["2"]]);
  });

  it("is drift afterwards", async () => {
    await assert.rejects(apply([transactionAt(10n, moveUnread)]), { code: "TARGET_DRIFT", kind: "target" });
  });

  it("is drift of the source on the way back", async () => {
    await assert.rejects(apply([transactionAt(10n, moveUnread)], { side: "source" }), { code: "SOURCE_DRIFT", kind: "source" });
  });
});
