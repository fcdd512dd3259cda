/** Every object of a verbose script begins so: a line of dashes, then the number that the archive's list has too. */
const HEADER = /^--\n-- TOC entry (\d+) \(class \d+ OID \d+\)\n/gm;
/** What pg_restore sets between two objects holds for all that follow: it stands at the end of the piece before. */
const CARRIED = /(?:^SET default_(?:tablespace|table_access_method) = [^\n]*;\n+)+(?![\s\S])/m;

/**
 * The script of `pg_restore --verbose` in one piece for each object, by its number in the archive, each with the settings that pg_restore
 * had made before it; so a thousand indexes need one run of it and not a thousand. Null when an object's own text (a comment, say) looks
 * like the beginning of another: then nobody can tell where it ends, and it has to be asked for alone.
 */
export function splitScript(script: string, numbers: ReadonlySet<string>): ReadonlyMap<string, string> | null {
  const headers = [...script.matchAll(HEADER)];
  const first = headers[0];
  if (first === undefined) return null;
  const head = script.slice(0, first.index);
  const pieces = new Map<string, string>();
  let carried = "";
  for (const [index, header] of headers.entries()) {
    const number = header[1] as string;
    if (!numbers.has(number) || pieces.has(number)) return null;
    const text = script.slice(header.index, headers[index + 1]?.index);
    const settings = CARRIED.exec(text);
    pieces.set(number, head + carried + (settings === null ? text : text.slice(0, settings.index)));
    if (settings !== null) carried += settings[0];
  }
  return pieces;
}
