import { z } from "zod";

/** Powers of 1024, as PostgreSQL's own settings mean them: 1 GB = 1024 MB (manual: "Parameter Names and Values"). */
const BYTES: Readonly<Record<string, number>> = {
  B: 1,
  KB: 2 ** 10,
  MB: 2 ** 20,
  GB: 2 ** 30,
  TB: 2 ** 40,
  KIB: 2 ** 10,
  MIB: 2 ** 20,
  GIB: 2 ** 30,
  TIB: 2 ** 40,
};

const MILLIS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, min: 60_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

const BYTE_SIZE = /^(\d+(?:\.\d+)?) ?(B|[kKMGT]i?B)$/;
const DURATION = /^(\d+(?:\.\d+)?) ?(ms|s|min|m|h|d)$/;

const SIZE_WANTED = 'must be a size such as "64MB"';
const DURATION_WANTED = 'must be a duration such as "3s", "5min" or "24h"';

/** `64MB` -> 67108864. Null for what is no size, or more than a number can count exactly. */
export function parseByteSize(text: string): number | null {
  return scaled(BYTE_SIZE.exec(text), (unit) => BYTES[unit.toUpperCase()]);
}

/** `250ms`, `3s`, `5min`, `24h`, `90d` -> milliseconds. Null for what is no duration: a bare number does not say of what. */
export function parseDuration(text: string): number | null {
  return scaled(DURATION.exec(text), (unit) => MILLIS[unit]);
}

/** A size in the configuration; a bare number is bytes. Parses to bytes. */
export function byteSize() {
  return z
    .union([z.int({ error: SIZE_WANTED }).min(1, { error: SIZE_WANTED }), z.string().regex(BYTE_SIZE, { error: SIZE_WANTED })], {
      error: SIZE_WANTED,
    })
    .transform((value, context) => orIssue(typeof value === "number" ? value : parseByteSize(value), context, SIZE_WANTED))
    .refine((bytes) => bytes > 0, { error: SIZE_WANTED });
}

/** A duration in the configuration. Parses to milliseconds. */
export function duration() {
  return z
    .string({ error: DURATION_WANTED })
    .regex(DURATION, { error: DURATION_WANTED })
    .transform((value, context) => orIssue(parseDuration(value), context, DURATION_WANTED));
}

function scaled(match: RegExpExecArray | null, factorOf: (unit: string) => number | undefined): number | null {
  const value = Math.round(Number(match?.[1]) * (factorOf(match?.[2] ?? "") ?? Number.NaN));
  return Number.isSafeInteger(value) ? value : null;
}

function orIssue(value: number | null, context: z.RefinementCtx, message: string): number {
  if (value !== null) return value;
  context.addIssue({ code: "custom", message });
  return z.NEVER;
}
