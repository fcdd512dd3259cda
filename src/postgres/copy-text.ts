/**
 * COPY's text format over byte strings (manual: "COPY", section "Text Format").
 *
 * Lines and values are latin1 strings, one code unit a byte (see `model/value.ts`). Because a newline, tab or backslash inside a
 * value is always escaped, a raw 0x0A only ever ends a row and a raw 0x09 only ever ends a field: splitting needs no state.
 */

const TAB = 0x09;
const BACKSLASH = 0x5c;

/** What COPY TO escapes; everything above 0xFF is no byte at all and would be cut silently by a latin1 encoder. */
const NEEDS_CARE = /[\b\t\n\v\f\r\\\u0100-\uffff]/;
const NEEDS_CARE_EACH = /[\b\t\n\v\f\r\\\u0100-\uffff]/g;

const ESCAPES: Readonly<Record<string, string>> = {
  "\b": "\\b",
  "\t": "\\t",
  "\n": "\\n",
  "\v": "\\v",
  "\f": "\\f",
  "\r": "\\r",
  "\\": "\\\\",
};

/** Octal, hexadecimal or single-character escape; the order of the alternatives is the manual's. */
const ESCAPED = /\\(?:([0-7]{1,3})|x([0-9A-Fa-f]{1,2})|(.))/gs;

const CONTROLS: Readonly<Record<string, string>> = { b: "\b", f: "\f", n: "\n", r: "\r", t: "\t", v: "\v" };

/**
 * The values of one line; a single trailing newline is allowed. NULL is the field `\N` as it stands, before any escape is undone.
 * Throws a RangeError on the end-of-data line `\.`, which is no row.
 */
export function parseCopyLine(line: string): (string | null)[] {
  const row = line.endsWith("\n") ? line.slice(0, -1) : line;
  if (row === "\\.") throw new RangeError("the end-of-data marker is not a row");
  return row.split("\t").map(decodeField);
}

/** One line with its newline. Throws a RangeError when a value holds anything but bytes. */
export function encodeCopyLine(row: readonly (string | null)[]): string {
  let line = "";
  for (let index = 0; index < row.length; index++) {
    if (index > 0) line += "\t";
    const value = row[index];
    if (value === null || value === undefined) line += "\\N";
    else line += NEEDS_CARE.test(value) ? value.replace(NEEDS_CARE_EACH, escapeCharacter) : value;
  }
  return `${line}\n`;
}

/**
 * Some fields of the line at `buffer[start, end)` (newline not included), in the order of `indexes`; the rest of the line is not
 * decoded. Throws a RangeError when the line has too few fields.
 */
export function copyFields(buffer: Buffer, start: number, end: number, indexes: readonly number[]): (string | null)[] {
  const values = new Array<string | null>(indexes.length).fill(null);
  let missing = indexes.length;
  let from = start;
  for (let field = 0; missing > 0; field++) {
    if (from > end) throw new RangeError(`a COPY line has ${field} fields, field ${Math.max(...indexes)} was asked for`);
    let to = from;
    let escaped = false;
    for (; to < end && buffer[to] !== TAB; to++) if (buffer[to] === BACKSLASH) escaped = true;
    for (let slot = 0; slot < indexes.length; slot++) {
      if (indexes[slot] !== field) continue;
      const raw = buffer.toString("latin1", from, to);
      values[slot] = escaped ? decodeField(raw) : raw;
      missing--;
    }
    from = to + 1;
  }
  return values;
}

function decodeField(raw: string): string | null {
  if (raw === "\\N") return null;
  return raw.includes("\\") ? raw.replace(ESCAPED, unescapeMatch) : raw;
}

function unescapeMatch(_match: string, octal: string | undefined, hex: string | undefined, character: string): string {
  // Three octal digits reach past 0xFF; the server keeps the low byte.
  if (octal !== undefined) return String.fromCharCode(Number.parseInt(octal, 8) & 0xff);
  if (hex !== undefined) return String.fromCharCode(Number.parseInt(hex, 16));
  return CONTROLS[character] ?? character;
}

function escapeCharacter(character: string): string {
  const escaped = ESCAPES[character];
  if (escaped === undefined) throw new RangeError("a value for COPY must be a byte string (see model/value.ts)");
  return escaped;
}
