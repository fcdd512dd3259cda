import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { AppendedStretch, VersionProgress, VersionTarget } from "../../../src/engine/ports/version-target.ts";
import type { ChangeLog, EngineObserver } from "../../../src/engine/ports.ts";
import { type VersionPorts, VersionStream } from "../../../src/engine/versions/version-stream.ts";
import { PghaulError } from "../../../src/errors/pghaul-error.ts";
import type { TransactionPiece } from "../../../src/model/change.ts";
import { formatLsn, type Lsn } from "../../../src/model/lsn.ts";
import { UNCHANGED } from "../../../src/model/value.ts";
import { T, TABLES, transactionAt } from "../rows.ts";

const NOTHING: VersionProgress = { accepted: 5n, durable: 5n, tables: new Map(), loadedChunks: new Set(), pending: [] };

interface Options {
  readonly known?: VersionProgress;
  readonly cadence?: VersionTarget["cadence"];
  readonly driftAt?: Lsn;
  readonly driftTable?: string;
  readonly carriesMoves?: boolean;
}

/** A stream over a log that holds these pieces, with a clock and an end of the log in the hand of the test. */
function streamOver(pieces: readonly TransactionPiece[], options: Options = {}) {
  const world = {
    passed: 100n,
    now: 0,
    appends: [] as (readonly [Lsn, AppendedStretch])[],
    held: [] as [string, Lsn][],
    read: [] as string[][],
  };
  const sleepers: { readonly until: number; readonly wake: () => void }[] = [];
  const tails: (() => void)[] = [];
  const until = (signal: AbortSignal, start: (done: () => void) => void) =>
    new Promise<void>((resolve, reject) => {
      if (signal.aborted) reject(signal.reason);
      signal.addEventListener("abort", () => reject(signal.reason));
      start(resolve);
    });
  const log: Partial<ChangeLog> = {
    start: () => 5n,
    passed: () => world.passed,
    streams: () => 1,
    waitPassed: (_lsn, signal) => until(signal, (done) => tails.push(done)),
    async *headers() {},
    async *read({ from, to }, tables) {
      world.read.push([...tables]);
      if (!tables.has(T.id)) return;
      for (const piece of pieces) {
        const { commitLsn } = piece.header;
        if (commitLsn < from || commitLsn >= to) continue;
        if (commitLsn === options.driftAt) {
          throw new PghaulError("SCHEMA_DRIFT", "changed", { context: { lsn: formatLsn(commitLsn), table: options.driftTable ?? T.id } });
        }
        yield piece;
      }
    },
  };
  const target: Partial<VersionTarget> = {
    carriesMoves: options.carriesMoves ?? true,
    cadence: options.cadence ?? { bytes: 1_000_000, millis: 0 },
    holdTable: async ({ id }, { lsn }) => void world.held.push([id, lsn]),
    settle: async () => world.appends.at(-1)?.[1].to ?? 5n,
    append: async (_tables, from, stretch, close) => {
      for await (const _ of stretch);
      world.appends.push([from, close()]);
    },
  };
  const ports: Partial<VersionPorts> = {
    log: log as ChangeLog,
    target: target as VersionTarget,
    clock: { now: () => world.now, sleep: (millis, signal) => until(signal, (wake) => sleepers.push({ until: world.now + millis, wake })) },
    observer: { applied: () => {}, tableHeld: () => {} } as Partial<EngineObserver> as EngineObserver,
    crashPoint: () => {},
  };
  const stop = new AbortController();
  const stream = new VersionStream(ports as VersionPorts, TABLES, options.known ?? NOTHING);
  const running = stream.run(stop.signal, new AbortController().signal);
  running.catch(() => undefined);
  const settled = () => new Promise((resolve) => setTimeout(resolve, 5));
  return {
    ...{ world, stream, running, settled },
    stop: () => stop.abort(new Error("stop")),
    ranges: () => world.appends.map(([from, { to }]) => `${from} to ${to}`),
    /** The clock moves on. */
    wait: async (millis: number) => {
      world.now += millis;
      for (const { wake } of sleepers.filter((sleeper) => sleeper.until <= world.now)) wake();
      await settled();
    },
    /** The log moves on. */
    pass: async (lsn: Lsn) => {
      world.passed = lsn;
      for (const wake of tails.splice(0)) wake();
      await settled();
    },
  };
}

const at = (lsn: Lsn, id = "1") => transactionAt(lsn, { kind: "insert", table: T.id, row: [id, "u", "x"] });

