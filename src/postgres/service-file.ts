import { readFileSync } from "node:fs";
import { type Conninfo, invalidConninfo, type ParameterName, parameterNamed } from "./parse-conninfo.ts";

export interface ServiceFile {
  readonly path: string;
  /** Named by PGSERVICEFILE rather than by custom: it must be there. */
  readonly required: boolean;
}

/**
 * The parameters of a service (manual: "The Connection Service File"): sections of `name=value` lines, no blanks around `=`.
 * `files` in order: the user's file wins over the system's. Throws CONNECTION_STRING_INVALID when no file has the service, a
 * required file is missing, or a line of the section cannot be read.
 */
export function readService(service: string, files: readonly ServiceFile[]): Conninfo {
  for (const { path, required } of files) {
    const text = readIfThere(path);
    if (text === undefined && required) throw invalidConninfo(`the service file ${path} does not exist`);
    const section = text === undefined ? undefined : parseSection(text, service, path);
    if (section !== undefined) return section;
  }
  throw invalidConninfo(`the service "${service}" is not defined in ${files.map((file) => file.path).join(" or ")}`);
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
    if (equals < 0) throw invalidConninfo(`${where} does not have the form name=value`);
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
