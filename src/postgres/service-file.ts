import { readFileSync } from "node:fs";
import { type Conninfo, invalidConninfo, parameterNamed, type ParameterName } from "./parse-conninfo.ts";

/**
 * The parameters of a service (manual: "The Connection Service File"): sections of `name=value` lines, no blanks around `=`.
 * `files` in order: the user's file wins over the system's; one that is not there is passed over. Throws
 * CONNECTION_STRING_INVALID when no file has the service, or a line of its section cannot be read.
 */
export function readService(service: string, files: readonly string[]): Conninfo {
  for (const file of files) {
    const text = readIfThere(file);
    const section = text === undefined ? undefined : parseSection(text, service, file);
    if (section !== undefined) return section;
  }
  throw invalidConninfo(`the service "${service}" is not defined in ${files.join(" or ")}`);
}

/** Lines of other sections are not looked at, however wrong; within a section the first of two equal names counts. */
function parseSection(text: string, service: string, file: string): Conninfo | undefined {
  let section: Partial<Record<ParameterName, string>> | undefined;
  for (const [index, raw] of text.split("\n").entries()) {
    const line = raw.trim();
    if (line === "" || line.startsWith("#")) continue;
    if (line.startsWith("[")) {
      if (section !== undefined) return section;
      if (line.startsWith(`[${service}]`)) section = {};
      continue;
    }
    if (section === undefined) continue;
    const where = `line ${index + 1} of ${file}`;
    const equals = line.indexOf("=");
    if (equals < 0) throw invalidConninfo(`${where} is not of the form name=value`);
    const name = parameterNamed(line.slice(0, equals), where);
    if (name === "service" || name === "servicefile") throw invalidConninfo(`${where} names another service, which libpq does not follow`);
    section[name] ??= line.slice(equals + 1);
  }
  return section;
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw invalidConninfo(`the service file ${file} cannot be read (${code})`);
  }
}
