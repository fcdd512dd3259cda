import { REDACTED, redact } from "./redact.ts";

/** Keys whose value is never shown, whatever it is. */
const SECRET_KEY = /^(?:.*(?:password|passwd|passphrase|secret|token)|secret_?access_?key)$/i;

/**
 * JSON as it may leave the process: 64-bit integers as strings (a reader's JSON parser would round them), Dates as ISO 8601,
 * every string redacted.
 */
export function jsonText(value: unknown, indent?: number): string {
  return JSON.stringify(value, encode, indent);
}

function encode(key: string, value: unknown): unknown {
  if (typeof value === "bigint") return value.toString();
  if (typeof value !== "string") return value;
  return SECRET_KEY.test(key) ? REDACTED : redact(value);
}
