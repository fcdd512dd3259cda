import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import type { Lsn } from "../../src/model/lsn.ts";
import { LogRelease, unfinishedCursors } from "../../src/workflow/stream/log-release.ts";
import { seededRandom } from "../support/random.ts";

/** A target whose commits nobody waits for: a crash takes them back to the last that was made durable. */
class ForgetfulTarget {
  committed: Lsn = 100n;
  #durable: Lsn = 100n;

  async makeDurable(): Promise<void> {
    const { committed } = this;
    await setImmediate();
    this.#durable = committed;
  }

  crash(): Lsn {
    this.committed = this.#durable;
    return this.committed;
  }
}

test("a target that crashes at any moment, and forgets its last commits, finds in the log what it needs again", async () => {
  const random = seededRandom("release");
  const target = new ForgetfulTarget();
  let [start, now, crashes]: [Lsn, number, number] = [0n, 0, 0];
  const log = {
    release: async (before: Lsn) => {
      start = before;
      // The worst moment to crash is the one in which something has just been dropped.
      const found = target.crash();
      crashes += 1;
      assert.ok(start <= found, `the target is back at ${found}, the log begins at ${start}`);
    },
  };
  const release = new LogRelease({ log, target, clock: { now: () => now }, retainMillis: 2, needed: () => [target.committed] });
  for (let step = 0; step < 300; step++) {
    target.committed += BigInt(random.integer(0, 20));
    now += random.integer(0, 2);
    const releasing = release.step();
    target.committed += BigInt(random.integer(0, 20));
    await releasing;
  }
  assert.ok(crashes > 50 && start > 100n, `${crashes} crashes, the log begins at ${start}`);
});

test("what was needed last stays for the time asked for, and is kept for the one that is furthest behind", async () => {
  const released: Lsn[] = [];
  let [now, needed]: [number, Lsn[]] = [0, [50n, 40n]];
  const release = new LogRelease({
    log: { release: async (before) => void released.push(before) },
    target: { makeDurable: async () => {} },
    clock: { now: () => now },
    retainMillis: 10,
    needed: () => needed,
  });
  await release.step();
  [now, needed] = [9, []];
  await release.step();
  assert.deepEqual(released, []);
  now = 10;
  await release.step();
  assert.deepEqual(released, [40n]);
});

test("a life without a load keeps the log for the loads that have begun", () => {
  const at = (cursor: bigint, state: "loading" | "loaded" | "joined" | "held") => ({ cursor, state, filter: null });
  const tables = new Map([
    ["a", at(5n, "loading")],
    ["b", at(3n, "loaded")],
    ["c", at(1n, "joined")],
    ["d", at(2n, "held")],
  ]);
  assert.deepEqual(unfinishedCursors({ tables }), [5n, 3n]);
});
