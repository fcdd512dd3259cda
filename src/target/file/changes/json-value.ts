/** Values in JSON: PostgreSQL's text as a string, NULL as null, and `{"base64": "..."}` for bytes that are no UTF-8. */
import { isUtf8 } from "node:buffer";

const NOT_ASCII = /[\x80-\uffff]/;

export type JsonValue = string | null | { readonly base64: string };

/** A byte string (see `model/value.ts`) as JSON holds it. */
export function toJsonValue(value: string | null): JsonValue {
  if (value === null || !NOT_ASCII.test(value)) return value;
  const bytes = Buffer.from(value, "latin1");
  return isUtf8(bytes) ? bytes.toString("utf8") : { base64: bytes.toString("base64") };
}

/** Throws a RangeError for anything that `toJsonValue` does not write. */
export function fromJsonValue(value: unknown): string | null {
  if (value === null) return null;
  if (typeof value === "string") return NOT_ASCII.test(value) ? Buffer.from(value, "utf8").toString("latin1") : value;
  if (typeof value === "object" && "base64" in value && typeof value.base64 === "string")
    return Buffer.from(value.base64, "base64").toString("latin1");
  throw new RangeError("not a value");
}
