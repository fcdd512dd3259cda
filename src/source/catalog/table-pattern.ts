/**
 * Patterns that select tables: `schema.table` with `*` for any characters and `?` for one.
 *
 * They are matched against names as they are, upper and lower case told apart, for that is how pghaul prints a table everywhere: a name
 * copied from its output selects that table. A part in double quotes is literal, so a name that holds a dot, a star or a question mark
 * can be written. A pattern without a dot means the table of that name in any schema.
 */
export interface TablePattern {
  readonly text: string;
  matches(schema: string, name: string): boolean;
}

/** Throws a RangeError on an empty pattern, an open quote or more than two parts. */
export function tablePattern(text: string): TablePattern {
  const parts = splitParts(text);
  const [schema, name] = parts.length === 1 ? ["*", parts[0]] : parts;
  if (parts.length > 2 || schema === undefined || name === undefined || schema === "" || name === "") {
    throw new RangeError(`not a table pattern (schema.table): ${text}`);
  }
  const schemaPart = partExpression(schema);
  const namePart = partExpression(name);
  return { text, matches: (ofSchema, ofName) => schemaPart.test(ofSchema) && namePart.test(ofName) };
}

/** Splits at dots outside of quotes; the quotes stay. */
function splitParts(text: string): string[] {
  const parts = [""];
  let quoted = false;
  for (const character of text.trim()) {
    if (character === '"') quoted = !quoted;
    if (character === "." && !quoted) parts.push("");
    else parts[parts.length - 1] += character;
  }
  if (quoted) throw new RangeError(`unclosed quote: ${text}`);
  return parts;
}

function partExpression(part: string): RegExp {
  const literal = /^"((?:[^"]|"")*)"$/.exec(part)?.[1]?.replaceAll('""', '"');
  if (literal !== undefined) return new RegExp(`^${literally(literal)}$`, "u");
  return new RegExp(`^${literally(part).replaceAll("\\*", "[^]*").replaceAll("\\?", "[^]")}$`, "u");
}

function literally(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
}
