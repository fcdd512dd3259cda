import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ChangeLog, EngineObserver, Target, TargetProgress, TargetTransaction } from "../../../src/engine/ports.ts";
import { StreamApply } from "../../../src/engine/rows/stream-apply.ts";
import { PghaulError } from "../../../src/errors/pghaul-error.ts";
import type { TransactionPiece } from "../../../src/model/change.ts";
import { formatLsn, type Lsn } from "../../../src/model/lsn.ts";
import { NO_KEY, T, TABLES, transactionAt } from "../rows.ts";

const NOTHING: TargetProgress = { stream: null, tables: new Map(), mergedChunks: new Set(), pending: new Map() };
const LOADED = { cursor: 10n, state: "loaded", filter: null } as const;

function rejectOnAbort(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener("abort", () => reject(signal.reason));
  });
}

/** A stream over a log that holds these pieces and stands at 100. `fails` makes the target lose its first transactions. */
function streamOver(
  pieces: readonly TransactionPiece[],
  options: {
    readonly fails?: number;
    readonly known?: TargetProgress;
    readonly driftAt?: Lsn;
    /** The target refuses rows with this key. */
    readonly refuses?: string;
  } = {},
) {
  const calls: string[] = [];
  let fails = options.fails ?? 0;
  const transaction: Partial<TargetTransaction> = {
    apply: async (_table, { puts }) => {
      if (puts.some(([id]) => id === options.refuses)) throw new PghaulError("ROW_REFUSED", "not this one");
      calls.push(`puts ${puts.map(([id]) => id).join()}`);
      return [];
    },
    attempt: (work) => work(),
    setStreamPosition: async (position) => void calls.push(`stream ${position}`),
    setTableProgress: async (_table, { cursor, state }) => void calls.push(`${state} at ${cursor}`),
  };
  const target: Target = {
    progress: async () => NOTHING,
    transaction: async (_lane, work) => {
      if (fails-- > 0) throw new PghaulError("TARGET_LOST", "gone");
      const before = calls.length;
      return await work(transaction as TargetTransaction).catch((error: unknown) => {
        calls.length = before;
        throw error;
      });
    },
  };
  const log: Pick<ChangeLog, "passed" | "waitPassed" | "read"> = {
    passed: () => 100n,
    waitPassed: (_lsn, signal) => rejectOnAbort(signal),
    async *read({ from, to }, tables) {
      for (const piece of pieces) {
        if (piece.header.commitLsn < from || piece.header.commitLsn >= to) continue;
        if (!piece.changes.some((change) => change.kind !== "truncate" && tables.has(change.table))) continue;
        if (piece.header.commitLsn === options.driftAt)
          throw new PghaulError("SCHEMA_DRIFT", "changed", { context: { lsn: formatLsn(options.driftAt) } });
        yield piece;
      }
    },
  };
  const clock = { now: () => 0, sleep: (_millis: number, signal: AbortSignal) => rejectOnAbort(signal) };
  const observer = { applied: () => {}, tableJoined: () => {}, tableHeld: () => {} } as Partial<EngineObserver> as EngineObserver;
  const ports = { log: log as ChangeLog, target, clock, observer, crashPoint: () => {} };
  const stop = new AbortController();
  const stream = new StreamApply(ports, TABLES, options.known ?? NOTHING);
  const running = stream.run(stop.signal, new AbortController().signal);
  // Looked at by each test in its own time.
  running.catch(() => undefined);
  return { calls, stream, running, stop: () => stop.abort(new Error("stop")) };
}

