/**
 * pg_dump writes the options of foreign objects as they are, passwords among them, and has no flag that leaves them out. Its archive stays on disk
 * for as long as the migration lasts, so they are taken out of it before it is ever written.
 *
 * An archive of the custom format holds the text of each object in its table of contents, never compressed: a sign (0), four bytes of length, the
 * text (src/bin/pg_dump/pg_backup_archiver.c: WriteToc, WriteStr, WriteInt). No text of PostgreSQL holds a byte 0, and none is longer than 1 GB, so a
 * text that begins with one of our words begins where such a length stands before it. What goes is overwritten with blanks: every length stays.
 */
import { PghaulError } from "../../../../errors/pghaul-error.ts";
import { type ForeignKind, isSecretOption } from "../../../../side/postgres/foreign/secret-options.ts";

const BEGINNINGS: readonly { readonly text: string; readonly kind: ForeignKind }[] = [
  { text: "CREATE FOREIGN DATA WRAPPER ", kind: "foreign data wrapper" },
  { text: "CREATE SERVER ", kind: "server" },
  { text: "CREATE FOREIGN TABLE ", kind: "foreign table" },
  { text: "CREATE USER MAPPING ", kind: "user mapping" },
];

const MAGIC = "PGDMP";
/** Of the header: magic, three bytes of version, then the size of an int (WriteHead). */
const MAJOR_AT = 5;
const INT_SIZE_AT = 8;
/** Sign and four bytes. */
const LENGTH_BYTES = 5;

/** The same archive without them, in place. Throws SOURCE_QUERY where this pg_dump writes another form than we know. */
export function withoutSecrets(archive: Buffer): Buffer {
  const isKnown =
    archive.toString("latin1", 0, MAGIC.length) === MAGIC && archive[MAJOR_AT] === 1 && archive[INT_SIZE_AT] === LENGTH_BYTES - 1;
  if (!isKnown) {
    throw new PghaulError("SOURCE_QUERY", "pg_dump wrote an archive in a format that pghaul does not know", {
      context: { step: "pg_dump" },
    });
  }
  for (const { text, kind } of BEGINNINGS) {
    for (let at = archive.indexOf(text, 0, "latin1"); at >= 0; at = archive.indexOf(text, at + 1, "latin1")) {
      if (archive[at - LENGTH_BYTES] !== 0) continue;
      const length = archive.readUInt32LE(at - LENGTH_BYTES + 1);
      if (at + length > archive.length) continue;
      archive.write(withoutSecretOptions(archive.toString("latin1", at, at + length), kind), at, "latin1");
    }
  }
  return archive;
}

/** Each token of SQL as pg_dump prints it: constants, quoted names, words, blanks, and single characters. */
const TOKEN = /E'(?:[^'\\]|''|\\.)*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|[A-Za-z_\x80-\xff][\w$\x80-\xff]*|\s+|./gs;

interface Option {
  readonly name: string;
  readonly value: string;
}

/** A statement of the same length. A user mapping goes whole: without its password it would only be there to fail. */
function withoutSecretOptions(sql: string, kind: ForeignKind): string {
  const tokens = sql.match(TOKEN) ?? [];
  let clean = "";
  for (let index = 0; index < tokens.length; ) {
    const list = tokens[index] === "OPTIONS" ? readOptions(tokens, index) : null;
    const taken = tokens.slice(index, list === null ? index + 1 : list.end).join("");
    index = list === null ? index + 1 : list.end;
    const kept = list?.options.filter(({ name, value }) => !isSecretOption(kind, plainName(name), plainText(value)));
    if (list === null || kept === undefined || kept.length === list.options.length) clean += taken;
    else if (kind === "user mapping") return " ".repeat(sql.length);
    else if (kept.length > 0) clean += `OPTIONS (${kept.map(({ name, value }) => `${name} ${value}`).join(",")})`.padEnd(taken.length);
    else clean = withoutAlter(clean) + " ".repeat(taken.length);
  }
  return clean;
}

/** What only sets the options of a column has nothing left to do; its semicolon ends an empty statement. */
function withoutAlter(clean: string): string {
  const start = clean.lastIndexOf(";\nALTER FOREIGN TABLE ") + 2;
  return start > 1 && / ALTER COLUMN \S.* $/s.test(clean.slice(start)) ? clean.slice(0, start).padEnd(clean.length) : clean;
}

/** `OPTIONS (name 'value', ...)` from `start` on; null where that word is something else. */
function readOptions(tokens: readonly string[], start: number): { readonly options: readonly Option[]; readonly end: number } | null {
  const options: Option[] = [];
  let index = start + 1;
  const next = (): string => {
    while (/^\s/.test(tokens[index] ?? "")) index += 1;
    index += 1;
    return tokens[index - 1] ?? "";
  };
  if (next() !== "(") return null;
  for (;;) {
    const [name, value, after] = [next(), next(), next()];
    if (!/^E?'/.test(value)) return null;
    options.push({ name, value });
    if (after === ")") return { options, end: index };
    if (after !== ",") return null;
  }
}

function plainName(token: string): string {
  return token.startsWith('"') ? token.slice(1, -1).replaceAll('""', '"') : token;
}

function plainText(token: string): string {
  const text = token.slice(token.indexOf("'") + 1, -1).replaceAll("''", "'");
  return token.startsWith("E") ? text.replaceAll("\\\\", "\\") : text;
}
