/**
 * The tail over a disk that forgets what it was not told to keep. Its first life is broken off after every single step, by a power cut or by a
 * kill whose next life ends in a power cut; the slot then sends what it has not heard the acknowledgement of, and nothing may be missing.
 */

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import type { Clock } from "../../src/engine/ports.ts";
import type { DurablePoint } from "../../src/log/durable-point.ts";
import type { DurableStep, LocalLog } from "../../src/log/local-log.ts";
import type { LogFiles } from "../../src/log/segment/log-files.ts";
import { formatLsn, type Lsn, maxLsn } from "../../src/model/lsn.ts";
import { TailStore } from "../../src/state/tail-store.ts";
import { runTail, type TailStream } from "../../src/workflow/stream/run-tail.ts";
import { IDENTITY, lsnOf, numbersOf, openLog, RELATION_A, readAll, START, tempDir } from "../log/bench.ts";
import { type Disk, ForgetfulDisk } from "../log/forgetful-disk.ts";
import { pgoutput } from "../pgoutput/encode.ts";
import { temporaryState } from "../state/temporary-state.ts";
import { deadline } from "../support/deadline.ts";

const FIRST_LIFE = 8;
const ALL = Array.from({ length: 11 }, (_, n) => n + 1);

/** What a crash at one moment finds. */
interface Moment {
  readonly what: string;
  readonly seen: Disk;
  readonly kept: Disk;
  readonly recorded: DurablePoint | null;
  readonly confirmed: Lsn;
}

interface Life {
  readonly dir: string;
  readonly files?: LogFiles;
  /** Transactions that the source has. */
  readonly upTo: number;
  readonly recorded: DurablePoint | null;
  readonly confirmed: Lsn;
  readonly record: (step: DurableStep) => void;
  readonly acknowledge: (lsn: Lsn) => void;
}

/** Runs the tail until the log has passed everything, stops it, and returns the numbers of what the log holds. */
async function live({ dir, files, upTo, recorded, confirmed, record, acknowledge }: Life): Promise<number[]> {
  const log = await openLog(dir, { durable: recorded, segmentTransactions: 3, ...(files === undefined ? {} : { files }) });
  const stopping = new AbortController();
  const { signal } = stopping;
  const openStream = async (from: Lsn): Promise<TailStream> => new Sender({ from: maxLsn(from, confirmed), upTo, signal, acknowledge });
  const tail = runTail({ log, openStream, recordDurable: record, clock: new HurryingClock(), signal });
  await log.waitPassed(lsnOf(upTo) + 8n, AbortSignal.timeout(deadline(20_000)));
  stopping.abort(new Error("stopped by the test"));
  await tail;
  const held = numbersOf(await readAll(log));
  await log.close();
  return held;
}

/** A slot: sends every transaction from `from` on, one at a time or two. */
class Sender implements TailStream {
  readonly bufferedBytes = 0;
  readonly silentMillis = 0;
  readonly acknowledge: (lsn: Lsn) => void;
  readonly #options: { readonly upTo: number; readonly signal: AbortSignal };
  #next: number;
  #told = false;

  constructor(options: {
    readonly from: Lsn;
    readonly upTo: number;
    readonly signal: AbortSignal;
    readonly acknowledge: (lsn: Lsn) => void;
  }) {
    this.#options = options;
    this.acknowledge = options.acknowledge;
    this.#next = ALL.find((n) => lsnOf(n) >= options.from) ?? ALL.length + 1;
  }

  async next(): Promise<{ readonly frames: Buffer; readonly walEnd: Lsn | null }> {
    await setImmediate();
    this.#options.signal.throwIfAborted();
    const frames: Buffer[] = [];
    const count = this.#next % 3 === 0 ? 2 : 1;
    for (let sent = 0; sent < count && this.#next <= this.#options.upTo; sent++, this.#next++) frames.push(this.#transaction(this.#next));
    return { frames: Buffer.concat(frames), walEnd: null };
  }

  async close(): Promise<void> {}

  #transaction(n: number): Buffer {
    const relation = this.#told ? [] : [RELATION_A];
    this.#told = true;
    return pgoutput.transaction(lsnOf(n), 700 + n, ...relation, pgoutput.insert(1, [String(n), `row ${n}`]));
  }
}

/** Each look at it is 110 ms later: what happens at intervals happens every few steps. */
class HurryingClock implements Clock {
  #now = 0;

  now(): number {
    this.#now += 110;
    return this.#now;
  }

  async sleep(_millis: number, signal: AbortSignal): Promise<void> {
    await setImmediate();
    signal.throwIfAborted();
  }
}

