import assert from "node:assert/strict";
import { test } from "node:test";
import { parseBusinessHours } from "../../src/config/keys/business-hours.ts";
import { parseByteSize, parseDuration } from "../../src/config/keys/quantities.ts";

const sizes: readonly (readonly [string, number | null])[] = [
  ["0B", 0],
  ["1B", 1],
  ["1kB", 1024],
  ["1KB", 1024],
  ["64MB", 67_108_864],
  ["64 MB", 67_108_864],
  ["50GB", 53_687_091_200],
  ["1.5GB", 1_610_612_736],
  ["2TB", 2_199_023_255_552],
  ["64MiB", 67_108_864],
  ["64", null],
  ["64mb", null],
  ["64M", null],
  ["-1MB", null],
  ["1e3MB", null],
  ["", null],
  ["MB", null],
  ["9999999999TB", null],
  ["64MB ", null],
];

for (const [text, bytes] of sizes) test(`size "${text}" is ${bytes}`, () => assert.equal(parseByteSize(text), bytes));

const durations: readonly (readonly [string, number | null])[] = [
  ["250ms", 250],
  ["3s", 3_000],
  ["0s", 0],
  ["1.5s", 1_500],
  ["5m", 300_000],
  ["5min", 300_000],
  ["24h", 86_400_000],
  ["90d", 7_776_000_000],
  ["24 h", 86_400_000],
  ["3", null],
  ["3S", null],
  ["-3s", null],
  ["", null],
  ["3 weeks", null],
  ["1h30m", null],
  ["99999999999d", null],
];

for (const [text, millis] of durations) test(`duration "${text}" is ${millis}`, () => assert.equal(parseDuration(text), millis));

test("business hours: ranges, lists, any case, the end of the day", () => {
  assert.deepEqual(parseBusinessHours("Mon-Fri 08:00-20:00 Europe/Berlin"), {
    days: [1, 2, 3, 4, 5],
    fromMinute: 480,
    toMinute: 1200,
    zone: "Europe/Berlin",
  });
  assert.deepEqual(parseBusinessHours("sun,MON,Tue-Wed 0:30-24:00 UTC"), {
    days: [1, 2, 3, 7],
    fromMinute: 30,
    toMinute: 1440,
    zone: "UTC",
  });
});

const notHours = [
  "",
  "Mon-Fri",
  "Mon-Fri 08:00-20:00",
  "Mon-Fri 08:00-20:00 Berlin",
  "Fri-Mon 08:00-20:00 UTC",
  "Mon-Tue-Wed 08:00-20:00 UTC",
  "Mo 08:00-20:00 UTC",
  "Mon 20:00-08:00 UTC",
  "Mon 08:00-08:00 UTC",
  "Mon 08:00-24:01 UTC",
  "Mon 08:60-09:00 UTC",
  "Mon 8-9 UTC",
  "Mon 08:00 UTC",
  "Mon 08:00-09:00-10:00 UTC",
  "Mon 08:00-20:00 UTC please",
  ", 08:00-20:00 UTC",
];

for (const text of notHours) test(`"${text}" is not business hours`, () => assert.equal(parseBusinessHours(text), null));
