/** Every object of a verbose script begins so: a line of dashes, then the number that the archive's list has too. */
const HEADER = /(?<![^\n])--\n-- TOC entry (\d+) \(class \d+ OID \d+\)\n(?:-- Dependencies:((?: \d+)+)\n)?/g;
/** What pg_restore sets between two objects holds for all that follow: it stands at the end of the piece before. */
const CARRIED = /(?:(?<![^\n])SET default_(?:tablespace|table_access_method) = (?:''|[a-z_][a-z0-9_]*|"(?:[^"]|"")+");\n+)+$/;

/** An object of the script. */
export interface ScriptPiece {
  /** What creates it, with the settings that pg_restore had made before it. */
  readonly sql: string;
  /** The statements alone: the same in every dump as long as the object is. */
  readonly statements: string;
  /** Numbers of the entries that it depends on. */
  readonly dependsOn: readonly string[];
}

/**
 * The script of `pg_restore --verbose` in one piece for each object, by its number in the archive, so a thousand indexes need one run of it
 * and not a thousand. Null when an object's own text (a comment, say) looks like the beginning of another: then nobody can tell where it
 * ends, and it has to be asked for alone.
 */
export function splitScript(script: string, numbers: ReadonlySet<string>): ReadonlyMap<string, ScriptPiece> | null {
  const headers = [...script.matchAll(HEADER)];
  const first = headers[0];
  if (first === undefined) return null;
  const head = script.slice(0, first.index);
  const pieces = new Map<string, ScriptPiece>();
  let carried = "";
  for (const [index, header] of headers.entries()) {
    const number = header[1] as string;
    if (!numbers.has(number) || pieces.has(number)) return null;
    const text = script.slice(header.index, headers[index + 1]?.index);
    const settings = CARRIED.exec(text);
    const own = settings === null ? text : text.slice(0, settings.index);
    pieces.set(number, { sql: head + carried + own, statements: withoutHeader(own), dependsOn: header[2]?.trim().split(" ") ?? [] });
    if (settings !== null) carried += settings[0];
  }
  return pieces;
}

/** The script of one entry, and no other: whatever looks like a beginning in it is its text. */
export function onlyPiece(script: string): ScriptPiece | null {
  const header = new RegExp(HEADER).exec(script);
  if (header === null) return null;
  return { sql: script, statements: withoutHeader(script.slice(header.index)), dependsOn: header[2]?.trim().split(" ") ?? [] };
}

/** The header names number, dependencies, name and owner, a line each, and ends with dashes as it began. */
function withoutHeader(text: string): string {
  return text.slice(text.indexOf("\n--\n", 3) + 4).trim();
}