function putBack(disk: Disk, dir: string): void {
  for (const [name, content] of disk) writeFileSync(join(dir, name), content);
}

/** One life from an empty log, and what there is after each of its steps. */
async function firstLife(store: TailStore): Promise<Moment[]> {
  using dir = tempDir();
  const moments: Moment[] = [];
  let confirmed = START;
  const recorded = (): DurablePoint => {
    const { durableLsn, xidReference } = store.get("forward") ?? assert.fail("no record");
    return { lsn: durableLsn, xidReference };
  };
  const moment = (what: string): void => {
    moments.push({ what, seen: disk.seen(), kept: disk.kept(), recorded: recorded(), confirmed });
  };
  const disk = new ForgetfulDisk(dir.path, moment);
  store.create("forward", { name: IDENTITY.slot, startLsn: START, xidReference: 700n });
  await live({
    dir: dir.path,
    files: disk,
    upTo: FIRST_LIFE,
    recorded: null,
    confirmed,
    record: ({ lsn, ...step }) => {
      store.advance("forward", { durableLsn: lsn, ...step });
      moment(`record ${formatLsn(lsn)}`);
    },
    acknowledge: (lsn) => {
      assert.ok(recorded().lsn >= lsn, `${formatLsn(lsn)} was acknowledged, and ${formatLsn(recorded().lsn)} is on record`);
      confirmed = lsn;
      moment(`acknowledge ${formatLsn(lsn)}`);
    },
  });
  return moments;
}

/** A life after a crash, whose state is only the point on record; and what there was after each of its acknowledgements. */
async function nextLife(
  { recorded, confirmed }: Moment,
  { dir, upTo, disk }: { readonly dir: string; readonly upTo: number; readonly disk: ForgetfulDisk | null },
): Promise<{ readonly held: readonly number[]; readonly moments: readonly Moment[] }> {
  let [record, slot] = [recorded, confirmed];
  const moments: Moment[] = [];
  const moment = (what: string): void => {
    if (disk !== null) moments.push({ what, seen: new Map(), kept: disk.kept(), recorded: record, confirmed: slot });
  };
  const held = await live({
    dir,
    upTo,
    recorded,
    confirmed,
    ...(disk === null ? {} : { files: disk }),
    record: ({ lsn, xidReference }) => {
      record = { lsn, xidReference };
    },
    acknowledge: (lsn) => {
      slot = lsn;
      moment(`its acknowledgement of ${formatLsn(lsn)}`);
    },
  });
  return { held, moments };
}

test("a power cut after any step of the tail loses nothing that the slot has forgotten", async (t) => {
  const moments = await firstLife(new TailStore(await temporaryState(t)));
  const kinds = ["make", "write", "sync", "rename", "sync directory", "record", "acknowledge"];
  for (const kind of kinds) assert.ok(moments.filter(({ what }) => what.startsWith(kind)).length >= 3, `hardly any ${kind}`);
  for (const [number, moment] of moments.entries()) {
    using dir = tempDir();
    putBack(moment.kept, dir.path);
    const { held } = await nextLife(moment, { dir: dir.path, upTo: ALL.length, disk: null });
    assert.deepEqual(held, ALL, `a power cut after step ${number}, ${moment.what}`);
  }
});

test("what a killed process left in the system's memory is made durable before the next one goes on", async (t) => {
  const moments = await firstLife(new TailStore(await temporaryState(t)));
  for (const [number, moment] of moments.entries()) {
    using killed = tempDir();
    const disk = ForgetfulDisk.after(moment, killed.path);
    const { moments: later } = await nextLife(moment, { dir: killed.path, upTo: ALL.length - 1, disk });
    for (const cut of later) {
      using dir = tempDir();
      putBack(cut.kept, dir.path);
      const { held } = await nextLife(cut, { dir: dir.path, upTo: ALL.length, disk: null });
      assert.deepEqual(held, ALL, `a kill after step ${number}, ${moment.what}, and a power cut after ${cut.what}`);
    }
  }
});

test("the directories that a new log makes are durable, each in the one above it", async () => {
  using dir = tempDir();
  const synced: string[] = [];
  const disk = new ForgetfulDisk(join(dir.path, "log", "forward"), (what) => synced.push(what));
  const log: LocalLog = await openLog(join(dir.path, "log", "forward"), { files: disk });
  await log.close();
  const parents = synced.slice(0, 2);
  assert.deepEqual(parents, ["sync directory log", `sync directory ${dir.path.split("/").at(-1)}`]);
});
