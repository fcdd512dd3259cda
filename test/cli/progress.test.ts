import assert from "node:assert/strict";
import { test } from "node:test";
import { LineView } from "../../src/cli/progress/line-view.ts";
import { ProgressState } from "../../src/cli/progress/progress-state.ts";
import { statusLine } from "../../src/cli/progress/status-line.ts";
import type { LagEvent, LoadEvent } from "../../src/observe/events.ts";
import { createLogger } from "../../src/observe/log.ts";
import { formatBytes, formatCount, formatDuration } from "../../src/observe/units.ts";

const load = (bytes: number, over: Partial<LoadEvent> = {}): LoadEvent => ({
  kind: "load",
  tablesDone: 3,
  tablesTotal: 17,
  rows: 1_204_332,
  bytes,
  bytesExpected: 29_000_000_000,
  chunksRunning: [],
  ...over,
});

const lag = (bytes: number, over: Partial<LagEvent> = {}): LagEvent => ({
  kind: "lag",
  bytes,
  seconds: 1.23,
  changesPerSecond: 22_000,
  slotRetainedBytes: 64_000_000,
  ...over,
});

test("a status line while loading: bytes, rate and two ETAs", () => {
  const state = new ProgressState();
  state.take({ kind: "phase", phase: "loading" }, 0);
  state.take(load(11_000_000_000), 0);
  state.take(lag(12_000_000), 0);
  state.take(load(12_000_000_000), 10_000);
  state.take(lag(11_000_000), 10_000);
  assert.equal(
    statusLine(state.figures()),
    "41 %  12 GB of 29 GB  100 MB/s  3 of 17 tables  1,204,332 rows  copied in 2m 50s  caught up in 2m 50s  lag 11 MB 1.2 s  22,000 changes/s  slot holds 64 MB",
  );
});

test("an estimate that was too small never shows more than 99 %, nor more bytes than were expected", () => {
  const state = new ProgressState();
  state.take({ kind: "phase", phase: "loading" }, 0);
  state.take(load(59_000_000_000), 0);
  assert.equal(statusLine(state.figures()), "99 %  59 GB  3 of 17 tables  1,204,332 rows  copy time not known yet");
});

test("once loaded it is 100 %, and only the catching up has an ETA", () => {
  const state = new ProgressState();
  state.take(load(28_000_000_000), 0);
  state.take({ kind: "phase", phase: "catching-up" }, 1000);
  state.take(lag(10_000_000, { slotRetainedBytes: null }), 1000);
  state.take(lag(5_000_000, { slotRetainedBytes: null }), 6000);
  assert.equal(
    statusLine(state.figures()),
    "100 %  28 GB of 29 GB  3 of 17 tables  1,204,332 rows  caught up in 5s  lag 5.0 MB 1.2 s  22,000 changes/s",
  );
  state.take({ kind: "phase", phase: "streaming" }, 7000);
  assert.doesNotMatch(statusLine(state.figures()), /caught up in|copied in/);
});

test("why it waits stands in the line until something moves", () => {
  const state = new ProgressState();
  state.take({ kind: "waiting", why: "replica lag 12 s is over the limit of 10 s" }, 0);
  assert.equal(statusLine(state.figures()), "waiting: replica lag 12 s is over the limit of 10 s");
  state.take(load(0), 1);
  assert.doesNotMatch(statusLine(state.figures()), /waiting/);
});

test("a stream that goes on waits for nothing any more; one that stands does, and so does a load beside it", () => {
  const lag = { kind: "lag", bytes: 5_000_000, seconds: 9, slotRetainedBytes: null } as const;
  const state = new ProgressState();
  const lost = { kind: "waiting", why: "connection lost; trying again in 2 s" } as const;
  state.take({ kind: "phase", phase: "loading" }, 0);
  state.take(lost, 1);
  state.take({ ...lag, changesPerSecond: 50 }, 2);
  assert.match(statusLine(state.figures()), /waiting: connection lost/);
  state.take({ kind: "phase", phase: "streaming" }, 3);
  state.take(lost, 4);
  state.take({ ...lag, changesPerSecond: 0 }, 5);
  assert.match(statusLine(state.figures()), /waiting: connection lost/);
  state.take({ ...lag, changesPerSecond: 50 }, 6);
  assert.doesNotMatch(statusLine(state.figures()), /waiting/);
});

test("what is only worth knowing is a line of its own, and nothing that somebody waits for", () => {
  const lines: string[] = [];
  const logger = createLogger({ level: "info", format: "text", write: (line) => void lines.push(line.trim()), now: () => 0 });
  const view = new LineView(logger, () => 0);
  view.take({ kind: "phase", phase: "streaming" });
  view.take({ kind: "notice", message: "the way back is open: streaming both ways" });
  view.take(lag(0));
  view.close();
  assert.equal(lines.length, 3);
  assert.match(lines[1] ?? "", /info notice message="the way back is open: streaming both ways"$/);
  assert.doesNotMatch(lines.join("\n"), /waiting/);
});

test("as lines: phases, steps, warnings and new reasons at once, figures every five seconds, the last ones at the end", () => {
  const lines: string[] = [];
  let now = 0;
  const logger = createLogger({ level: "info", format: "text", write: (line) => void lines.push(line.trim()), now: () => now });
  const view = new LineView(logger, () => now);
  view.take({ kind: "phase", phase: "loading" });
  for (now = 1000; now <= 12_000; now += 1000) view.take(load(now));
  view.take({ kind: "waiting", why: "a" });
  view.take({ kind: "waiting", why: "a" });
  view.take({ kind: "step", id: "fence", title: "Fence", state: "done", ms: 12 });
  view.take({ kind: "warning", code: "W", message: "m" });
  view.close();
  const short = lines.map((line) => {
    const [, level, event, ...fields] = line.split(" ");
    return [level, event, ...fields.filter((field) => /^(?:bytes|step|code|waiting)=/.test(field))].join(" ");
  });
  assert.deepEqual(short, [
    "info progress",
    "info progress bytes=5000",
    "info progress bytes=10000",
    "info progress bytes=12000 waiting=a",
    "info step step=fence",
    "warn warning code=W",
    "info progress bytes=12000 waiting=a",
  ]);
});

test("units", () => {
  assert.deepEqual([0, 999, 1000, 1234, 9_949, 9_999, 84_000_000, 999_999, 2.5e15, 5e18].map(formatBytes), [
    "0 B",
    "999 B",
    "1.0 kB",
    "1.2 kB",
    "9.9 kB",
    "10 kB",
    "84 MB",
    "1.0 MB",
    "2.5 PB",
    "5000 PB",
  ]);
  assert.deepEqual([0, 999, 1000, 1_204_332.4].map(formatCount), ["0", "999", "1,000", "1,204,332"]);
  assert.deepEqual([null, 0, 8.4, 59.6, 200, 7500, 273_600].map(formatDuration), [
    "not known yet",
    "0s",
    "8s",
    "1m 00s",
    "3m 20s",
    "2h 05m",
    "3d 04h",
  ]);
});