describe("the stream of a version target", () => {
  it("appends from what was accepted to the end of the log, whole transactions at a time", async () => {
    const { ranges, settled, stop, running } = streamOver([at(10n), at(20n), at(30n)], { cadence: { bytes: 1, millis: 0 } });
    await settled();
    stop();
    await running;
    // Behind the last transaction there is nothing to append, and nobody waits for it.
    assert.deepEqual(ranges(), ["5 to 15", "15 to 25", "25 to 35"]);
  });

  it("waits for its cadence, unless somebody waits for a position, or the log holds enough", async () => {
    const { world, stream, ranges, wait, pass, settled, stop } = streamOver([at(10n), at(110n), at(210n), at(1_500n)], {
      cadence: { bytes: 1_000, millis: 500 },
    });
    await settled();
    assert.deepEqual(ranges(), ["5 to 100"]);
    await pass(150n);
    await wait(499);
    assert.equal(world.appends.length, 1);
    await wait(1);
    assert.equal(world.appends.length, 2);
    await pass(250n);
    await stream.waitAccepted(220n);
    assert.equal(world.appends.length, 3);
    await pass(2_000n);
    assert.equal(stream.position, 2_000n);
    stop();
  });

  it("records a stretch in which nothing happened when somebody waits for its end, and else now and then", async () => {
    const { world, stream, wait, pass, settled, stop } = streamOver([at(10n)]);
    await settled();
    await pass(200n);
    assert.deepEqual([world.appends.length, stream.position], [1, 200n]);
    await stream.waitAccepted(200n);
    assert.deepEqual(world.appends.at(-1)?.[1].to, 200n);
    await wait(5_000);
    await pass(300n);
    assert.deepEqual(world.appends.at(-1)?.[1].to, 300n);
    stop();
  });

  it("brings a first append, though empty, to who waits for what lies below the log's start", async () => {
    const known = { ...NOTHING, accepted: null, durable: null };
    const { world, stream, settled, stop } = streamOver([], { known });
    await settled();
    await stream.waitAccepted(0n);
    assert.ok(world.appends.length > 0);
    stop();
  });

  it("holds a table that has other columns, from there on, and goes on with the others", async () => {
    const { world, stream, ranges, settled, stop, running } = streamOver([at(10n), at(20n), at(30n)], { driftAt: 20n });
    await settled();
    assert.deepEqual(ranges(), ["5 to 20"]);
    assert.equal(stream.position, 100n);
    assert.deepEqual(world.held, [[T.id, 20n]]);
    assert.equal(stream.holdOf(T.id)?.lsn, 20n);
    stop();
    await running;
  });

  it("leaves a table out that is held, from one life to the next", async () => {
    const hold = { reason: "changed", sqlstate: null, lsn: 20n, key: null };
    const known = { ...NOTHING, tables: new Map([[T.id, { hi: 1n, published: 5n, held: hold }]]) };
    const { world, settled, stop } = streamOver([at(30n)], { known });
    await settled();
    stop();
    assert.equal(world.read.at(-1)?.includes(T.id), false);
  });

  it("ends where it is not known whose columns changed", async () => {
    const { running } = streamOver([at(10n), at(20n)], { driftAt: 20n, driftTable: "public.unknown" });
    await assert.rejects(running, { code: "SCHEMA_DRIFT" });
  });

  it("notes moves that it does not tell whole, but for a published table whose target carries them", async () => {
    const move = transactionAt(10n, { kind: "update", table: T.id, oldKey: ["1"], row: ["2", "u", UNCHANGED] });
    const told = transactionAt(20n, { kind: "update", table: T.id, oldKey: ["1"], row: ["3", "u", "all"] });
    const published = { ...NOTHING, tables: new Map([[T.id, { hi: 1n, published: 5n }]]) };
    for (const [known, carriesMoves, expected] of [
      [NOTHING, true, ["2"]],
      [published, true, []],
      [NOTHING, false, ["2"]],
    ] as const) {
      const { world, stream, settled, stop } = streamOver([move, told], { known, carriesMoves });
      await settled();
      stop();
      assert.deepEqual(
        world.appends.flatMap(([, { pending }]) => pending.map(({ key }) => key[0])),
        expected,
      );
      assert.equal(stream.moves.below(T.id, 100n).length, expected.length);
    }
  });

  it("refuses who waits for a position, or a boundary, when it has ended", async () => {
    const { stream, running, settled, stop } = streamOver([]);
    await settled();
    const waiting = assert.rejects(stream.waitAccepted(900n), { code: "INTERRUPTED" });
    stop();
    await running;
    await waiting;
    await assert.rejects(stream.waitAccepted(900n), { code: "INTERRUPTED" });
    await assert.rejects(
      stream.atBoundary(async () => {}),
      { code: "INTERRUPTED" },
    );
  });
});
