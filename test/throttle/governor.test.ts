import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Clock } from "../../src/engine/ports.ts";
import { Governor } from "../../src/throttle/governor.ts";
import type { Pressure } from "../../src/throttle/pressure.ts";
import { deadline } from "../support/deadline.ts";

const CALM: Pressure = { standbys: [], hidden: false, slotBytes: 0 };
const LATE: Pressure = { ...CALM, standbys: [{ name: "db2", seconds: 13.2 }] };
const SECOND = "the standby db2 is 14 s behind (limit 10 s)";

/** A clock that stands still until somebody sleeps, and then jumps there. */
class JumpingClock implements Clock {
  millis = 0;

  now(): number {
    return this.millis;
  }

  async sleep(millis: number, signal: AbortSignal): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    signal.throwIfAborted();
    this.millis += millis;
  }
}

/** A governor over a source that gives these answers, the last for ever. */
function governed(answers: readonly (Pressure | null)[], businessHours: () => string | null = () => null) {
  const clock = new JumpingClock();
  const said: (string | null)[] = [];
  let asked = 0;
  const governor = new Governor({
    limits: { maxReplicaLagSeconds: 10, maxSlotBytes: 1000, businessHours },
    measure: async () => {
      asked += 1;
      return answers[Math.min(asked, answers.length) - 1] ?? null;
    },
    clock,
    today: () => new Date(clock.millis),
    told: (why) => said.push(why),
  });
  return { governor, clock, said, asked: () => asked };
}

const never = new AbortController().signal;

describe("the governor", { timeout: deadline(10_000) }, () => {
  it("lets a read go at once where nothing is wrong, and says nothing", async () => {
    const { governor, clock, said } = governed([CALM]);
    await governor.mayRead(never);
    assert.deepEqual([clock.millis, said], [0, []]);
  });

  it("asks the source at most every two seconds, however many read", async () => {
    const { governor, clock, asked } = governed([CALM]);
    for (let read = 0; read < 10; read++) await Promise.all([governor.mayRead(never), governor.mayRead(never)]);
    assert.equal(asked(), 1);
    clock.millis = 1_999;
    await governor.mayRead(never);
    assert.equal(asked(), 1);
    clock.millis = 2_000;
    await governor.mayRead(never);
    assert.equal(asked(), 2);
  });

  it("holds at the first bad measurement and releases at the third good one in a row", async () => {
    const { governor, clock, said, asked } = governed([LATE, CALM, CALM, LATE, CALM, CALM, CALM]);
    await governor.mayRead(never);
    assert.equal(asked(), 7);
    assert.equal(clock.millis, 12_000);
    assert.deepEqual(said, [SECOND, SECOND, null]);
  });

  it("holds everybody who asks, and lets all of them go together", async () => {
    const { governor, said } = governed([LATE, CALM, CALM, CALM]);
    await Promise.all(Array.from({ length: 4 }, () => governor.mayRead(never)));
    assert.deepEqual(said, [SECOND, null]);
  });

  it("takes a source that does not answer for no reason to hold, and for none to release", async () => {
    const silent = governed([null]);
    await silent.governor.mayRead(never);
    assert.deepEqual(silent.said, []);
    const lost = governed([LATE, null, null, null, null, CALM, CALM, CALM]);
    await lost.governor.mayRead(never);
    assert.equal(lost.asked(), 8);
  });

  it("holds in business hours, whether the source answers or not, and says when they end", async () => {
    const { governor, said } = governed([null, CALM, null, CALM], () => (said.length < 3 ? "08:00-20:00 Europe/Berlin" : null));
    await governor.mayRead(never);
    const sentence = "these are business hours (08:00-20:00 Europe/Berlin)";
    assert.deepEqual(said, [sentence, sentence, sentence, null]);
  });

  it("names every reason, and of several standbys the worst", async () => {
    const pressure = {
      ...LATE,
      standbys: [{ name: "near", seconds: 0 }, { name: "far", seconds: 60 }, ...LATE.standbys],
      slotBytes: 2_500,
    };
    const { governor, said } = governed([pressure, CALM]);
    await governor.mayRead(never);
    assert.equal(said[0], "the standby far is 60 s behind (limit 10 s); pghaul's slot holds 2.5 kB of WAL at the source (limit 1.0 kB)");
  });

  it("holds beyond a limit, not at it, and where nothing is known", async () => {
    const { governor, said } = governed([{ standbys: [{ name: "db2", seconds: 10 }], hidden: true, slotBytes: 1000 }]);
    await governor.mayRead(never);
    const unknown = governed([{ standbys: [], hidden: true, slotBytes: null }]);
    await unknown.governor.mayRead(never);
    assert.deepEqual([said, unknown.said], [[], []]);
  });

  it("ends a hold at once when it is told to stop", async () => {
    const stop = new AbortController();
    const { governor, said } = governed([LATE]);
    const held = governor.mayRead(stop.signal);
    held.catch(() => undefined);
    await new Promise((resolve) => setTimeout(resolve, 5));
    stop.abort(new Error("stopped"));
    await assert.rejects(held, /stopped/);
    assert.ok(said.length > 0 && !said.includes(null));
  });
});
