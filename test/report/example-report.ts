import type { SeriesPoint } from "../../src/model/series-point.ts";
import type { Report } from "../../src/report/report.ts";

const START = Date.parse("2026-03-14T09:00:00.000Z");

function at(seconds: number): string {
  return new Date(START + seconds * 1000).toISOString();
}

function point(second: number, lag: number | null, bytesPerSecond: number, changesPerSecond: number): SeriesPoint {
  const lagSeconds = lag === null ? null : lag / 1_000_000;
  return {
    at: START + second * 1000,
    widthMillis: 1000,
    lagBytes: lag,
    lagBytesMax: lag === null ? null : lag * 1.5,
    lagSeconds,
    lagSecondsMax: lagSeconds,
    bytesPerSecond,
    bytesPerSecondMax: bytesPerSecond,
    changesPerSecond,
    changesPerSecondMax: changesPerSecond,
  };
}

/** A migration with something of everything: a cancelled switch, one there and one back, a difference found, a pause in the samples. */
export const EXAMPLE: Report = {
  migration: "orders-move",
  madeAt: at(3600),
  status: {
    phase: "streaming",
    streaming: true,
    updatedAt: at(3599),
    lag: { bytes: 12_345, seconds: 0.2 },
    slotRetainedBytes: 1_000_000,
    lastError: { code: "TARGET_LOST", message: "the connection to the target was lost", at: at(70) },
  },
  load: { rows: 1_200_000, bytes: 840_000_000, startedAt: at(5), endedAt: at(47), bytesPerSecond: 20_000_000 },
  streams: [
    { name: "forward", slot: "pghaul_orders_move_forward", durableLsn: "1/2F00A0", transactions: 900, changes: 4_500, bytes: 1_000_000 },
    { name: "reverse", slot: "pghaul_orders_move_reverse", durableLsn: "0/99", transactions: 100, changes: 500, bytes: 90_000 },
  ],
  held: [
    {
      table: "public.orders",
      why: 'public.orders is held: the target refuses a row changed by the transaction committed at 1/2F0090: violates check constraint "small"',
      fix: "remove the cause at the target, then run: pghaul snapshot reload --table 'public.orders'",
    },
  ],
  leftOut: [{ table: "maps.spots", why: "maps.spots belongs to the extension maps, and holds your own rows, which are not moved" }],
  tables: [
    {
      table: "public.orders",
      phase: "live",
      rows: 1_199_990,
      bytes: 839_999_000,
      chunks: 13,
      loadingAt: at(5),
      loadedAt: at(47),
      joinedAt: at(50),
      liveAt: at(90),
      verdict: { equal: true, lsn: "1/2EFFF8", at: at(2000) },
    },
    {
      table: 'public.<odd> & "quoted" | name',
      phase: "loading",
      rows: 10,
      bytes: 1_000,
      chunks: 1,
      loadingAt: at(46),
      loadedAt: null,
      joinedAt: null,
      liveAt: null,
      verdict: { equal: false, lsn: "1/2EFFF8", at: at(2000) },
    },
    {
      table: "public.untouched",
      phase: "pending",
      rows: 0,
      bytes: 0,
      chunks: 0,
      loadingAt: null,
      loadedAt: null,
      joinedAt: null,
      liveAt: null,
      verdict: null,
    },
  ],
  series: [
    ...Array.from({ length: 40 }, (_, second) =>
      point(second + 5, second < 10 ? null : second * 20_000, 20_000_000 - second * 1000, second * 10),
    ),
    ...Array.from({ length: 30 }, (_, second) => point(second + 100, 500_000, 0, 300)),
  ],
  verifications: [
    {
      at: at(1000),
      tables: 3,
      rows: 1_200_000n,
      different: [{ table: "public.orders", missing: 2, extra: 0, changed: 1 }],
      lsn: "1/100",
      millis: 4_200,
    },
    { at: at(2000), tables: 3, rows: 1_200_010n, different: [], lsn: "1/2EFFF8", millis: 3_900 },
  ],
  breaches: [],
  switches: [
    {
      attempt: 1,
      to: "target",
      startedAt: at(104),
      endedAt: at(106),
      outcome: "cancelled",
      why: "the marker did not reach the target within 250 ms",
      stallMillis: 260,
      planDigest: "3cc5ade38d0f65b2",
      steps: [
        { id: "pause", state: "undone", millis: 0 },
        { id: "fence", state: "undone", millis: 9 },
        { id: "drain", state: "failed", millis: null },
      ],
    },
    {
      attempt: 2,
      to: "target",
      startedAt: at(110),
      endedAt: at(113),
      outcome: "switched",
      why: null,
      stallMillis: 90,
      planDigest: "3cc5ade38d0f65b2",
      steps: [
        { id: "way-back", state: "done", millis: 700 },
        { id: "pause", state: "done", millis: 0 },
        { id: "fence", state: "done", millis: 45 },
        { id: "resume", state: "done", millis: 1 },
        { id: "prove", state: "done", millis: 2_300 },
      ],
    },
    {
      attempt: 3,
      to: "source",
      startedAt: at(120),
      endedAt: at(122),
      outcome: "switched",
      why: null,
      stallMillis: 70,
      planDigest: null,
      steps: [],
    },
  ],
  journal: {
    head: "5e".repeat(32),
    broken: null,
    entries: [
      {
        seq: 1,
        at: at(104),
        user: "ada",
        host: "db-admin",
        kind: "gate",
        evidence: { id: "lag", open: true, evidence: { bytes: 120 } },
        hash: "aa".repeat(32),
      },
      {
        seq: 2,
        at: at(110),
        user: "ada",
        host: "db-admin",
        kind: "switched",
        evidence: { attempt: 2, to: "target", stallMillis: 90 },
        hash: "5e".repeat(32),
      },
    ],
  },
  runs: [
    { command: "run", host: "db-admin", startedAt: at(80), endedAt: null, outcome: null },
    { command: "run", host: "db-admin", startedAt: at(0), endedAt: at(71), outcome: "TARGET_LOST" },
  ],
};
