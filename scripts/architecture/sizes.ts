import { posix } from "node:path";
import type { Finding } from "./finding.ts";
import type { Module } from "./read-module.ts";

const FILE_LINES = 400;
const COMMAND_LINES = 120;
const FUNCTION_LINES = 60;
const PARAMETERS = 4;
/** A folder of parts of one thing. */
const FOLDER_FILES = 15;
/** Folders that hold many of one kind, each file a line in a list; they may hold any number. */
const COLLECTIONS = /\/(?:checks|gates|facts|queries|commands|kinds)(?:$|\/)/;

/** Files, functions, parameter lists and folders of src/ that have grown too big. */
export function checkSizes(modules: readonly Module[]): Finding[] {
  const source = modules.filter((module) => module.path.startsWith("src/"));
  return [...source.flatMap(checkFile), ...checkFolders(source)];
}

function checkFile(module: Module): Finding[] {
  const findings: Finding[] = [];
  const limit = module.path.startsWith("src/commands/") ? COMMAND_LINES : FILE_LINES;
  const { path } = module;
  if (module.lines > limit)
    findings.push({ path, line: limit, rule: "file-length", message: `${module.lines} lines; the limit is ${limit}` });
  for (const { line, lines, parameters } of module.functions) {
    if (lines > FUNCTION_LINES)
      findings.push({ path, line, rule: "function-length", message: `${lines} lines; the limit is ${FUNCTION_LINES}` });
    if (parameters > PARAMETERS) {
      findings.push({
        path,
        line,
        rule: "max-params",
        message: `${parameters} parameters; more than ${PARAMETERS} become an options object`,
      });
    }
  }
  return findings;
}

function checkFolders(source: readonly Module[]): Finding[] {
  const files = Map.groupBy(source, (module) => posix.dirname(module.path));
  return [...files].flatMap(([path, inside]) =>
    inside.length > FOLDER_FILES && !COLLECTIONS.test(path)
      ? [
          {
            path,
            line: 1,
            rule: "folder-size",
            message: `${inside.length} files; the limit is ${FOLDER_FILES}: the folder holds two things`,
          },
        ]
      : [],
  );
}
