/**
 * An identifier, always in double quotes: a name then means exactly itself, whatever its case and whatever keywords
 * the server's version adds (manual: "Identifiers and Key Words").
 */
export function quoteIdent(name: string): string {
  refuseNul(name);
  return `"${name.replaceAll('"', '""')}"`;
}

/**
 * A string constant. With a backslash in it the escape form E'...' is used, which means the same whether
 * standard_conforming_strings is on or off (manual: "String Constants with C-Style Escapes").
 */
export function quoteLiteral(text: string): string {
  refuseNul(text);
  const quoted = `'${text.replaceAll("'", "''").replaceAll("\\", "\\\\")}'`;
  return text.includes("\\") ? `E${quoted}` : quoted;
}

/** `"schema"."name"`. */
export function qualifiedName(schema: string, name: string): string {
  return `${quoteIdent(schema)}.${quoteIdent(name)}`;
}

/** No PostgreSQL text holds byte 0, and on the wire it would end the statement early. */
function refuseNul(text: string): void {
  if (text.includes("\0")) throw new RangeError("a name or constant holds a NUL character, which PostgreSQL text cannot");
}
