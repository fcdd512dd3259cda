import assert from "node:assert/strict";
import { test } from "node:test";
import { type Figure, type Pair, summarise } from "../../bench/harness/figure.ts";
import { parseOptions } from "../../bench/harness/options.ts";
import { jsonReport, markdown, type Report, textTable } from "../../bench/harness/report.ts";

const NAMES = ["copy", "tail", "memory-load", "memory-bulk"];

function pair(ours: number, peer: number): Pair {
  return { ours, peer, use: { ours: { cpuSeconds: ours / 2, peakBytes: 100e6 }, peer: { cpuSeconds: peer / 4, peakBytes: 20e6 } } };
}

const COPY: Figure = {
  name: "copy narrow",
  measures: "the copy",
  against: "psql | psql",
  unit: "s",
  pairs: [pair(3, 1), pair(10, 10), pair(4, 8)],
  note: "",
};

const LIMITED: Pair = { ours: 351.4, peer: 400, use: { ours: { cpuSeconds: 7, peakBytes: 351.4e6 }, peer: null } };
/** Thirteen samples of one stage and one of the next: a slice of the first is two. */
const CURVE = [
  ...Array.from({ length: 13 }, (_, second) => ({ seconds: second, stage: "load", bytes: (100 + second) * 1e6 })),
  { seconds: 13, stage: "target away", bytes: 200e6 },
];

const REPORT: Report = {
  sizes: parseOptions([], NAMES).sizes,
  machine: {
    at: "2026-11-20T10:00:00.000Z",
    cpu: "a processor",
    cores: 2,
    memoryBytes: 24 * 2 ** 30,
    load: [1, 2, 3],
    node: "v24",
    server: "PostgreSQL 15",
    clients: null,
  },
  figures: [COPY, { ...COPY, name: "memory", unit: "MB", pairs: [LIMITED], curve: CURVE }],
  skipped: [{ name: "tail", why: "pg_recvlogical is not installed" }],
};

test("the ratio is the median of the pairs' own ratios", () => {
  const use = { ours: { cpuSeconds: 2, peakBytes: 100e6 }, peer: { cpuSeconds: 2, peakBytes: 20e6 } };
  assert.deepEqual(summarise(COPY), { ratio: 1, lowest: 0.5, highest: 3, ours: 4, peer: 8, use });
});

test("of an even number of pairs the median lies between the middle two", () => {
  assert.equal(summarise({ ...COPY, pairs: COPY.pairs.slice(0, 2) }).ratio, 2);
});

test("the table shows ratio, spread and medians of each figure, and what was skipped", () => {
  const lines = textTable(REPORT).split("\n");
  assert.ok(
    lines.some((line) =>
      /^copy narrow +1\.00 +0\.50 - 3\.00 +4\.00 s +8\.00 s +2\.00 s \/ 2\.00 s +100 MB \/ 20 MB +3 +psql \| psql$/.test(line),
    ),
  );
  assert.ok(
    lines.some((line) => /^memory +0\.88 +351 MB +400 MB +7\.00 s +351 MB +1 /.test(line)),
    "one run has no spread, a limit needs nothing",
  );
  assert.ok(lines.includes("memory, MB: load 12 s: 101 103 105 107 109 111 112 | target away 0 s: 200"));
  assert.ok(lines.includes("tail: skipped, pg_recvlogical is not installed"));
});

test("the document gets a table with the date, the machine and the versions; a pipe in a cell does not end it", () => {
  const text = markdown(REPORT);
  assert.match(text, /^\n## 2026-11-20, quick\n/);
  assert.match(text, /2 x a processor, 24 GiB, load 1 2 3; Node v24, PostgreSQL 15, no client programs/);
  assert.match(
    text,
    /\n\| copy narrow \| 1\.00 \| 0\.50 - 3\.00 \| 4\.00 s \| 8\.00 s \| 2\.00 s \/ 2\.00 s \| 100 MB \/ 20 MB \| 3 \| psql \\\| psql \|\n/,
  );
});

test("the JSON holds every run and its summary", () => {
  const { figures } = jsonReport(REPORT) as { figures: { pairs: unknown[]; ratio: number }[] };
  assert.equal(figures[0]?.pairs.length, 3);
  assert.equal(figures[0]?.ratio, 1);
});

test("quick is the default, flags choose figures and pairs", () => {
  assert.equal(parseOptions([], NAMES).sizes.name, "quick");
  const { sizes, only } = parseOptions(["--full", "--only", "tail", "--pairs", "7"], NAMES);
  assert.equal(sizes.name, "full");
  assert.equal(sizes.pairs, 7);
  assert.equal(sizes.memoryBytes, 2_000_000_000);
  assert.deepEqual(only, new Set(["tail"]));
  assert.deepEqual(parseOptions(["--only", "memory"], NAMES).only, new Set(["memory-load", "memory-bulk"]));
});

test("what is no figure, no number or a contradiction is refused", () => {
  for (const args of [["--only", "tails"], ["--only", "mem"], ["--pairs", "0"], ["--quick", "--full"], ["--fast"]]) {
    assert.throws(() => parseOptions(args, NAMES), TypeError, args.join(" "));
  }
});