describe("the stream", () => {
  it("begins at the cursor of the first table that joins", async () => {
    const { calls, stream, running, stop } = streamOver([
      transactionAt(5n, { kind: "insert", table: T.id, row: ["early", "u", "x"] }),
      transactionAt(20n, { kind: "insert", table: T.id, row: ["late", "u", "x"] }),
    ]);
    await stream.join(T, LOADED);
    await stream.atBoundary(async () => {});
    stop();
    await running;
    assert.deepEqual(calls, ["stream 10", "joined at 10", "puts late", "stream 25"]);
    assert.equal(stream.recordedPosition, 25n);
  });

  it("passes by what a table that joined ahead of it holds already", async () => {
    const known: TargetProgress = { ...NOTHING, stream: 10n, tables: new Map([[T.id, { ...LOADED, cursor: 30n, state: "joined" }]]) };
    const { calls, stream, running, stop } = streamOver(
      [
        transactionAt(20n, { kind: "insert", table: T.id, row: ["held", "u", "x"] }),
        transactionAt(30n, { kind: "insert", table: T.id, row: ["new", "u", "x"] }),
      ],
      { known },
    );
    await stream.atBoundary(async () => {});
    await stream.atBoundary(async () => {});
    stop();
    await running;
    assert.deepEqual(calls, ["puts new", "stream 35"]);
  });

  it("applies what came before a table changed, though one batch held both", async () => {
    const known: TargetProgress = { ...NOTHING, stream: 10n, tables: new Map([[T.id, { ...LOADED, state: "joined" }]]) };
    const { calls, running } = streamOver(
      [
        transactionAt(20n, { kind: "insert", table: T.id, row: ["a", "u", "x"] }),
        transactionAt(30n, { kind: "insert", table: T.id, row: ["b", "v", "x"] }),
        transactionAt(40n, { kind: "insert", table: T.id, row: ["c", "w", "x"] }),
      ],
      { known, driftAt: 40n },
    );
    await assert.rejects(running, { code: "SCHEMA_DRIFT" });
    assert.deepEqual(calls, ["puts a,b", "stream 35"]);
  });

  it("holds a table that is refused and goes on to the change of another that came in the same batch", async () => {
    const known: TargetProgress = {
      ...NOTHING,
      stream: 10n,
      tables: new Map([T, NO_KEY].map(({ id }) => [id, { ...LOADED, state: "joined" }])),
    };
    const { calls, running } = streamOver(
      [
        transactionAt(20n, { kind: "insert", table: T.id, row: ["a", "u", "x"] }),
        transactionAt(30n, { kind: "insert", table: T.id, row: ["bad", "v", "x"] }),
        transactionAt(40n, { kind: "insert", table: NO_KEY.id, row: ["c", "w", "x"] }),
      ],
      { known, driftAt: 40n, refuses: "bad" },
    );
    await assert.rejects(running, { code: "SCHEMA_DRIFT" });
    assert.deepEqual(calls, ["puts a", "held at 30", "stream 35"]);
  });

  it("does not read a table that is ahead below its cursor: it was loaded since its columns changed", async () => {
    const known: TargetProgress = { ...NOTHING, stream: 10n, tables: new Map([[T.id, { ...LOADED, cursor: 30n, state: "joined" }]]) };
    const { calls, stream, running, stop } = streamOver(
      [
        transactionAt(20n, { kind: "insert", table: T.id, row: ["older shape", "u", "x"] }),
        transactionAt(30n, { kind: "insert", table: T.id, row: ["new", "u", "x"] }),
      ],
      { known, driftAt: 20n },
    );
    await stream.atBoundary(async () => {});
    await stream.atBoundary(async () => {});
    stop();
    await running;
    assert.deepEqual(calls, ["puts new", "stream 35"]);
  });

  it("goes on when work at a boundary fails", async () => {
    const { stream, running, stop } = streamOver([]);
    await assert.rejects(
      stream.atBoundary(() => Promise.reject(new Error("ddl"))),
      /ddl/,
    );
    await stream.atBoundary(async () => {});
    stop();
    await running;
  });

  it("ends with a join that failed: it may have been committed, and the position is not known any more", async () => {
    const { stream, running } = streamOver([], { fails: 1 });
    const waiting = stream.join(T, LOADED);
    const behind = stream.atBoundary(async () => {});
    await assert.rejects(waiting, { code: "TARGET_LOST" });
    await assert.rejects(behind, { code: "TARGET_LOST" });
    await assert.rejects(running, { code: "TARGET_LOST" });
    await assert.rejects(stream.join(T, LOADED), { code: "TARGET_LOST" });
  });

  it("turns away who comes after it was stopped", async () => {
    const { stream, running, stop } = streamOver([]);
    stop();
    await running;
    await assert.rejects(stream.join(T, LOADED), { code: "INTERRUPTED" });
  });
});
