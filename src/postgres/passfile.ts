import { readFile, stat } from "node:fs/promises";

/** What a password is looked up by. `host` is the host as written; the caller turns the default socket directory into `localhost`. */
export interface PassfileKey {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
}

/** `ignored` says why a file that is there was not used; it belongs in front of the operator, not in a silent retry. */
export interface PassfileAnswer {
  readonly password?: string;
  readonly ignored?: string;
}

/**
 * Looks a password up as libpq does (manual: "The Password File"): `host:port:database:user:password`, the first matching line
 * counts, `*` matches anything, `\:` and `\\` stand for `:` and `\`, a line starting with # is a comment. A file that is missing
 * is no error; one that others may read is ignored.
 */
export async function readPassfile(file: string, key: PassfileKey): Promise<PassfileAnswer> {
  const found = await stat(file).catch(() => undefined);
  if (found === undefined) return {};
  if (!found.isFile()) return { ignored: `the password file ${file} is ignored: it is not a plain file` };
  if (process.platform !== "win32" && (found.mode & 0o077) !== 0) {
    return { ignored: `the password file ${file} is ignored: group or others can read it (chmod 600 ${file})` };
  }
  const text = await readFile(file, "utf8").catch(() => undefined);
  if (text === undefined) return { ignored: `the password file ${file} is ignored: it cannot be read` };
  const password = findPassword(text, key);
  return password === undefined ? {} : { password };
}

function findPassword(text: string, key: PassfileKey): string | undefined {
  const wanted = [key.host, String(key.port), key.database, key.user];
  for (const line of text.split("\n")) {
    const fields = line.startsWith("#") ? [] : splitFields(line.replace(/\r$/, ""));
    if (fields.length >= 5 && wanted.every((value, index) => matches(fields[index] as PassfileField, value)))
      return (fields[4] as PassfileField).text;
  }
  return undefined;
}

/** A field with its escapes undone; `any` is a bare `*`, which an escaped one is not. */
interface PassfileField {
  readonly text: string;
  readonly any: boolean;
}

function matches(field: PassfileField, value: string): boolean {
  return field.any || field.text === value;
}

function splitFields(line: string): PassfileField[] {
  const fields: PassfileField[] = [];
  let raw = "";
  for (let at = 0; at <= line.length; at++) {
    if (at === line.length || line[at] === ":") {
      fields.push({ text: raw.replace(/\\(.)/gs, "$1"), any: raw === "*" });
      raw = "";
    } else {
      raw += line[at];
      if (line[at] === "\\" && at + 1 < line.length) raw += line[++at];
    }
  }
  return fields;
}
