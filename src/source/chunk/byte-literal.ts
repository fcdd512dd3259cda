import { isUtf8 } from "node:buffer";
import { quoteLiteral } from "../../postgres/quote.ts";

/**
 * A value (a byte string, see `model/value.ts`) as an SQL constant, for statements that take no parameters, such as COPY.
 *
 * The statement is sent as UTF-8, so valid UTF-8 is decoded and will be encoded again. Other bytes come only from an SQL_ASCII database,
 * which takes every byte as it is: there, and only there, byte escapes mean the same bytes (manual: "String Constants with C-Style
 * Escapes").
 */
export function byteLiteral(value: string): string {
  const bytes = Buffer.from(value, "latin1");
  if (isUtf8(bytes)) return quoteLiteral(bytes.toString("utf8"));
  return `E'${value.replace(/[^ -&(-[\]-~]/g, (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`)}'`;
}
