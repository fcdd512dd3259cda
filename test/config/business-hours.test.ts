import assert from "node:assert/strict";
import { test } from "node:test";
import { isWithin, parseBusinessHours } from "../../src/config/keys/business-hours.ts";

function within(hours: string, at: string): boolean {
  const parsed = parseBusinessHours(hours);
  assert.ok(parsed !== null, hours);
  return isWithin(parsed, new Date(at));
}

const OFFICE = "Mon-Fri 08:00-20:00 Europe/Berlin";

const moments: readonly (readonly [string, string, boolean])[] = [
  // 16 January 2026 is a Friday; Berlin is an hour ahead of UTC in winter.
  [OFFICE, "2026-01-16T06:59:59Z", false],
  [OFFICE, "2026-01-16T07:00:00Z", true],
  [OFFICE, "2026-01-16T18:59:59Z", true],
  [OFFICE, "2026-01-16T19:00:00Z", false],
  [OFFICE, "2026-01-17T12:00:00Z", false],
  // Two hours ahead in summer.
  [OFFICE, "2026-07-17T05:59:59Z", false],
  [OFFICE, "2026-07-17T06:00:00Z", true],
  [OFFICE, "2026-07-17T18:00:00Z", false],
  // The day is the zone's own: Saturday has begun in Auckland while it is Friday in UTC.
  ["Sat 00:00-24:00 Pacific/Auckland", "2026-01-16T11:00:00Z", true],
  ["Fri 00:00-24:00 Pacific/Auckland", "2026-01-16T11:00:00Z", false],
  ["Fri 00:00-24:00 UTC", "2026-01-16T23:59:59Z", true],
  ["Fri 00:00-24:00 UTC", "2026-01-17T00:00:00Z", false],
  // 02:00-03:00 is not there on 29 March in Berlin: the clock goes from 01:59 to 03:00.
  ["Sun 02:00-03:00 Europe/Berlin", "2026-03-29T00:59:59Z", false],
  ["Sun 02:00-03:00 Europe/Berlin", "2026-03-29T01:00:00Z", false],
  // And it is there twice on 25 October.
  ["Sun 02:00-03:00 Europe/Berlin", "2026-10-25T00:30:00Z", true],
  ["Sun 02:00-03:00 Europe/Berlin", "2026-10-25T01:30:00Z", true],
  ["Sun 02:00-03:00 Europe/Berlin", "2026-10-25T02:00:00Z", false],
];

for (const [hours, at, expected] of moments)
  test(`${at} is ${expected ? "" : "not "}within ${hours}`, () => assert.equal(within(hours, at), expected));
